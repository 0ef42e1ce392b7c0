"""Video files: every frame in its place, however it is asked for."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from masklet.engine.fitting import fit_picture
from masklet.errors import UnknownFrameError, VideoError
from masklet.video import decoded_frame
from masklet.video import file as file_module
from masklet.video.file import VideoFile

from .conftest import number_in, picture

Film = Callable[..., Path]

KINDS = {
    "mp4 with B-frames": {"name": "a.mp4"},
    "mp4, one keyframe": {"name": "a.mp4", "keyframes": 1000},
    "mp4, open groups": {"name": "a.mp4", "codec_options": {"x264-params": "open-gop=1:scenecut=0"}},
    "mkv, milliseconds": {"name": "a.mkv"},
    "webm, VP9": {"name": "a.webm", "codec": "libvpx-vp9", "b_frames": 0},
    "webm, VP8 with hidden frames": {
        "name": "b.webm",
        "codec": "libvpx",
        "b_frames": 0,
        "codec_options": {"auto-alt-ref": "1", "lag-in-frames": "16"},
    },
    "avi, MPEG-4": {"name": "a.avi", "codec": "mpeg4"},
    "avi, H.264 without times": {"name": "b.avi"},
    "MPEG-TS": {"name": "a.ts"},
    "raw H.264": {"name": "a.h264", "format": "h264"},
    "gif": {"name": "a.gif", "codec": "gif", "pixels": "rgb8", "b_frames": 0, "rate": Fraction(25)},
    "mov, lossless": {"name": "a.mov", "codec": "png", "pixels": "rgb24", "b_frames": 0},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_way_of_reading_gives_the_same_frames(film: Film, kind: str) -> None:
    with VideoFile(film(**KINDS[kind])) as video:
        assert len(video) == 30
        assert (video.width, video.height) == (64, 48)
        forward = list(video.read(0, 30))
        assert [number_in(f.image) for f in forward] == list(range(30))
        assert [f.index for f in forward] == list(range(30))
        assert forward[0].time == 0
        order = random.Random(0).sample(range(30), 30)
        assert all(_same(video[i], forward[i]) for i in order)
        backward = list(video.read(29, -1, -1))
        assert all(map(_same, backward, reversed(forward)))
        assert all(map(_same, video.read(4, 25, 3), forward[4:25:3]))
        assert all(map(_same, video.read(25, 3, -4), forward[25:3:-4]))
        assert list(video.read(5, 5)) == []


def _same(a: object, b: object) -> bool:
    assert isinstance(a, file_module.Frame)
    assert isinstance(b, file_module.Frame)
    return a.index == b.index and a.time == b.time and np.array_equal(a.image, b.image)


def test_constant_rate_is_exact(film: Film) -> None:
    video = VideoFile(film())
    assert video.rate == Fraction(30000, 1001)
    assert [f.time for f in video.read(0, 30)] == [Fraction(1001 * i, 30000) for i in range(30)]
    assert video.damage is None


def test_a_frame_s_time_needs_no_decoding(film: Film) -> None:
    with VideoFile(film(rate=Fraction(30000, 1001))) as video:
        assert [video.time(i) for i in (0, 3)] == [0, video[3].time]
        with pytest.raises(UnknownFrameError):
            video.time(len(video))


def test_variable_rate_keeps_every_time(film: Film) -> None:
    times = [0, 40, 41, 100, 333, 340, 1000, 1017, 2500, 2533]
    path = film("vfr.mp4", frames=10, times=times, time_base=Fraction(1, 1000))
    video = VideoFile(path)
    assert [f.time for f in video.read(0, 10)] == [Fraction(t, 1000) for t in times]
    assert [number_in(video[i].image) for i in (8, 1, 4)] == [8, 1, 4]


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(film: Film, degrees: int) -> None:
    """A phone held upright stores its pictures lying down, with a note to turn them."""
    video = VideoFile(film(rotation=degrees, codec="png", pixels="rgb24", b_frames=0, name="r.mov"))
    expected = np.rot90(picture(3), degrees // 90)  # the note says: turn anticlockwise
    assert (video.height, video.width) == expected.shape[:2]
    assert np.array_equal(video[3].image, expected)


@pytest.mark.parametrize(("degrees", "aspect"), [(None, Fraction(2)), (90, Fraction(1, 2))])
def test_the_aspect_of_a_pixel_is_known(film: Film, degrees: int | None, aspect: Fraction) -> None:
    assert VideoFile(film(rotation=degrees, sample_aspect=Fraction(2))).sample_aspect == aspect
    assert VideoFile(film("square.mp4", rotation=degrees)).sample_aspect == 1


def test_colours_survive(film: Film) -> None:
    image = VideoFile(film("x.mp4", codec_options={"crf": "10"}))[4].image.astype(int)
    assert np.abs(image[40, 50] - (60, 120, 180)).max() < 8
    assert np.abs(image[40, 10] - (200, 40, 40)).max() < 8


def test_odd_sizes(film: Film) -> None:
    video = VideoFile(film("odd.mkv", size=(67, 49), codec="ffv1", pixels="bgr0", b_frames=0))
    assert video[2].image.shape == (49, 67, 3)
    assert number_in(video[2].image) == 2


def test_frames_outside_the_video(film: Film) -> None:
    video = VideoFile(film())
    for index in (30, -1):
        with pytest.raises(UnknownFrameError, match=rf"frame {index} is outside the video \(0–29\)"):
            video[index]
    with pytest.raises(UnknownFrameError, match="frame 30"):
        video.read(0, 31)


def test_memory_is_bounded_in_both_directions(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    size, count = (320, 240), 80
    path = film("long.mp4", frames=count, size=size, keyframes=1000)
    one = size[0] * size[1] * 3
    monkeypatch.setattr(file_module, "BACKWARD_BYTES", 10 * one)
    video = VideoFile(path)
    len(video)
    for start, stop, step, limit in ((0, count, 1, 4), (count - 1, -1, -1, 14)):
        tracemalloc.start()
        numbers = [number_in(frame.image) for frame in video.read(start, stop, step)]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert numbers == list(range(start, stop, step))
        assert peak < limit * one  # all frames would be 80


def test_reading_is_lazy(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is asked for is converted, and reading in order by index does not seek again."""
    converted, opened = [], []
    convert, begin = decoded_frame.to_rgb, file_module.opened
    monkeypatch.setattr(decoded_frame, "to_rgb", lambda *a: (converted.append(1), convert(*a))[1])
    monkeypatch.setattr(file_module, "opened", lambda *a, **k: (opened.append(1), begin(*a, **k))[1])
    video = VideoFile(film())
    frames = video.read(0, 30)
    first = next(frames)
    assert not converted  # nobody has looked yet
    assert number_in(first.image) == number_in(first.image) == 0
    assert len(converted) == 1
    opened.clear()
    for index in (3, 4, 5, 5, 7, 9):
        assert number_in(video[index].image) == index
    assert len(opened) == 1
    assert len(converted) == 1 + 5
    frames.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("degrees", [0, 90, 180])
