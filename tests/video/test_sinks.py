"""Outputs: what is written can be read back, in order or not, complete or interrupted."""

from __future__ import annotations

import json
import logging
import resource
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from masklet.errors import MaskError, SinkError
from masklet.types import FrameMasks, Mask
from masklet.video.cutout import CutOut
from masklet.video.draft import is_direct
from masklet.video.effect_video import EffectVideo
from masklet.video.effects import Look
from masklet.video.file import VideoFile
from masklet.video.in_order import InOrder
from masklet.video.json_masks import CocoJson, SavJson, read_masklets
from masklet.video.overlay_video import OverlayVideo
from masklet.video.palette import PalettePng, davis_palette, read_palette_png, write_mask_png
from masklet.video.sink import Callback, Several, Sink

from .conftest import disc, frame_of, masks_of, number_in

Film = Callable[..., Path]
Make = Callable[[Path], Sink]

FILES: dict[str, Make] = {
    "out.mp4": OverlayVideo,
    "coco.json": CocoJson,
    "sav.json": SavJson,
    "cut.mov": CutOut,
    "cut.webm": CutOut,
}
FOLDERS: dict[str, Make] = {"png": PalettePng, "cut": CutOut}


def is_whole(path: Path, frames: int) -> bool:
    """Whether an output, of any kind, is valid and holds so many frames."""
    if path.is_dir():
        return len([Image.open(p).load() for p in sorted(path.iterdir())]) == frames
    if path.suffix == ".json":
        data = json.loads(path.read_text())
        count = data["videos"][0]["length"] if "videos" in data else len(data["masklet"])
        return bool(count == frames)
    with VideoFile(path) as video:
        return len(list(video.read(0, len(video)))) == frames


def write(sink: Sink, results: Iterable[FrameMasks]) -> None:
    for masks in results:
        sink.write(frame_of(masks.index), masks)


