"""A row in one process: steps, sessions handed over, results; and what other runs find of it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from fakes import ArraySource, FakeEngine, squares, truth
from fakes_batch import encoded, film, load, row
from masklet.batch.held import HeldFrames
from masklet.batch.job import Job
from masklet.batch.ledger import RowFiles
from masklet.batch.manifest import Row, row_of
from masklet.batch.steps import steps_of
from masklet.batch.storage import Store
from masklet.batch.track import track_step
from masklet.batch.whole import work
from masklet.errors import ConfigError
from masklet.predict.segmenter import Segmenter
from masklet.video.json_masks import read_masklets


def made(video: Path, **more: object) -> Row:
    return row_of(1, row(video, **more))  # type: ignore[arg-type]


def worked(job: Job, one: Row) -> dict:
    return work(RowFiles.of(job, one), load("any"))


def test_a_row_gives_masks_statistics_and_timing(job: Job, tmp_path: Path) -> None:
    one = made(film(tmp_path / "clip", 10, 2), objects=2, id="mine")
    found = worked(job, one)
    assert (found["status"], found["error"], found["id"], found["line"]) == ("done", None, "mine", 1)
    masklets = read_masklets(found["masks"])
    assert {i: list(m.masks) for i, m in masklets.items()} == {1: list(range(10)), 2: list(range(10))}
    assert (masklets[2].masks[9].to_array() == truth(9, 2)).mean() > 0.98
    counted = found["statistics"]["objects"]["2"]
    assert counted["visible_frames"] == 10
    assert counted["prompted_frames"] == 1
    areas = [m.area for m in masklets[2].masks.values()]
    assert counted["mean_area"] == pytest.approx(sum(areas) / 10, abs=0.1)
    assert set(found["timing"]) == {f"{n}_seconds" for n in ("decode", "model", "encode", "total")}
    assert found["timing"]["total_seconds"] > 0
    assert json.loads(job.out.read(f"rows/{found['key']}.json"))["masks"] == found["masks"]
    assert job.out.names("parts") == []


@pytest.mark.parametrize("frame", [0, 5, 9])
@pytest.mark.parametrize("policy", [None, "sam2", {"memory": {"stride": 3}}])
def test_chunks_find_what_one_piece_finds(job: Job, tmp_path: Path, frame: int, policy: object) -> None:
    given = row(film(tmp_path / "clip", 10, 2), frame, 2, policy=policy)
    given["prompts"][1]["frame"] = 3  # the sweeps of the two objects overlap
    given["prompts"][1]["clicks"] = [[10 + 4 + 2 * 3 + 8, 2 + 23 + 10]]
    in_chunks = worked(job, row_of(1, given))
    assert in_chunks["status"] == "done"
    at_once = worked(dataclasses.replace(job, chunk=1000), row_of(1, given))
    assert in_chunks["key"] != at_once["key"]
    a, b = read_masklets(in_chunks["masks"]), read_masklets(at_once["masks"])
    assert {i: list(m.masks) for i, m in a.items()} == {i: list(m.masks) for i, m in b.items()}
    # Memories that a step reads of the one before are made again, from masks: edges may differ a little.
    assert min(a[i].masks[t].iou(b[i].masks[t]) for i in a for t in a[i].masks) > 0.9
    assert in_chunks["statistics"]["frames"] == at_once["statistics"]["frames"] == 10


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
@pytest.mark.parametrize("bounds", [None, [2, 8], [None, 3], [7, None]])
def test_steps_make_every_frame_final_once(direction: str, bounds: object) -> None:
    one = made(Path("clip"), frame=5, direction=direction, range=bounds)
    session = Segmenter(FakeEngine()).video(ArraySource(squares(10)))
    with session:
        session.prompt(5, 1, clicks=[(20, 12)])
        start, stop = bounds or (None, None)
        frames = [f.index for f, _ in session.propagate(direction, start=start, stop=stop)]  # type: ignore[arg-type]
    if not frames:
        with pytest.raises(ConfigError, match=f"holds no frame {direction} from the prompts"):
            steps_of(one, 10, 3)
        return
    for chunk in (1, 3, 100):
        steps = steps_of(one, 10, chunk)
        assert sorted(t for step in steps for t in step.final) == sorted(frames)
        assert max(step.stop - step.start for step in steps) <= chunk
        assert [step.number for step in steps] == list(range(len(steps)))
        assert all(step.of == len(steps) for step in steps)
        assert steps[-1].last


def test_a_long_video_hands_little_over() -> None:
    one = made(Path("clip"), frame=2000)
    steps = steps_of(one, 100_000, 500)
    assert max(len(step.kept) for step in steps) < 60
    assert max(len(step.read) for step in steps) < 560


def test_nothing_else_is_read_than_a_step_says(tmp_path: Path, signs: Path) -> None:
    """What travels to a model's worker is what it needs: another frame would be refused."""
    images = squares(30, 2)
    for policy in (None, "sam2", {"memory": {"stride": 3}}):
        one = made(tmp_path, frame=14, objects=2, policy=policy)
        taken = None
        for step in steps_of(one, 30, 6):
            handed = tmp_path / f"{step.number}.npz"
            held = HeldFrames.from_bytes(HeldFrames.of(ArraySource(images), step.read).to_bytes())
            part = track_step(load("any"), held, one, step, taken, handed)
            assert set(part.masks) == set(step.final)
            taken = handed


