"""`masklet.connect` against a server that really listens: the local API's answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import masklet
from fakes import FakeEngine, inside, squares
from masklet.client.transport import ServerError
from masklet.errors import ConfigError, PromptError, SessionError, UnknownFrameError
from masklet.predict.segmenter import Segmenter
from studio_kit import FRAMES, running, until


@pytest.fixture
def remote(serving) -> Iterator[Any]:
    with (
        serving() as client,
        running(client.app) as port,
        masklet.connect(f"http://127.0.0.1:{port}") as model,
    ):
        yield model


@pytest.fixture
def file(tmp_path: Path, clip: bytes) -> Path:
    (tmp_path / "clip.mp4").write_bytes(clip)
    return tmp_path / "clip.mp4"


@pytest.mark.parametrize("clicks", [{1: 0}, {1: 0, 2: 7}], ids=["forward", "both ways"])
def test_a_session_there_gives_what_one_here_gives(remote, file: Path, clicks: dict[int, int]) -> None:
    with remote.video(file) as there, Segmenter(FakeEngine()).video(file) as here:
        for object_id, frame in clicks.items():
            asked = {"clicks": [inside(frame, object_id)]}
            far, near = there.prompt(frame, object_id, **asked), here.prompt(frame, object_id, **asked)
            assert (far.mask, far.candidates, far.chosen) == (near.mask, near.candidates, near.chosen)
        steps: list[tuple[int, int]] = []
        far_frames = list(there.propagate(on_step=lambda *step: steps.append(step)))
        near_frames = list(here.propagate())
        assert [f.index for f, _ in far_frames] == [f.index for f, _ in near_frames]
        assert [dict(m.masks) for _, m in far_frames] == [dict(m.masks) for _, m in near_frames]
        assert np.array_equal(far_frames[3][0].image, near_frames[3][0].image)
        assert steps[-1][0] == steps[-1][1]
        assert there.objects == here.objects
        assert {i: m.masks for i, m in there.masklets().items()} == {
            i: m.masks for i, m in here.masklets().items()
        }
        assert there.masks(4).masks == here.masks(4).masks
        there.pin(4, 1)
        assert there.outdated == {1}
        there.undo()
        there.redo()
        there.clear(4, 1)
        there.remove(1)
        assert 1 not in there.objects


def test_a_picture_there_gives_what_one_here_gives(remote) -> None:
    picture = squares(1, 2)[0]
    with remote.image(picture) as there:
        far = there.segment(clicks=[inside(0, 2)])
    near = Segmenter(FakeEngine()).image(picture).segment(clicks=[inside(0, 2)])
    assert len(far) == 3
    assert [m.box for m in far.masks] == [m.box for m in near.masks]
    assert far.iou == pytest.approx(near.iou, abs=1e-5)
    assert remote.videos() == []


def test_pictures_nobody_closed_go_with_the_connection(serving, tmp_path: Path) -> None:
    file = tmp_path / "cat.png"
    Image.fromarray(squares(1, 2)[0]).save(file)
    with serving() as client, running(client.app) as port:
        with masklet.connect(f"http://127.0.0.1:{port}") as model:
            model.image(file).segment(clicks=[inside(0, 2)])
            closed = model.image(squares(1, 2)[0])
            closed.close()
            closed.close()
            assert [video["name"] for video in model.videos()] == ["cat.png"]
        assert client.get("/api/videos").json()["videos"] == []
        assert client.get("/api/sessions").json()["sessions"] == []


def test_a_connection_closes_when_a_picture_is_gone_already(serving) -> None:
    with serving() as client, running(client.app) as port:
        with masklet.connect(f"http://127.0.0.1:{port}") as model:
            for _ in range(2):
                model.image(squares(1, 2)[0])
            gone, _ = model.videos()
            assert client.delete(f"/api/videos/{gone['id']}").status_code == 204
        assert client.get("/api/videos").json()["videos"] == []


def test_a_session_is_found_again_and_its_work_taken_away(remote, file: Path, tmp_path: Path) -> None:
    with remote.video(file, name="mine") as there:
        there.prompt(0, 1, clicks=[inside(0, 1)])
        for _, _ in there.propagate("forward", stop=5):
            pass
    (row,) = remote.sessions()
    assert row["name"] == "mine"
    with remote.resume(row["id"]) as again:
        assert sorted(again.masklets()[1].masks) == [0, 1, 2, 3, 4]
        assert again.source[2].image.shape == (96, 128, 3)
        assert again.export("coco", tmp_path / "out.json").stat().st_size > 0
        again.save(tmp_path / "work.masklet")
        again.delete()
    assert remote.sessions() == []


def test_leaving_a_propagation_cancels_it(remote, file: Path) -> None:
    with remote.video(file) as there:
        there.prompt(0, 1, clicks=[inside(0, 1)])
        frames = there.propagate()
        assert next(frames)[0].index == 0
        frames.close()
        until(lambda: there._refreshed()["run"]["state"] in ("cancelled", "done"))
        assert len(list(there.propagate("forward", start=0))) == FRAMES


def test_errors_are_those_of_the_local_api(remote, file: Path) -> None:
    with remote.video(file) as there:
        with pytest.raises(PromptError, match="outside the frame"):
            there.prompt(0, 1, clicks=[(900, 5)])
        with pytest.raises(UnknownFrameError):
            there.prompt(99, 1, clicks=[(9, 5)])
        with pytest.raises(SessionError, match="nothing to propagate"):
            there.propagate()
        with pytest.raises(SessionError):
            there.undo()


def test_a_server_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(ServerError) as failed:
        masklet.connect("http://127.0.0.1:9")
    assert failed.value.code == "unreachable"
    with pytest.raises(ConfigError, match="must look like"):
        masklet.connect("localhost")
    with pytest.raises(ConfigError, match=r"has a path; give http://127\.0\.0\.1:9 alone"):
        masklet.connect("http://127.0.0.1:9/studio")
