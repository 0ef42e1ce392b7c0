"""Decoding in a process with bounds: the same frames as here, and a server that outlives hostile files."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from fakes import inside, squares
from masklet.errors import DamagedVideoError, UnknownFrameError, VideoError
from masklet.server import limited_process
from masklet.server.limited_source import CAN_LIMIT, LimitedSource
from masklet.server.settings import Limits
from masklet.video.file import VideoFile
from masklet.video.source import open_source
from studio_kit import FRAMES, click, film, new_session, ok, problem, track, until

pytestmark = pytest.mark.skipif(not CAN_LIMIT, reason="this system does not bound processes")

LIMITS = Limits()


def children() -> list[int]:
    """Decoding processes of this one."""
    listed = Path("/proc").glob("[0-9]*/cmdline")
    found = []
    for file in listed:
        try:
            words = file.read_bytes().split(b"\0")
            parent = int((file.parent / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):  # gone in the meantime
            continue
        if b"masklet.server.decoder" in words and parent == os.getpid():
            found.append(int(file.parent.name))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find a process")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    film(tmp_path / "clip.mp4", squares(FRAMES, 2))
    return tmp_path / "clip.mp4"


@pytest.fixture
def limited(path: Path) -> Iterator[LimitedSource]:
    source = LimitedSource(path, "clip.mp4", LIMITS)
    yield source
    source.close()


def written(path: Path, codec: str, format: str, rotation: int | None = None, **options: Any) -> Path:
    """A short film in a codec's own colours."""
    noise = np.random.default_rng(0)
    front = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=front) as out:
        stream = out.add_stream(codec, rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = 134, 98, format
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for t in range(5):
            image = noise.integers(0, 255, (98, 134, 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=format)
            frame.pts = t
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "format"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mkv", "ffv1", "yuv444p10le"),
        ("a.mkv", "ffv1", "gray"),
        ("a.mkv", "ffv1", "bgra"),
        ("a.mkv", "ffv1", "gbrp16le"),
        ("a.avi", "mjpeg", "yuvj422p"),
        ("a.avi", "rawvideo", "bgr24"),
        ("a.gif", "gif", "bgr8"),
        ("a.gif", "gif", "rgb8"),
    ],
)
def test_frames_are_what_they_would_be_here(tmp_path: Path, name: str, codec: str, format: str) -> None:
    try:
        path = written(tmp_path / name, codec, format)
    except (av.FFmpegError, ValueError) as error:
        pytest.skip(f"this FFmpeg does not write it: {error}")
    level = 3.0 if codec == "libx264" else 0.0  # only for the page's pictures, see frame_passing
    with VideoFile(path) as here:
        there = LimitedSource(path, name, LIMITS)
        assert (there.width, there.height, there.rate, len(there)) == (134, 98, here.rate, len(here))
        assert np.array_equal(there.times, here.times)
        assert there.time_base == here.time_base
        assert there.sample_aspect == here.sample_aspect
        for mine, theirs in zip(here.read(0, 5), there.read(0, 5), strict=True):
            same(mine, theirs, level)
        same(here[2], there[2], level)
        there.close()


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_what_a_phone_turned_is_turned(tmp_path: Path, degrees: int) -> None:
    path = written(tmp_path / "turned.mp4", "libx264", "yuv420p", rotation=degrees)
    there = LimitedSource(path, path.name, LIMITS)
    with VideoFile(path) as here:
        assert (there.width, there.height) == (here.width, here.height)
        assert (here.width > here.height) == (degrees == 180)
        same(here[1], there[1], 3.0)
    there.close()


def same(mine: Any, theirs: Any, level: float = 0.0) -> None:
    """level: by which the page's pictures may differ on average; these are noise, the hardest there is."""
    assert (mine.index, mine.time) == (theirs.index, theirs.time)
    assert np.array_equal(mine.image, theirs.image)
    for side in (64, 48, 64):
        assert np.array_equal(mine.fitted(side), theirs.fitted(side))
    assert np.array_equal(mine.fitted(64), theirs.at(7).fitted(64))
    if hasattr(mine, "resized"):
        assert apart(mine.resized(60, 44), theirs.resized(60, 44)) <= level


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def test_colours_come_along(tmp_path: Path) -> None:
    """The same bytes mean other colours in another range and by another matrix."""
    shown = []
    for matrix, full in (("bt709", "tv"), ("smpte170m", "tv"), ("bt709", "pc")):
        params = f"colormatrix={matrix}:fullrange={'on' if full == 'pc' else 'off'}"
        path = written(tmp_path / f"{matrix}-{full}.mp4", "libx264", "yuv420p", **{"x264-params": params})
        there = LimitedSource(path, path.name, LIMITS)
        with VideoFile(path) as here:
            same(here[1], there[1], 3.0)
            shown.append(here[1].image.astype(int))
        there.close()
    for one, other in ((0, 1), (0, 2)):
        assert np.abs(shown[one] - shown[other]).mean() > 1, "else this test could not fail"