def test_a_row_goes_on_where_it_was_killed(job: Job, tmp_path: Path, signs: Path, monkeypatch) -> None:
    one = made(film(tmp_path / "clip", 20))
    whole = worked(dataclasses.replace(job, out=Store(str(tmp_path / "other"))), one)
    all_at_once = encoded(signs)
    stored = RowFiles.store_part

    def dies(self: RowFiles, step: int, part: bytes) -> None:
        if step == 3:
            raise KeyboardInterrupt
        stored(self, step, part)

    monkeypatch.setattr(RowFiles, "store_part", dies)
    with pytest.raises(KeyboardInterrupt):
        worked(job, one)
    monkeypatch.undo()
    monkeypatch.setenv("FAKE_BATCH", str(signs))
    before = encoded(signs)
    assert RowFiles.of(job, one).steps_done() == 3
    found = worked(job, one)
    assert encoded(signs) - before < all_at_once  # the first three steps were not done again
    assert Path(found["masks"]).read_bytes() == Path(whole["masks"]).read_bytes()
    before = encoded(signs)
    assert worked(job, one) == found
    assert encoded(signs) == before


def test_a_video_that_breaks_off_keeps_what_came_before(job: Job, tmp_path: Path) -> None:
    folder = film(tmp_path / "clip", 10)
    (folder / "0006.png").write_bytes((folder / "0006.png").read_bytes()[:60])
    found = worked(job, made(folder))
    assert found["status"] == "damaged"
    assert "0006.png" in found["error"]
    assert list(read_masklets(found["masks"])[1].masks) == [0, 1, 2, 3, 4, 5]
    assert worked(job, made(folder)) == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video": "/lost/clip.mp4"}, "/lost/clip.mp4"),
        ({"video": "nosuch://bucket/clip.mp4"}, "nosuch"),
        ({"prompts": [{"frame": 10, "clicks": [[1, 1]]}]}, "frame 10 is outside the video (0–9)"),
        ({"prompts": [{"clicks": [[500, 1]]}]}, "click (500, 1) is outside the frame (128×96)"),
        ({"range": [4, 11]}, "stop 11 is outside the video"),
    ],
)
def test_a_row_that_does_not_fit_its_video(job: Job, tmp_path: Path, change: dict, message: str) -> None:
    given = {**row(film(tmp_path / "clip")), **change}
    found = worked(job, row_of(1, given))
    assert found["status"] == "failed"
    assert message in found["error"]
    assert "\n" not in found["error"]
    assert found["masks"] is None


def test_an_error_of_the_code_is_one_line_too(job: Job, tmp_path: Path) -> None:
    found = worked(job, made(film(tmp_path / "clip", moods={3: (9, 0, 9)})))
    assert found["error"] == "unexpected ZeroDivisionError: by a picture"


def test_videos_and_outputs_elsewhere(job: Job, tmp_path: Path) -> None:
    """A file system that is not this machine's disk."""
    import fsspec

    folder = film(tmp_path / "clip", 6)
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/videos/clip", recursive=True)
    away = dataclasses.replace(job, out=Store("memory://results"))
    found = worked(away, made("memory://videos/clip"))  # type: ignore[arg-type]
    here = worked(job, made(folder))
    assert found["masks"] == f"memory://results/masks/{found['key']}.json"
    masks = json.loads(memory.cat_file(found["masks"]))
    assert masks == json.loads(Path(here["masks"]).read_text())
    assert worked(away, made("memory://videos/clip")) == found  # type: ignore[arg-type]
    assert not [name for name in memory.find("/results") if name.endswith(".part") or "/parts/" in name]
