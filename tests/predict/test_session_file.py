"""A session saved and read again: the same prompts, masks and behaviour; damage is named."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares, truth
from masklet.errors import SessionError
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession


def source(name: str = "clip.mp4", frames: int = 12) -> ArraySource:
    return ArraySource(squares(frames, 2), name)


@pytest.fixture
def worked() -> VideoSession:
    """Clicks, a box, a mask, a pin, a correction and a removed object, propagated."""
    s = VideoSession(source("/somewhere/clip.mp4"), FakeEngine(), TrackingPolicy(fill_holes=3))
    s.prompt(3, 1, clicks=[inside(3, 1), (100, 90, False)], candidate=0)
    s.prompt(0, 2, clicks=[inside(0, 2)], candidate=2)
    s.prompt(0, 5, clicks=[(100, 90)])
    s.remove(5)
    list(s.propagate())
    s.prompt(7, 1, clicks=[(110, 80, False)])
    s.pin(9, 2)
    s.prompt(11, 2, mask=truth(11, 2))
    x, y = inside(1, 2)
    s.prompt(1, 2, box=(x - 10, y - 10, x + 10, y + 10))
    return s


def everything(s: VideoSession):
    return s.prompts, s.objects, [s.masks(t) for t in range(12)], s.outdated, s.policy


def test_a_session_comes_back_whole(worked, tmp_path) -> None:
    path = tmp_path / "work.masklet"
    worked.save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["work.masklet"]
    again = VideoSession.load(path, source(), FakeEngine())
    assert everything(again) == everything(worked)
    # It goes on as the first one does: the same candidates, propagation and corrections.
    assert again.choose(0, 2, 1) == worked.choose(0, 2, 1)
    assert {f.index: m for f, m in again.propagate()} == {f.index: m for f, m in worked.propagate()}
    click = {"clicks": [inside(5, 1)]}
    assert again.prompt(5, 1, **click) == worked.prompt(5, 1, **click)
    again.remove(1)
    again.prompt(2, 1, clicks=[inside(2, 1)])
    assert set(again.masks(8)) == {2}  # the new object 1 has nothing of the old


def test_tracks_of_prompts_that_were_undone_stay_outdated(tmp_path) -> None:
    s = VideoSession(source(), FakeEngine())
    s.prompt(0, 1, clicks=[inside(0, 1)])
    list(s.propagate())
    s.prompt(3, 1, clicks=[(110, 80, False)])
    list(s.propagate())
    s.undo()
    s.save(tmp_path / "s")
    again = VideoSession.load(tmp_path / "s", source(), FakeEngine())
    assert again.outdated == {1}
    again.prompt(3, 1, clicks=[inside(3, 1)])
    assert again.outdated == {1}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_device_is_written_to_not_replaced(worked) -> None:
    with pytest.raises(SessionError, match="cannot write /dev/full: No space left on device; free some"):
        worked.save("/dev/full")
    assert Path("/dev/full").is_char_device()


def test_a_file_of_another_kind(tmp_path) -> None:
    (tmp_path / "clip.mp4").write_bytes(bytes(range(256)))
    with pytest.raises(SessionError) as caught:
        VideoSession.load(tmp_path / "clip.mp4", source(), FakeEngine())
    assert str(caught.value).endswith("clip.mp4 is not a session file, or is damaged")


def test_the_undo_steps_are_not_kept(worked, tmp_path) -> None:
    worked.save(tmp_path / "s")
    with pytest.raises(SessionError, match="nothing to undo"):
        VideoSession.load(tmp_path / "s", source(), FakeEngine()).undo()


def test_an_empty_session_can_be_saved(tmp_path) -> None:
    VideoSession(source(), FakeEngine()).save(tmp_path / "s")
    assert VideoSession.load(tmp_path / "s", source(), FakeEngine()).objects == ()


@pytest.mark.parametrize(
    ("video", "engine", "message"),
    [
        (source("other.mp4"), FakeEngine(), "video with name clip.mp4, not other.mp4"),
        (source(frames=11), FakeEngine(), "video with frames 12, not 11"),
        (ArraySource([i[:90] for i in squares(12)], "clip.mp4"), FakeEngine(), "height 96, not 90"),
        (source(), FakeEngine(256), "model with input size 128, not 256"),
    ],
)
def test_another_video_or_model_is_refused(worked, tmp_path, video, engine, message) -> None:
    worked.save(tmp_path / "s")
    with pytest.raises(SessionError, match=message):
        VideoSession.load(tmp_path / "s", video, engine)


def test_damaged_files_are_named(worked, tmp_path) -> None:
    path = tmp_path / "s"
    worked.save(path)
    whole = path.read_bytes()
    for damage in (b"", b"not a session", whole[: len(whole) // 2], whole[:-40]):
        path.write_bytes(damage)
        with pytest.raises(SessionError, match="s is not a session file, or is damaged"):
            VideoSession.load(path, source(), FakeEngine())
    np.savez(tmp_path / "t.npz", meta=np.frombuffer(b'{"format": "other"}', np.uint8))
    with pytest.raises(SessionError, match="not a session file"):
        VideoSession.load(tmp_path / "t.npz", source(), FakeEngine())
    with pytest.raises(SessionError, match=r"cannot read .*: No such file"):
        VideoSession.load(tmp_path / "missing", source(), FakeEngine())


def test_nothing_in_a_file_is_executed(tmp_path) -> None:
    np.savez(tmp_path / "evil.npz", meta=np.array([print], dtype=object))
    with pytest.raises(SessionError, match="not a session file"):
        VideoSession.load(tmp_path / "evil.npz", source(), FakeEngine())


def test_a_newer_format_is_refused(worked, tmp_path) -> None:
    worked.save(tmp_path / "s")
    with np.load(tmp_path / "s") as file:
        arrays = dict(file)
    meta = bytes(arrays["meta"]).replace(b'"version": 1,', b'"version": 9,', 1)
    arrays["meta"] = np.frombuffer(meta, np.uint8)
    np.savez(tmp_path / "n.npz", **arrays)
    with pytest.raises(SessionError, match="newer than 1; update masklet"):
        VideoSession.load(tmp_path / "n.npz", source(), FakeEngine())


def test_a_failed_save_leaves_the_earlier_file(worked, tmp_path, monkeypatch) -> None:
    path = tmp_path / "s"
    worked.save(path)
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(SessionError, match="No space left"):
        worked.save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
    monkeypatch.undo()
    with pytest.raises(SessionError, match="cannot write"):
        worked.save(tmp_path / "no" / "such" / "folder")
    assert worked.objects == (1, 2)


def test_the_file_is_small(worked, tmp_path) -> None:
    worked.save(tmp_path / "s")
    with zipfile.ZipFile(tmp_path / "s") as file:
        assert file.testzip() is None
    assert (tmp_path / "s").stat().st_size < 200_000