def test_pictures_have_no_times_and_are_the_same(tmp_path: Path) -> None:
    for t, image in enumerate(squares(3, 2)):
        Image.fromarray(image).save(tmp_path / f"{t}.png")
    here, there = open_source(tmp_path), LimitedSource(tmp_path, "folder", LIMITS)
    assert len(there) == 3
    assert there.rate is None
    assert not hasattr(there, "times")
    for mine, theirs in zip(here.read(0, 3), there.read(0, 3), strict=True):
        same(mine, theirs)
    there.close()


def test_readers_and_questions_do_not_disturb_each_other(limited: LimitedSource, path: Path) -> None:
    with VideoFile(path) as here:
        whole = [frame.image for frame in here.read(0, FRAMES)]
    forward, backward = limited.read(0, FRAMES), limited.read(FRAMES - 1, -1, -1)
    for t in range(FRAMES):
        assert np.array_equal(next(forward).image, whole[t])
        assert np.array_equal(next(backward).image, whole[FRAMES - 1 - t])
        assert np.array_equal(limited[(5 * t) % FRAMES].image, whole[(5 * t) % FRAMES])
        limited.rest() if t == 6 else None  # a process that went away is not missed
    assert next(forward, None) is None
    with pytest.raises(UnknownFrameError, match="0–11"):
        limited[FRAMES]
    with pytest.raises(UnknownFrameError):
        limited.read(0, FRAMES + 1)


def test_a_film_that_breaks_off_is_told_by_its_name(tmp_path: Path) -> None:
    broken = written(tmp_path / "secret-place.mp4", "mpeg4", "yuv420p")
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size * 2 // 3])
    with VideoFile(broken) as here:
        expected = _until_damage(here)
    there = LimitedSource(broken, "clip.mp4", LIMITS)
    found = _until_damage(there)
    there.close()
    assert found[0] == expected[0] > 0
    assert "clip.mp4" in found[1]
    assert "secret-place" not in found[1]


def _until_damage(source: Any) -> tuple[int, str]:
    seen: list[int] = []
    with pytest.raises(DamagedVideoError) as caught:
        seen.extend(frame.index for frame in source.read(0, len(source)))
    return len(source), str(caught.value)


@needs_proc
def test_a_decoder_that_is_killed_costs_the_frame_that_was_asked_for(
    limited: LimitedSource, monkeypatch
) -> None:
    before = limited[3].image
    (child,) = children()
    _dies_when_asked(monkeypatch, child)
    with pytest.raises(VideoError, match=r"frame 4 of clip\.mp4 cannot be decoded: the decoder broke down"):
        limited[4]
    assert np.array_equal(limited[3].image, before)
    assert children() != [child]


@needs_proc
def test_a_decoder_that_died_unasked_costs_nothing(limited: LimitedSource) -> None:
    before = limited[3].image
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # until it is gone with all its threads
    assert np.array_equal(limited[3].image, before)


@needs_proc
def test_it_is_started_when_it_is_needed_or_woken(path: Path) -> None:
    about = {"width": 128, "height": 96, "frames": FRAMES, "rate_exact": "25"}
    source = LimitedSource(path, "clip.mp4", LIMITS, about)
    assert children() == []
    source.wake()
    until(lambda: len(children()) == 1)
    (child,) = children()
    source.wake()
    assert source[2].index == 2
    assert children() == [child]
    source.close()
    source.wake()
    assert children() == []


@needs_proc
def test_a_decoder_that_nobody_asks_goes_and_comes_back(path: Path) -> None:
    source = LimitedSource(path, "clip.mp4", Limits(decoder_idle_s=0.5))
    frames = source.read(0, FRAMES)
    first = next(frames).image
    (child,) = children()
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert [frame.index for frame in frames] == list(range(1, FRAMES))
    assert np.array_equal(source[0].image, first)
    source.close()