def test_a_small_picture_is_the_whole_one_made_small(film: Film, degrees: int) -> None:
    """Straight from the decoder's colours or from the whole picture: the same but for rounding."""
    frame = VideoFile(film(size=(640, 360), rotation=degrees))[7]
    small = frame.fitted(96).astype(int)
    whole = fit_picture(frame.image, 96)
    assert small.shape == (96, 96, 3)
    assert np.abs(small - whole).mean() < 3
    assert (frame.height, frame.width) == frame.image.shape[:2]
    again = frame.at(0)
    assert again.index == 0
    assert np.array_equal(again.fitted(96), small)
    stills = film(size=(640, 360), rotation=degrees, codec="png", pixels="rgb24", b_frames=0, name="r.mov")
    picture = VideoFile(stills)[7]
    assert np.array_equal(picture.fitted(96), picture.image)  # nothing to gain


def test_two_readers_do_not_disturb_each_other(film: Film) -> None:
    video = VideoFile(film())
    pairs = zip(video.read(0, 10), video.read(29, 19, -1), strict=True)
    assert [(number_in(a.image), number_in(b.image), number_in(video[15].image)) for a, b in pairs] == [
        (i, 29 - i, 15) for i in range(10)
    ]


def test_closed(film: Film) -> None:
    video = VideoFile(film())
    frame = video[1]
    video.close()
    with pytest.raises(VideoError, match="is closed"):
        video[1]
    assert number_in(frame.image) == 1


def test_sound_and_cover_pictures_are_not_the_video(film: Film, tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(film())) as source, av.open(str(path), "w") as target:
        audio = target.add_stream("aac", rate=44100)
        copy = target.add_stream_from_template(source.streams.video[0])
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 44100
        sound.pts = 0
        target.mux(audio.encode(sound))
        target.mux(audio.encode(None))
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    video = VideoFile(path)
    assert [number_in(f.image) for f in video.read(0, len(video))] == list(range(30))


def test_an_edit_list_cuts_the_beginning(film: Film, tmp_path: Path) -> None:
    """A clip cut without re-encoding starts at a keyframe before it; players don't show those frames."""
    path = tmp_path / "cut.mp4"
    with av.open(str(film(b_frames=0))) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        shift = 14 * 1001 * stream.time_base.denominator // 30000
        for packet in source.demux(stream):
            if packet.size and packet.pts >= 10 * shift // 14:
                packet.pts -= shift
                packet.dts -= shift
                packet.stream = copy
                target.mux(packet)
    with av.open(str(path)) as shown:
        expected = sum(1 for _ in shown.decode(video=0))
    video = VideoFile(path)
    numbers = [number_in(f.image) for f in video.read(0, len(video))]
    assert numbers == list(range(30 - expected, 30))
    assert [number_in(video[i].image) for i in (5, 0)] == [numbers[5], numbers[0]]
    assert video.damage is None


def test_a_step_back_costs_no_seek(film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    video = VideoFile(film(keyframes=1000))
    starts: list[int] = []
    usual = VideoFile._decode
    monkeypatch.setattr(
        VideoFile, "_decode", lambda self, start, stop: starts.append(start) or usual(self, start, stop)
    )
    for index in (20, 19, 20, 14, 22, 15):
        assert number_in(video[index].image) == index
    assert starts == [19, 13]  # from the one before, which comes out on the way
    assert number_in(video[2].image) == 2  # long gone
    assert starts == [19, 13, 1]
    video.rest()  # holds no frames, and goes on
    assert number_in(video[2].image) == 2
    assert starts == [19, 13, 1, 1]


@pytest.mark.parametrize("degrees", [0, 90])
def test_a_picture_of_another_size_is_turned_as_the_whole_one(film: Film, degrees: int) -> None:
    frame = VideoFile(film(size=(640, 360), rotation=degrees))[5]
    width, height = frame.width // 2, frame.height // 2
    small = frame.resized(width, height)
    assert small.shape == (height, width, 3)
    whole = frame.image.astype(int)
    means = whole.reshape(height, 2, width, 2, 3).mean((1, 3))
    assert abs(small - means).mean() < 3
