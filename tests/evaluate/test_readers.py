"""Benchmarks on disk: every layout is found and read, and what does not fit says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import squares, truth
from masklet.errors import ConfigError, DataError, UnknownObjectError
from masklet.evaluate.readers import CONVENTIONS, open_videos
from masklet.evaluate.readers.folders import find_layout, natural
from masklet.evaluate.readers.truth import ALL_FRAMES, DAVIS, INTERACTIVE, LATER, SAV, YOUTUBE
from masklet.types import Mask
from tiny_benchmarks import ids_at, save_grey, save_palette


def test_davis_2017(davis) -> None:
    videos = open_videos(davis(two=2, one=1))
    assert videos.names == ("one", "two")
    found = videos.truth("two")
    assert (found.height, found.width, found.objects, len(found.names)) == (96, 128, (1, 2), 8)
    np.testing.assert_array_equal(found.mask(2, 3).to_array(), truth(3, 2))
    assert found.counted_frames(DAVIS, 1) == (1, 2, 3, 4, 5, 6)
    with pytest.raises(UnknownObjectError, match="object 9"):
        found.mask(9, 0)


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_davis_2016_black_and_white(tmp_path: Path, mode: str) -> None:
    for t in range(3):
        save_grey(tmp_path / "Annotations/480p/bear" / f"{t:05d}.png", truth(t, 1))
        path = tmp_path / "Annotations/480p/bear" / f"{t:05d}.png"
        Image.open(path).convert(mode).save(path)
    found = open_videos(tmp_path, need_frames=False).truth("bear")
    assert found.objects == (1,)
    np.testing.assert_array_equal(found.mask(1, 2).to_array(), truth(2, 1))


def test_255_in_a_palette_is_void(tmp_path: Path) -> None:
    ids = ids_at(0, (1, 2))
    ids[:5] = 255
    save_palette(tmp_path / "Annotations/a/00000.png", ids)
    assert open_videos(tmp_path, need_frames=False).truth("a").objects == (1, 2)


def test_panoptic_colours_are_ids(tmp_path: Path) -> None:
    colour = np.zeros((20, 30, 3), np.uint8)
    colour[:10, :, :] = (44, 1, 0)
    colour[10:, :5, :] = (7, 0, 2)
    (tmp_path / "panomasks" / "v").mkdir(parents=True)
    Image.fromarray(colour).save(tmp_path / "panomasks/v/0.png")
    videos = open_videos(tmp_path, "vipseg", need_frames=False)
    assert videos.truth("v").objects == (44 + 256, 7 + 2 * 65536)


def test_a_list_of_sequences(davis) -> None:
    root = davis(a=1, b=1, c=1)
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text("c\na\n")
    assert open_videos(root, split="val").names == ("c", "a")
    (lists / "val.txt").write_text("/JPEGImages/480p/b/00000.jpg /Annotations/480p/b/00000.png\n" * 2)
    assert open_videos(root, split="val").names == ("b",)
    with pytest.raises(DataError, match="split test is unknown"):
        open_videos(root, split="test")


def test_youtube_vos_annotates_some_frames_and_later_objects(tmp_path: Path) -> None:
    root = tmp_path / "valid"
    for t, image in enumerate(squares(11, 2)):
        place = root / "JPEGImages" / "v" / f"{5 * t:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
        if t % 5 == 0:
            save_palette(root / "Annotations/v" / f"{5 * t:05d}.png", ids_at(t, (1,) if t == 0 else (1, 2)))
    objects = {"1": {"category": "cat"}, "2": {"category": "zebra"}}
    (root / "meta.json").write_text(json.dumps({"videos": {"v": {"objects": objects}}}))
    videos = open_videos(tmp_path, "ytvos")
    found = videos.truth("v")
    assert found.categories == {1: "cat", 2: "zebra"}
    assert (found.appears(1), found.appears(2)) == (0, 5)
    assert found.counted_frames(YOUTUBE, 1) == (5, 10)
    assert found.counted_frames(YOUTUBE, 2) == (10,)
    assert found.counted_frames(LATER, 1) == (5,)
    assert found.counted_frames(LATER, 2) == ()
    assert found.counted_frames(INTERACTIVE, 2) == (5, 10)
    assert found.counted_frames(ALL_FRAMES, 2) == (0, 5, 10)
    assert found.counted_objects(DAVIS) == (1,)


def test_sav_folders(tmp_path: Path) -> None:
    for t, image in enumerate(squares(13, 2)):
        place = tmp_path / "JPEGImages_24fps/sav_1" / f"{t:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)
        if t % 4 == 0:
            save_grey(tmp_path / f"Annotations_6fps/sav_1/000/{t:05d}.png", truth(t, 1))
            if t >= 4:
                save_grey(tmp_path / f"Annotations_6fps/sav_1/001/{t:05d}.png", truth(t, 2))
    found = open_videos(tmp_path, "sav").truth("sav_1")
    assert found.objects == (0, 1)
    assert len(found.names) == 13
    assert found.annotated == {0: (0, 4, 8, 12), 1: (4, 8, 12)}
    assert (found.counted_frames(SAV, 0), found.counted_frames(SAV, 1)) == ((4, 8), (8,))


def test_sav_json(tmp_path: Path) -> None:
    def code(mask: np.ndarray) -> dict:
        return {"size": [96, 128], "counts": Mask.from_array(mask).counts.decode()}

    rows = [[code(truth(4 * k, 1)), code(truth(4 * k, 2) & (k > 0))] for k in range(3)]
    data = {
        "video_height": 96.0,
        "video_width": 128.0,
        "video_frame_count": 10.0,
        "masklet_id": [0, 1],
        "masklet": rows,
    }
    (tmp_path / "sav_7_manual.json").write_text(json.dumps(data))
    videos = open_videos(tmp_path, "sav")
    assert videos.names == ("sav_7",)
    found = videos.truth("sav_7")
    assert found.annotated[0] == (0, 4, 8)
    assert (found.appears(0), found.appears(1), len(found.names)) == (0, 4, 10)
    data["masklet"] = [[{"size": [1, 2], "counts": "1"}, None]]
    (tmp_path / "sav_7_manual.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="no SA-V masklet file"):
        videos.truth("sav_7")


def test_natural_order() -> None:
    assert sorted(["f10", "f9", "f1", "g0"], key=natural) == ["f1", "f9", "f10", "g0"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: (r / "JPEGImages").rename(r / "frames"), "no frames; expected JPEGImages"),
        (lambda r: (r / "Annotations").rename(r / "labels"), "expected Annotations and JPEGImages, found"),
    ],
)
def test_a_folder_that_does_not_fit(davis, spoil, message: str) -> None:
    root = davis(a=1)
    spoil(root)
    with pytest.raises(DataError, match=message):
        find_layout(root)


def test_a_root_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a folder"):
        open_videos(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="format xyz is unknown"):
        open_videos(tmp_path, "xyz")
    assert "davis" in CONVENTIONS


def test_sequences_that_do_not_fit(davis) -> None:
    root = davis(a=1)
    videos, place = open_videos(root), root / "Annotations/480p/a"
    save_palette(place / "00003.png", np.ones((5, 5), np.uint8))
    with pytest.raises(DataError, match=r"00003.png is 5×5, the ones before 128×96"):
        videos.truth("a")
    (place / "00003.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        videos.truth("a")
    (place / "00003.png").rename(place / "extra.png")
    with pytest.raises(DataError, match="extra belongs to no frame"):
        videos.truth("a")
    for path in place.iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no mask picture"):
        videos.truth("a")
    save_palette(place / "00000.png", np.zeros((96, 128), np.uint8))
    with pytest.raises(DataError, match="no object in any"):
        videos.truth("a")


def test_shared_davis_is_read(shared: Path) -> None:
    videos = open_videos(shared / "data" / "davis")
    assert len(videos.names) == 7
    found = videos.truth("surf")
    assert found.mask(1, len(found.names) - 1).is_empty