@needs_proc
def test_a_decoder_that_hangs_is_given_up(path: Path) -> None:
    source = LimitedSource(path, "clip.mp4", Limits(frame_s=1))
    before = source[0].image
    (child,) = children()
    os.kill(child, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(VideoError, match="longer than 1 s"):
        source[5]
    assert time.monotonic() - begun < 20
    assert child not in children()
    assert np.array_equal(source[0].image, before)
    source.close()
    assert children() == []


@needs_proc
def test_closing_does_not_wait_for_a_decoder_that_hangs(limited: LimitedSource) -> None:
    assert limited[0].index == 0
    (child,) = children()
    os.kill(child, signal.SIGSTOP)
    told: list[str] = []

    def ask() -> None:
        try:
            limited[5]
        except VideoError as error:
            told.append(str(error))

    asking = threading.Thread(target=ask)
    asking.start()
    until(lambda: limited._lock.locked())
    limited.close()
    asking.join(LIMITS.frame_s / 2)
    assert not asking.is_alive()
    assert "frame 5 of clip.mp4" in told[0]


def test_what_a_decoder_makes_up_is_refused(limited: LimitedSource, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = limited._process.ask({"do": "frame", "index": 1, "side": 64, "left": []})
    lies = [
        {},
        {"end": True},
        {**truth, "size": [2**20, 2**20]},
        {**truth, "size": [16, 16]},
        {**truth, "size": [-1, -1]},
        {**truth, "lines": [2**40, 1, 1]},
        {**truth, "lines": [1]},
        {**truth, "format": "cuda"},
        {**truth, "format": "no such"},
        {**truth, "time": "1/0"},
        {**truth, "side": 2**20},
        {**truth, "side": -64},
        {**truth, "colours": ["red"] * 4},
    ]
    for lie in lies:
        monkeypatch.setattr(limited._process, "ask", lambda _, lie=lie: lie)
        with pytest.raises(VideoError, match="none of the video that was opened"):
            limited[1]
    monkeypatch.setattr(limited._process, "ask", lambda _: truth)
    assert len(list(limited.read(0, 3))) == 3, "a decoder that never ends is not listened to for ever"


@needs_proc
def test_a_picture_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "small.png")
    small = LimitedSource(tmp_path / "small.png", "small.png", LIMITS)
    small[0]
    (child,) = children()
    status = Path(f"/proc/{child}/status").read_text()
    used = int(status.partition("VmPeak:")[2].split()[0]) * 1024
    small.close()
    # A file of some kilobytes whose pixels alone are 96 MB.
    bomb = tmp_path / "bomb.png"
    Image.new("RGB", (8_000, 4_000)).save(bomb)
    assert bomb.stat().st_size < 2**20
    about = {"width": 8_000, "height": 4_000, "frames": 1, "rate_exact": None}
    source = LimitedSource(bomb, "bomb.png", Limits(probe_bytes=used + 64 * 2**20), about)
    with pytest.raises(VideoError, match=r"bomb\.png") as caught:
        source[0]
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    source.close()
    roomy = LimitedSource(bomb, "bomb.png", LIMITS, about)  # it was the bound, and nothing else
    assert roomy[0].image.shape == (4_000, 8_000, 3)
    roomy.close()


def test_another_file_in_its_place_is_noticed(path: Path) -> None:
    about = {"width": 100, "height": 100, "frames": FRAMES, "rate_exact": "25"}
    source = LimitedSource(path, "clip.mp4", LIMITS, about)
    with pytest.raises(VideoError, match="none of the video that was opened"):
        source[0]
    source.close()
    with pytest.raises(VideoError, match="closed"):
        source[0]


@needs_proc
def test_the_server_answers_on_when_its_decoders_die(serving, clip, monkeypatch) -> None:
    with serving(isolate=True) as client:
        session = new_session(client, clip)
        video = ok(client.get(f"/api/sessions/{session}"))["video"]["id"]
        picture = f"/api/videos/{video}/frames"
        assert client.get(f"{picture}/0").status_code == 200
        assert len(ok(client.get(f"/api/videos/{video}/times"))["times"]) == FRAMES
        _dies_when_asked(monkeypatch, _own(client, video))
        assert "frame 7 of clip.mp4" in problem(client.get(f"{picture}/7"), 415, "video")
        assert client.get(f"{picture}/7").status_code == 200
        assert click(client, session, 9, inside(9, 1))["preview"]["area"] > 0
        (helper,) = set(children()) - {_own(client, video)}
        _dies_when_asked(monkeypatch, helper)
        run = track(client, session)
        assert run["state"] == "failed"
        assert "clip.mp4 cannot be decoded" in run["message"]
        assert track(client, session)["state"] == "done"
        assert client.get("/healthz").status_code == 200
    assert children() == []


def _dies_when_asked(monkeypatch: pytest.MonkeyPatch, pid: int) -> None:
    """Stop a decoding process, and kill it as soon as it has its next question."""
    os.kill(pid, signal.SIGSTOP)
    sent = limited_process._sent

    def sent_and_killed(process, question) -> bool:
        done = sent(process, question)
        if process.pid == pid:
            os.kill(pid, signal.SIGKILL)
        return done

    monkeypatch.setattr(limited_process, "_sent", sent_and_killed)


def _own(client: Any, video: str) -> int:
    """The process that decodes for the pictures."""
    source = client.studio.pictures._open[video].source._source
    return source._process._process.pid
