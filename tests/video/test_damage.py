"""Files that are no videos, and videos that break off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.errors import DamagedVideoError, VideoError
from masklet.types import Frame
from masklet.video.file import VideoFile

from .conftest import number_in

Film = Callable[..., Path]
FASTSTART = {"movflags": "faststart"}


def read_until_it_breaks(video: VideoFile) -> tuple[list[Frame], DamagedVideoError]:
    given: list[Frame] = []
    with pytest.raises(DamagedVideoError) as caught:
        given.extend(video.read(0, len(video)))
    return given, caught.value


def packets(path: Path) -> list[tuple[int, int, int]]:
    """(shown as number, position in the file, bytes) of every packet, in the file's order."""
    with av.open(str(path)) as container:
        found = [(p.pts, p.pos, p.size) for p in container.demux(video=0) if p.size]
    order = sorted(pts for pts, _, _ in found)
    return [(order.index(pts), pos, size) for pts, pos, size in found]


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("kept", [4, 11, 17, 29])
def test_truncated_mp4_gives_all_frames_before_the_damage(film: Film, kept: int, b_frames: int) -> None:
    """`kept` packets are whole, the next is cut through the middle."""
    path = film(options=FASTSTART, b_frames=b_frames)
    stored = packets(path)
    _, position, size = stored[kept]
    path.write_bytes(path.read_bytes()[: position + size // 2])
    shown = {n for n, _, _ in stored[:kept]}
    whole = next(n for n in range(31) if n not in shown)  # every frame up to the first that is missing

    video = VideoFile(path)
    given, error = read_until_it_breaks(video)
    assert [number_in(f.image) for f in given] == list(range(whole))
    assert len(video) == whole
    assert f"breaks off at frame {whole} of 30" in str(error)
    assert video.damage is not None
    with pytest.raises(DamagedVideoError):
        video[whole]
    assert [number_in(f.image) for f in video.read(whole - 1, -1, -1)] == list(range(whole - 1, -1, -1))
    assert sum(1 for _ in video.read(0, whole - 1)) == whole - 1  # who stops before, is not bothered


def test_truncation_is_told_when_counted(film: Film, caplog: pytest.LogCaptureFixture) -> None:
    path = film(options=FASTSTART)
    path.write_bytes(path.read_bytes()[: packets(path)[20][1]])
    with caplog.at_level(logging.WARNING):
        len(VideoFile(path))
    assert "breaks off: its header promises 30 frames and 20 are there" in caplog.text


@pytest.mark.parametrize("name", ["t.mkv", "t.webm"])
def test_truncated_matroska(film: Film, name: str) -> None:
    codec = {"t.mkv": {}, "t.webm": {"codec": "libvpx-vp9", "b_frames": 0}}[name]
    path = film(name, frames=60, **codec)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 6 // 10])
    video = VideoFile(path)
    given, error = read_until_it_breaks(video)
    assert 5 < len(given) < 50
    assert [number_in(f.image) for f in given] == list(range(len(video)))
    assert "promises 2.0" in str(error)


@pytest.mark.parametrize("at", [14, 27, 29])
def test_damage_in_the_middle(film: Film, at: int) -> None:
    """The frame is named, those before it are given, those after the next keyframe can be read."""
    path = film(options=FASTSTART, b_frames=0)
    _, position, size = packets(path)[at]
    data = bytearray(path.read_bytes())
    data[position + 4 : position + size] = b"\xff" * (size - 4)
    path.write_bytes(data)
    video = VideoFile(path)
    assert len(video) == 30
    given, error = read_until_it_breaks(video)
    assert [number_in(f.image) for f in given] == list(range(at))
    assert f"damaged at frame {at} of 30" in str(error)
    with pytest.raises(DamagedVideoError, match=f"frame {at} of 30"):
        video[at]
    assert number_in(video[at - 1].image) == at - 1
    if at < 20:
        assert [number_in(f.image) for f in video.read(20, 30)] == list(range(20, 30))


def test_an_mp4_whose_index_was_lost(film: Film) -> None:
    path = film()  # without faststart the index is at the end
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(VideoError, match=r"film\.mp4 cannot be opened as a video: .* its end is missing"):
        VideoFile(path)


def test_missing_empty_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"no file .*none\.mp4; check the path"):
        VideoFile(tmp_path / "none.mp4")
    empty = tmp_path / "empty.mp4"
    empty.touch()
    with pytest.raises(VideoError, match="the file is empty"):
        VideoFile(empty)
    with pytest.raises(VideoError, match="it is a folder"):
        VideoFile(tmp_path)
    text = tmp_path / "text.mp4"
    text.write_text("this is not a video\n" * 100)
    with pytest.raises(VideoError, match="it is not a video"):
        VideoFile(text)


@pytest.mark.parametrize("name", ["none.mkv", "none.mp4"])
def test_a_video_without_frames(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=30)
        stream.width, stream.height = 64, 48
        target.start_encoding()
    with pytest.raises(VideoError, match=r"it has no frame|holds no video stream"):
        VideoFile(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    with av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        target.mux(stream.encode(sound))
        target.mux(stream.encode(None))
    with pytest.raises(VideoError, match="holds no video"):
        VideoFile(path)
