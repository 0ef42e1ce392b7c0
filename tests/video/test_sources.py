"""Folders, arrays, iterators and cameras; and the one door to all sources."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from masklet.errors import DamagedVideoError, UnknownFrameError, VideoError
from masklet.types import Frame
from masklet.video.animated import AnimatedPicture
from masklet.video.arrays import ArrayFrames
from masklet.video.camera import Camera
from masklet.video.file import VideoFile
from masklet.video.folder import FrameFolder, natural_key, read_image
from masklet.video.protocol import FrameSource
from masklet.video.source import open_source
from masklet.video.stream import StreamOf

from .conftest import number_in, picture

Film = Callable[..., Path]


def save(path: Path, number: int, size: tuple[int, int] = (64, 48)) -> Path:
    Image.fromarray(picture(number, *size)).save(path)
    return path


def animation(path: Path, count: int = 12) -> Path:
    """Pictures 80 ms apart, without losses."""
    pictures = [Image.fromarray(picture(i)) for i in range(count)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=80, lossless=True)
    return path


def sources(folder: Path, film: Film) -> Iterator[FrameSource]:
    pictures = folder / "pictures"
    pictures.mkdir()
    for i in range(12):
        save(pictures / f"{i}.png", i)
    images = np.stack([picture(i) for i in range(12)])
    yield FrameFolder(pictures)
    yield ArrayFrames(images)
    yield ArrayFrames(list(images))
    yield VideoFile(film(frames=12))
    yield AnimatedPicture(animation(folder / "a.webp"))
    yield AnimatedPicture(animation(folder / "a.png"))


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
def test_an_avif_is_a_picture_unless_it_moves(tmp_path: Path) -> None:
    still, moving = tmp_path / "still.avif", tmp_path / "moving.avif"
    images = [Image.fromarray(picture(n)) for n in (3, 4, 5)]
    images[0].save(still)
    images[0].save(moving, save_all=True, append_images=images[1:])
    assert isinstance(open_source(still), FrameFolder)
    assert number_in(open_source(still)[0].image) == 3
    film = open_source(moving)
    assert isinstance(film, VideoFile)
    assert len(film) == 3


def test_every_source_keeps_the_same_contract(tmp_path: Path, film: Film) -> None:
    for source in sources(tmp_path, film):
        assert len(source) == 12
        assert (source.width, source.height) == (64, 48)
        assert isinstance(source.name, str)
        assert [number_in(f.image) for f in source.read(0, 12)] == list(range(12))
        assert [f.index for f in source.read(11, -1, -1)] == list(range(11, -1, -1))
        assert [number_in(f.image) for f in source.read(10, 1, -3)] == [10, 7, 4]
        assert source[7].index == 7
        times = [f.time for f in source.read(0, 12)]
        assert times[0] == 0
        assert times == sorted(set(times))
        assert all(isinstance(t, Fraction) for t in times)
        for bad in (12, -1):
            with pytest.raises(UnknownFrameError, match=r"outside the video \(0–11\)"):
                source[bad]
        with pytest.raises(UnknownFrameError, match="frame 12"):
            list(source.read(0, 13))
        with pytest.raises(UnknownFrameError, match="step 0"):
            list(source.read(0, 12, 0))
        with pytest.raises(ValueError, match="read-only"):
            source[0].image[0] = 0
        source.close()


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.gif"])
def test_an_animation_is_a_video(tmp_path: Path, name: str) -> None:
    source = open_source(animation(tmp_path / name))
    assert [number_in(f.image) for f in source.read(0, len(source))] == list(range(12))
    assert source.rate == Fraction(25, 2)
    assert source[3].time == Fraction(24, 100)


def test_what_looks_like_an_animation(tmp_path: Path) -> None:
    still = Image.fromarray(picture(1))
    for name in ("still.webp", "still.png"):
        still.save(tmp_path / name)
        assert len(open_source(tmp_path / name)) == 1
    # Previews in a phone's JPEG, and pages of a TIFF, are no frames.
    still.save(tmp_path / "phone.jpg", format="MPO", save_all=True, append_images=[still])
    still.save(tmp_path / "pages.tif", save_all=True, append_images=[still])
    for name in ("phone.jpg", "pages.tif"):
        assert len(open_source(tmp_path / name)) == 1
    whole = animation(tmp_path / "cut.webp").read_bytes()
    (tmp_path / "cut.webp").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(VideoError, match=r"cut\.webp|none of the pictures"):
        open_source(tmp_path / "cut.webp")


def test_natural_order_of_any_names(tmp_path: Path) -> None:
    names = ["img10.jpg", "img2.PNG", "img1.webp", "Img3.bmp", "img02b.tif", "a.jpeg"]
    order = ["a.jpeg", "img1.webp", "img2.PNG", "img02b.tif", "Img3.bmp", "img10.jpg"]
    for number, name in enumerate(order):
        save(tmp_path / name, number)
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "._img1.jpg").write_text("a Mac was here")
    folder = FrameFolder(tmp_path)
    assert [f.name for f in folder.files] == order
    assert sorted(names, key=natural_key) == order
    assert [number_in(f.image) for f in folder.read(0, 6)] == list(range(6))
    assert folder.rate is None


def test_a_folder_with_a_rate(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    save(tmp_path / "2.png", 2)
    folder = FrameFolder(tmp_path, rate=Fraction(30000, 1001))
    assert folder.rate == Fraction(30000, 1001)
    assert folder[1].time == Fraction(1001, 30000)


def test_pictures_of_mixed_sizes_are_refused_by_name(tmp_path: Path) -> None:
    save(tmp_path / "1.png", 1)
    save(tmp_path / "2.png", 2, (32, 48))
    with pytest.raises(VideoError, match=r"1\.png is 64×48 and 2\.png is 32×48"):
        FrameFolder(tmp_path)


def test_a_broken_picture_is_found_when_its_turn_comes(tmp_path: Path) -> None:
    for i in range(3):
        save(tmp_path / f"{i}.png", i)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:60])
    folder = FrameFolder(tmp_path)
    given: list[Frame] = []
    with pytest.raises(DamagedVideoError, match=r"frame 1 of 3: .*1\.png cannot be read"):
        given.extend(folder.read(0, 3))
    assert [f.index for f in given] == [0]
    assert number_in(folder[2].image) == 2


def test_photos_are_turned_as_they_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise for showing
    Image.fromarray(picture(5)).save(tmp_path / "phone.png", exif=exif)
    source = open_source(tmp_path / "phone.png")
    assert (source.width, source.height) == (48, 64)
    assert np.array_equal(source[0].image, np.rot90(picture(5), -1))


def test_pictures_of_every_mode_become_rgb(tmp_path: Path) -> None:
    grey = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(grey).save(tmp_path / "deep.png")
    deep = read_image(tmp_path / "deep.png")
    assert deep.shape == (48, 64, 3)
    assert np.abs(deep[..., 0].astype(int) - grey // 257).max() <= 1
    for mode in ("L", "P", "CMYK"):
        path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
        Image.fromarray(picture(3)).convert(mode).save(path)
        assert number_in(read_image(path)) == 3
    Image.fromarray(picture(3)).convert("L").point(lambda v: v > 127 and 255, "1").save(tmp_path / "bit.png")
    assert number_in(read_image(tmp_path / "bit.png")) == 3
    see_through = np.dstack([picture(3), np.zeros((48, 64), np.uint8)])
    Image.fromarray(see_through).save(tmp_path / "a.png")
    assert not read_image(tmp_path / "a.png").any()


def test_bad_folders(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="holds no pictures"):
        FrameFolder(tmp_path)
    with pytest.raises(VideoError, match="no folder"):
        FrameFolder(tmp_path / "none")
    with pytest.raises(VideoError, match="at least one picture"):
        FrameFolder([])


def test_arrays_are_checked_and_the_callers_stay_writable() -> None:
    mine = np.zeros((2, 4, 6, 3), np.uint8)
    _ = ArrayFrames(mine)[0]
    mine[0] = 1  # locking a frame does not lock its owner's array
    with pytest.raises(VideoError, match=r"frame 0 must be uint8 \[H, W, 3\] RGB, got float64"):
        ArrayFrames(np.zeros((2, 4, 6, 3)))
    with pytest.raises(VideoError, match="at least one frame"):
        ArrayFrames([])
    with pytest.raises(VideoError, match="differ in size: 5×4, 6×4"):
        ArrayFrames([np.zeros((4, 6, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])


def test_one_door(tmp_path: Path, film: Film) -> None:
    file = film(frames=3)
    one, two = save(tmp_path / "b.png", 1), save(tmp_path / "a.png", 2)
    assert isinstance(open_source(file), VideoFile)
    assert isinstance(open_source(str(file)), VideoFile)
    assert [number_in(f.image) for f in open_source(tmp_path).read(0, 2)] == [2, 1]
    assert [number_in(f.image) for f in open_source([one, str(two)]).read(0, 2)] == [1, 2]
    assert len(open_source(one)) == 1
    assert len(open_source(picture(1))) == 1
    assert len(open_source([picture(1), picture(2)])) == 2
    source = open_source(np.stack([picture(1)] * 5), rate=25)
    assert source.rate == 25
    assert open_source(source) is source
    with pytest.raises(VideoError, match="path is empty"):
        open_source("")
    with pytest.raises(VideoError, match="no file"):
        open_source(tmp_path / "none.mp4")
    with pytest.raises(VideoError, match=r"a generator has no known length; stream it through masklet"):
        open_source(picture(i) for i in range(3))  # type: ignore[arg-type]
    with pytest.raises(VideoError, match="cannot read frames from a int"):
        open_source(3)  # type: ignore[arg-type]


def test_streams_of_anything(film: Film) -> None:
    stream = StreamOf((picture(i) for i in range(4)), rate=10)
    frames = list(stream)
    assert [(f.index, f.time, number_in(f.image)) for f in frames] == [
        (i, Fraction(i, 10), i) for i in range(4)
    ]
    assert list(stream) == []  # once only
    with StreamOf(VideoFile(film(frames=5))) as stream:
        assert [f.time for f in stream] == [Fraction(1001 * i, 30000) for i in range(5)]
    later = StreamOf([Frame(7, Fraction(3), picture(1)), Frame(9, Fraction(4), picture(2))])
    assert [(f.index, f.time) for f in later] == [(0, 3), (1, 4)]


def test_a_stream_that_changes_its_size() -> None:
    stream = StreamOf(iter([picture(0), picture(1, 32, 48)]))
    with pytest.raises(VideoError, match="changes its size at frame 1: 64×48 becomes 32×48"):
        list(stream)


def test_an_endless_stream_keeps_nothing() -> None:
    def forever() -> Iterator[np.ndarray]:
        while True:
            yield np.zeros((100, 100, 3), np.uint8)

    tracemalloc.start()
    stream = iter(StreamOf(forever()))
    for _ in range(2000):
        next(stream)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 30000


def test_a_camera_gives_frames_in_order() -> None:
    """FFmpeg's test picture stands in for the hardware."""
    source = "testsrc=size=64x48:rate=30:duration=1"
    with Camera(source, format="lavfi", latest=False) as camera:
        frames = list(camera)
    assert [f.index for f in frames] == list(range(30))
    assert [f.time for f in frames] == [Fraction(i, 30) for i in range(30)]
    assert frames[0].image.shape == (48, 64, 3)


def test_a_slow_reader_gets_the_newest_frame_and_the_camera_stops() -> None:
    import time

    with Camera("testsrc=size=64x48:rate=30", format="lavfi") as camera:
        times = []
        for frame in camera:
            times.append(frame.time)
            if len(times) == 4:
                break
            time.sleep(0.05)
    assert times == sorted(times)
    assert times[-1] > Fraction(3, 30)  # frames in between were dropped
    assert not camera._reader.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="names a Linux device")
def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(VideoError, match=r"camera 93 cannot be opened \(/dev/video93: .*is it connected"):
        Camera(93)