def interrupted_after(frames: int, sink: Sink) -> None:
    write(sink, map(masks_of, range(frames)))
    raise KeyboardInterrupt


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_whole_after_leaving_the_block_even_by_ctrl_c(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    sink = (FILES | FOLDERS)[name](target)
    with pytest.raises(KeyboardInterrupt), sink:
        interrupted_after(5, sink)
    assert is_whole(target, 5)
    assert list(tmp_path.iterdir()) == [target]  # nothing lies beside it
    sink.close()  # again, does nothing


@pytest.mark.parametrize("name", FILES)
def test_nothing_under_the_name_until_it_is_whole(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("what was there before")
    with FILES[name](target) as sink:
        sink.write(frame_of(0), masks_of(0))
        sink.write(frame_of(1), masks_of(1))
        assert target.read_text() == "what was there before"
    assert is_whole(target, 2)


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_missing_folder_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(SinkError, match=r"there is no folder .*none; create it first"):
        (FILES | FOLDERS)[name](tmp_path / "none" / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_the_place_of_a_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SinkError, match="it is a folder"):
        FILES[name](tmp_path / name)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(SinkError, match="it is a file"):
        FOLDERS[name](tmp_path / name)


@contextmanager
def disk_that_takes(size: int) -> Iterator[None]:
    """Files may not grow beyond this size, as on a full disk: the system refuses the write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_full_disk(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    rng = np.random.default_rng(0)
    noise = [FrameMasks(i, {1: Mask.from_array(rng.random((48, 64)) < 0.5)}) for i in range(8)]
    before = "an earlier result"
    if name in FILES:
        target.write_text(before)
    with (
        pytest.raises(SinkError, match=rf"cannot write .*{name}.*; (write to a disk|free some)"),
        disk_that_takes(200),
        (FILES | FOLDERS)[name](target) as sink,
    ):
        write(sink, noise)
    if name in FILES:
        assert target.read_text() == before
        assert list(tmp_path.iterdir()) == [target]
    else:
        assert list(target.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("make", [OverlayVideo, CocoJson, SavJson])
def test_dev_full(make: Make) -> None:
    words = "cannot write /dev/full: No space left on device; free some space"
    with pytest.raises(SinkError, match=words), make(Path("/dev/full")) as sink:
        write(sink, map(masks_of, range(60)))
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("name", FILES)
def test_no_frames(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    with FILES[name](tmp_path / name):
        pass
    if name.endswith(".json"):
        assert is_whole(tmp_path / name, 0)
    else:
        assert list(tmp_path.iterdir()) == []
        assert "no frame was written" in caplog.text


# Overlay video


def test_overlay_keeps_rate_and_frames(tmp_path: Path, film: Film) -> None:
    source = VideoFile(film())
    with OverlayVideo(tmp_path / "out.mp4") as out:
        for frame in source.read(0, 30):
            out.write(frame, masks_of(frame.index))
    video = VideoFile(tmp_path / "out.mp4")
    assert video.rate == source.rate == Fraction(30000, 1001)
    frames = list(video.read(0, 30))
    assert [number_in(f.image) for f in frames] == list(range(30))
    assert [f.time for f in frames] == [f.time for f in source.read(0, 30)]
    inside, outside = frames[0].image[24, 20].astype(int), frames[0].image[40, 60].astype(int)
    assert np.abs(outside - (60, 120, 180)).max() < 12
    assert np.abs(inside - (60, 120, 180)).max() > 12
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("given", [None, Fraction(1, 11988)])
def test_overlay_keeps_variable_times(tmp_path: Path, given: Fraction | None) -> None:
    ticks = given or Fraction(1, 1000)
    times = [n * ticks for n in (500, 533, 534, 900, 1900, 1933)]
    with OverlayVideo(tmp_path / "out.mp4", time_base=given) as out:
        for i, time in enumerate(times):
            out.write(frame_of(i, time=time), masks_of(i))
    video = VideoFile(tmp_path / "out.mp4")
    assert [f.time for f in video.read(0, 6)] == [t - times[0] for t in times]


def test_overlay_of_odd_size_and_of_one_frame(tmp_path: Path) -> None:
    with OverlayVideo(tmp_path / "out.mp4") as out:
        out.write(frame_of(3, (67, 49)), masks_of(3, (67, 49)))
    video = VideoFile(tmp_path / "out.mp4")
    assert len(video) == 1
    assert (video.width, video.height) == (68, 50)
    assert number_in(video[0].image[:49, :67]) == 3


def test_a_pixel_is_shown_as_wide_as_before(tmp_path: Path) -> None:
    wide = {"sample_aspect": Fraction(2)}
    sinks = {
        "overlay.mp4": OverlayVideo(tmp_path / "overlay.mp4", **wide),
        "effects.mp4": EffectVideo(tmp_path / "effects.mp4", Look(), **wide),
        "cut.mov": CutOut(tmp_path / "cut.mov", **wide),
        "cut.webm": CutOut(tmp_path / "cut.webm", **wide),
    }
    for name, sink in sinks.items():
        with sink:
            for i in range(2):
                sink.write(frame_of(i), masks_of(i))
        video = VideoFile(tmp_path / name)
        assert (video.width * video.sample_aspect, video.height) == (128, 48), name


def test_overlay_refuses_frames_out_of_order_and_of_other_sizes(tmp_path: Path) -> None:
    with OverlayVideo(tmp_path / "out.mp4") as out:
        out.write(frame_of(0), masks_of(0))
        out.write(frame_of(1), masks_of(1))
        with pytest.raises(SinkError, match=r"0\.000 s comes after the one at 0\.033 s; .*InOrder"):
            out.write(frame_of(0), masks_of(0))
        with pytest.raises(SinkError, match="frames of 64×48, got 32×48"):
            out.write(frame_of(2, (32, 48)), masks_of(2, (32, 48)))
    assert is_whole(tmp_path / "out.mp4", 2)
    with pytest.raises(SinkError, match="already closed"):
        out.write(frame_of(3), masks_of(3))


def test_in_order_writes_a_propagation_that_ran_both_ways(tmp_path: Path, film: Film) -> None:
    source = VideoFile(film())
    order = [*range(12, 30), *range(11, -1, -1)]
    seen: list[tuple[int, FrameMasks]] = []
    both = Several([OverlayVideo(tmp_path / "out.mp4"), Callback(lambda f, m: seen.append((f.index, m)))])
    with InOrder(both, source) as sink:
        for i in order:
            sink.write(source[i], masks_of(i))
        assert seen == []
    assert seen == [(i, masks_of(i)) for i in range(30)]
    assert is_whole(tmp_path / "out.mp4", 30)


def test_in_order_lets_through_what_is_in_order(film: Film) -> None:
    source = VideoFile(film())
    seen: list[int] = []
    with InOrder(Callback(lambda f, m: seen.append(f.index)), source) as sink:
        for i in (0, 1, 2, 6, 5):
            sink.write(source[i], masks_of(i))
        assert seen == [0, 1, 2]
        with pytest.raises(SinkError, match="frame 1 is already written"):
            sink.write(source[1], masks_of(1))
    assert seen == [0, 1, 2, 5, 6]


# JSON


@pytest.mark.parametrize("make", [CocoJson, SavJson])
def test_json_there_and_back_in_any_order(tmp_path: Path, make: type[CocoJson] | type[SavJson]) -> None:
    with make(tmp_path / "m.json", length=9) as sink:
        for i in (3, 4, 5, 2, 1, 0):
            sink.write(frame_of(i), masks_of(i))
    back = read_masklets(tmp_path / "m.json")
    assert sorted(back) == [1, 5]
    assert back[1].masks == {i: disc(i) for i in range(6)}
    assert back[5].masks == {i: disc(i, x=40) for i in range(2, 6)}


@pytest.mark.parametrize("make", [CocoJson, SavJson])
def test_json_keeps_the_last_word_on_a_frame(tmp_path: Path, make: type[CocoJson] | type[SavJson]) -> None:
    with make(tmp_path / "m.json") as sink:
        for i in range(4):
            sink.write(frame_of(i), masks_of(i))
        sink.write(frame_of(3), FrameMasks(3, {1: disc(9)}))  # corrected, and object 5 is gone
    back = read_masklets(tmp_path / "m.json")
    assert back[1].masks[3] == disc(9)
    assert list(back[5].masks) == [2]


def test_coco_style(tmp_path: Path) -> None:
    empty = Mask.empty(48, 64)
    with CocoJson(tmp_path / "m.json", name="dance", length=5) as sink:
        sink.write(frame_of(1), FrameMasks(1, {7: disc(1)}, {7: 0.75}, {7: 3.5}, frozenset({7})))
        sink.write(frame_of(2), FrameMasks(2, {7: empty}, {7: 0.25}, {7: -2.0}))
    data = json.loads((tmp_path / "m.json").read_text())
    (video,), (note,) = data["videos"], data["annotations"]
    assert (video["name"], video["width"], video["height"], video["length"]) == ("dance", 64, 48, 5)
    assert note["segmentations"] == [
        None,
        {"size": [48, 64], "counts": disc(1).counts.decode()},
        None,
        None,
        None,
    ]
    x0, y0, x1, y1 = disc(1).box or (0, 0, 0, 0)
    assert note["bboxes"] == [None, [x0, y0, x1 - x0, y1 - y0], None, None, None]
    assert note["areas"] == [None, disc(1).area, None, None, None]
    assert note["iou"] == [None, 0.75, 0.25, None, None]
    assert note["occlusion"] == [None, 3.5, -2.0, None, None]
    assert (note["object_id"], note["prompted"], note["video_id"]) == (7, [1], video["id"])
    assert note["category_id"] == data["categories"][0]["id"]
    from pycocotools import mask as coco  # what other people read it with

    assert np.array_equal(coco.decode(note["segmentations"][1]), disc(1).to_array())


def test_coco_style_has_names_as_categories(tmp_path: Path) -> None:
    names = {1: "bird", 3: "cat", 4: "bird"}
    with CocoJson(tmp_path / "m.json", names=names) as sink:
        sink.write(frame_of(0), FrameMasks(0, {i: disc(0) for i in (1, 2, 3, 4)}))
    data = json.loads((tmp_path / "m.json").read_text())
    assert data["categories"] == [
        {"id": 1, "name": "bird"},
        {"id": 2, "name": "object"},
        {"id": 3, "name": "cat"},
    ]
    assert [note["category_id"] for note in data["annotations"]] == [1, 2, 3, 1]
    assert set(read_masklets(tmp_path / "m.json")) == {1, 2, 3, 4}


def test_sav_style(tmp_path: Path) -> None:
    with SavJson(tmp_path / "m.json", length=6) as sink:
        for i in (0, 1, 2, 3):
            sink.write(frame_of(i), masks_of(i))
    data = json.loads((tmp_path / "m.json").read_text())
    assert data["masklet_id"] == [1, 5]
    assert data["masklet_num"] == 2
    assert data["video_frame_count"] == len(data["masklet"]) == 6
    assert all(len(row) == 2 for row in data["masklet"])
    assert data["masklet_first_appeared_frame"] == [0, 2]
    assert data["masklet_visibility_changes"] == [1, 1]
    assert data["masklet_size_abs"][0] == pytest.approx(np.mean([disc(i).area for i in range(4)]))
    assert data["iou"][0] == [0.9, None]


def test_json_refuses_a_mask_of_another_size(tmp_path: Path) -> None:
    words = "object 1 on frame 0 is 32×48, the video is 64×48"
    with pytest.raises(SinkError, match=words), CocoJson(tmp_path / "m.json") as sink:
        sink.write(frame_of(0), masks_of(0, (32, 48)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"annotations": [{"id": 1, "segmentations": [{"size": [2, 2], "counts": "1"}]}]}'],
)
def test_reading_what_is_no_mask_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(MaskError, match=r"m\.json"):
        read_masklets(tmp_path / "m.json")
    with pytest.raises(MaskError, match="check the path"):
        read_masklets(tmp_path / "none.json")


def test_uncompressed_counts_are_read(tmp_path: Path) -> None:
    note = {"id": 4, "segmentations": [None, {"size": [2, 3], "counts": [1, 2, 3]}]}
    (tmp_path / "m.json").write_text(json.dumps({"annotations": [note]}))
    (masklet,) = read_masklets(tmp_path / "m.json").values()
    assert masklet.object_id == 4
    assert masklet.masks[1].to_array().astype(int).tolist() == [[0, 1, 0], [1, 0, 0]]


# PNG


def test_palette_png_there_and_back(tmp_path: Path) -> None:
    with PalettePng(tmp_path / "png") as sink:
        for i in (3, 2, 0):
            sink.write(frame_of(i), masks_of(i))
        sink.write(frame_of(4), FrameMasks(4, {}))
    names = sorted(p.name for p in (tmp_path / "png").iterdir())
    assert names == ["00000.png", "00002.png", "00003.png", "00004.png"]
    assert read_palette_png(tmp_path / "png" / "00003.png") == masks_of(3).masks
    with Image.open(tmp_path / "png" / "00003.png") as image:
        assert image.mode == "P"
        palette = np.array(image.getpalette()).reshape(-1, 3)
        assert palette[:4].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
        assert np.array_equal(np.array(image) == 5, disc(3, x=40).to_array())


@pytest.mark.parametrize("object_id", [0, -1, 256])
def test_palette_png_refuses_ids_that_do_not_fit(tmp_path: Path, object_id: int) -> None:
    with pytest.raises(SinkError, match=f"object id {object_id} does not fit a PNG, ids must be 1 to 255"):
        write_mask_png(tmp_path / "m.png", {object_id: disc(0)})
    assert list(tmp_path.iterdir()) == []


def test_overlapping_masks_and_sizes(tmp_path: Path) -> None:
    low, high = np.zeros((4, 6), bool), np.zeros((4, 6), bool)
    low[:, :4], high[:, 3:] = True, True
    write_mask_png(tmp_path / "m.png", {9: Mask.from_array(high), 2: Mask.from_array(low)})
    back = read_palette_png(tmp_path / "m.png")
    assert back[9] == Mask.from_array(high)
    assert back[2] == Mask.from_array(low & ~high)
    with pytest.raises(SinkError, match="one size, got 6×4, 64×48"):
        write_mask_png(tmp_path / "m.png", {1: Mask.from_array(low), 2: disc(0)})
    assert read_palette_png(tmp_path / "m.png") == back


def test_masks_from_pictures_of_every_kind(tmp_path: Path) -> None:
    a, b = disc(0).to_array(), disc(0, x=45).to_array()
    ids = a * np.uint8(3) + b * np.uint8(8)
    three_and_eight = {3: Mask.from_array(a), 8: Mask.from_array(b)}
    one = {1: Mask.from_array(a)}
    colours = davis_palette()[ids]
    other = np.zeros((48, 64, 3), np.uint8)
    other[a], other[b] = (10, 20, 30), (200, 20, 30)
    pictures = {
        "grey ids": (Image.fromarray(ids), three_and_eight),
        "16-bit ids": (Image.fromarray(ids.astype(np.uint16)), three_and_eight),
        "DAVIS colours": (Image.fromarray(colours), three_and_eight),
        "DAVIS colours, opaque": (Image.fromarray(colours).convert("RGBA"), three_and_eight),
        "other colours": (Image.fromarray(other), {1: Mask.from_array(a), 2: Mask.from_array(b)}),
        "black and white": (Image.fromarray(a.astype(np.uint8) * 255), one),
        "one bit": (Image.fromarray(a), one),
        "black and white in colour": (Image.fromarray(a.astype(np.uint8) * 255).convert("RGB"), one),
        "cut-out": (Image.fromarray(np.dstack([other, a.astype(np.uint8) * 255])), one),
    }
    for kind, (image, expected) in pictures.items():
        image.save(tmp_path / "m.png")
        assert read_palette_png(tmp_path / "m.png", (64, 48)) == expected, kind


def test_pictures_that_are_no_masks(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    write_mask_png(path, disc(0))
    with pytest.raises(MaskError, match=r"m\.png is 64×48 but the frame is 32×24; resize the mask"):
        read_palette_png(path, (32, 24))
    write_mask_png(path, Mask.empty(48, 64))
    with pytest.raises(MaskError, match="is empty"):
        read_palette_png(path)
    Image.fromarray(np.arange(48 * 64, dtype=np.uint32).astype(np.uint8).reshape(48, 64)).save(path)
    with pytest.raises(MaskError, match="256 different values"):
        read_palette_png(path)
    path.write_text("no picture")
    with pytest.raises(MaskError, match="cannot be read as a picture"):
        read_palette_png(path)
    with pytest.raises(MaskError, match="no file"):
        read_palette_png(tmp_path / "none.png")


def soft_edged(bits: int = 8, wide: int = 3) -> Image.Image:
    """A white disc on black whose edge is a ramp of `wide` pixels, half white where disc(0) ends."""
    whole = disc(0).to_array().astype(float)
    for _ in range(wide):
        padded = np.pad(whole, 1)
        whole = (padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]) / 4
    top = 2**bits - 1
    return Image.fromarray((whole * top).round().astype(np.uint16 if bits == 16 else np.uint8))


def test_a_shaded_mask_is_one_object(tmp_path: Path) -> None:
    hard = Image.fromarray(disc(0).to_array().astype(np.uint8) * 255)
    small = hard.resize((32, 24), Image.Resampling.BILINEAR)
    pictures = {
        "soft.png": soft_edged(),
        "deep.png": soft_edged(16),
        "colour.png": soft_edged().convert("RGB"),
        "scaled.png": small.resize((64, 48), Image.Resampling.BILINEAR),
        "hard16.png": Image.fromarray(np.asarray(hard).astype(np.uint16) * 257),
        "grey.jpg": hard,
        "rgb.jpg": hard.convert("RGB"),
    }
    for name, image in pictures.items():
        image.save(tmp_path / name)
        found = read_palette_png(tmp_path / name)
        assert list(found) == [1], name
        assert found[1].iou(disc(0)) > 0.85, name


def test_ids_stay_ids_however_they_are_spread(tmp_path: Path) -> None:
    rows = np.zeros((48, 64), np.uint8)
    for values in ((85, 170, 255), (128,), (64, 128, 191, 255), (1, 2, 3, 4, 5)):
        for place, value in enumerate(values):
            rows[place * 8 : place * 8 + 8] = value
        rows[len(values) * 8 :] = 0
        Image.fromarray(rows).save(tmp_path / "m.png")
        assert tuple(read_palette_png(tmp_path / "m.png")) == values
    rows[:3] = 255  # a border that means "don't care" is an id as before
    Image.fromarray(rows).save(tmp_path / "m.png")
    assert tuple(read_palette_png(tmp_path / "m.png")) == (1, 2, 3, 4, 5, 255)


def test_a_jpeg_of_ids_or_colours_is_refused(tmp_path: Path) -> None:
    colours = davis_palette()[disc(0).to_array() * np.uint8(3)]
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (48, 1))
    for image in (colours, ramp):
        Image.fromarray(image).save(tmp_path / "m.jpg")
        with pytest.raises(MaskError, match=r"m\.jpg is a JPEG, .*save it as PNG"):
            read_palette_png(tmp_path / "m.jpg")


# Cut-out


def test_cut_out_pngs(tmp_path: Path) -> None:
    with CutOut(tmp_path / "cut", objects=[5]) as sink:
        for i in (0, 3):
            sink.write(frame_of(i), masks_of(i))
    image = np.array(Image.open(tmp_path / "cut" / "00003.png"))
    chosen = disc(3, x=40).to_array()
    assert np.array_equal(image[..., 3], chosen * np.uint8(255))
    assert np.array_equal(image[chosen][:, :3], frame_of(3).image[chosen])
    assert not image[~chosen].any()
    assert not np.array(Image.open(tmp_path / "cut" / "00000.png")).any()


@pytest.mark.parametrize(("name", "decoder"), [("cut.mov", "prores"), ("cut.webm", "libvpx-vp9")])
def test_cut_out_videos_keep_alpha(tmp_path: Path, name: str, decoder: str) -> None:
    with CutOut(tmp_path / name) as sink:
        for i in range(4):
            sink.write(frame_of(i), masks_of(i))
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        context = av.CodecContext.create(decoder, "r")
        context.extradata = stream.codec_context.extradata
        packets = [p for p in container.demux(stream) if p.size]
        images = [f.to_ndarray(format="rgba") for p in packets for f in context.decode(p)]
    inside = disc(2).to_array() | disc(2, x=40).to_array()
    alpha = images[2][..., 3] > 127
    assert (alpha == inside).mean() > 0.98


def test_cut_out_names(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=r"\.mov, a \.webm or a folder"):
        CutOut(tmp_path / "x.mp4")


# Several


class Failing(Sink):
    def __init__(self, at: int) -> None:
        self.at, self.closed = at, False

    def write(self, frame: object, masks: FrameMasks) -> None:
        if masks.index == self.at:
            raise SinkError("this one is broken")

    def close(self) -> None:
        self.closed = True
        if self.at < 0:
            raise SinkError("this one cannot end")


def test_one_failing_output_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failing, ending = Failing(1), Failing(-1)
    with (
        pytest.raises(SinkError, match="this one is broken; this one cannot end"),
        Several([failing, CocoJson(tmp_path / "m.json"), ending]) as sink,
    ):
        write(sink, map(masks_of, range(4)))
    assert failing.closed
    assert is_whole(tmp_path / "m.json", 4)
    assert "this one is broken" in caplog.text


def test_an_output_alone_has_no_others_that_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(SinkError, match="object id 300"), Several([PalettePng(tmp_path)]) as sink:
        sink.write(frame_of(0), FrameMasks(0, {300: disc(0)}))
    assert caplog.text == ""


def test_when_the_last_output_fails_it_is_said_at_once() -> None:
    sink = Several([Failing(0)])
    with pytest.raises(SinkError, match="this one is broken"):
        sink.write(frame_of(0), masks_of(0))


def test_the_first_error_is_the_one_raised(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError), Failing(-1):
        raise ZeroDivisionError
    assert "this one cannot end" in caplog.text


# ── drafts ───────────────────────────────────────────────────────────────────────────────────────


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "masks.json").symlink_to(there / "masks.json")
    with CocoJson(tmp_path / "masks.json") as sink:
        write(sink, [masks_of(0)])
    assert (tmp_path / "masks.json").is_symlink()
    assert [path.name for path in there.iterdir()] == ["masks.json"]
    assert is_whole(there / "masks.json", 1)


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no /dev/stdout")
def test_the_system_s_names_for_open_files_are_written_to_not_replaced() -> None:
    assert is_direct(Path("/dev/stdout"))
