"""Benchmarks on disk: every layout is found and read, and what does not fit says so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import squares, truth
from masklet.errors import ConfigError, DataError, UnknownObjectError
from masklet.evaluate.measure import Model, measure_videos
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.readers import CONVENTIONS, open_videos
from masklet.evaluate.readers.folders import find_layout, natural
from masklet.evaluate.readers.stills import open_stills
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
    below = tmp_path / "train" / "sav_000"  # as published
    below.mkdir(parents=True)
    (tmp_path / "sav_7_manual.json").rename(below / "sav_7_manual.json")
    videos = open_videos(tmp_path / "train", "sav")
    assert videos.names == ("sav_000/sav_7",)
    assert videos.truth("sav_000/sav_7").name == "sav_000/sav_7"
    assert open_videos(tmp_path, "sav").names == ("train/sav_000/sav_7",)
    data["masklet"] = [[{"size": [1, 2], "counts": "1"}, None]]
    (below / "sav_7_manual.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="no SA-V masklet file"):
        videos.truth("sav_000/sav_7")


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


def test_truth_that_is_not_public(davis, loader) -> None:
    """MOSE's and LVOS's test sets give the first frame only: that is told before a model is run."""
    root = davis(two=2)
    for t in range(1, 8):
        (root / "Annotations/480p/two" / f"{t:05d}.png").unlink()
    score = measure_videos(open_videos(root, "mose"), Model("fake", loader), FirstPrompt("mask")).scores[0]
    assert score.error is not None
    assert "no frame counts; masks are on 1 of 8 frames (00000 to 00000)" in score.error
    assert not loader.engine.calls


def test_objects_of_sav_that_no_frame_shows(tmp_path: Path) -> None:
    for t in (0, 4):
        save_grey(tmp_path / "Annotations_6fps/v/000" / f"{t:05d}.png", truth(t, 1))
        save_grey(tmp_path / "Annotations_6fps/v/001" / f"{t:05d}.png", np.zeros((96, 128), bool))
    videos = open_videos(tmp_path, "sav", need_frames=False)
    assert videos.truth("v").objects == (0,)
    save_grey(tmp_path / "Annotations_6fps/v/000/00004.png", np.zeros((9, 9), bool))
    with pytest.raises(DataError, match="differ in size"):
        videos.truth("v")
    ids = ids_at(0, (1, 2))
    save_palette(tmp_path / "Annotations_6fps/v/000/00004.png", ids)
    with pytest.raises(DataError, match="several objects"):
        videos.truth("v")
    for path in (tmp_path / "Annotations_6fps/v/000").iterdir():
        save_grey(path, np.zeros((96, 128), bool))
    with pytest.raises(DataError, match="every mask of it is empty"):
        videos.truth("v")


def test_lists_beside_the_folders(tmp_path: Path) -> None:
    for name in "abc":
        save_grey(tmp_path / "Annotations_6fps" / name / "000/00000.png", truth(0, 1))
    (tmp_path / "sav_val.txt").write_text("b\nc\n")
    assert open_videos(tmp_path, "sav", split="sav_val", need_frames=False).names == ("b", "c")
    (tmp_path / "sav_1_manual.json").write_text("{}")
    with pytest.raises(ConfigError, match="no list val; leave the split out"):
        open_videos(tmp_path, "sav", split="val")


def test_vipseg_folders(tmp_path: Path) -> None:
    for t, image in enumerate(squares(3, 1)):
        (tmp_path / "imgs/v").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "imgs/v" / f"{t:08d}.jpg")
        ids = np.where(truth(t, 1), 12500, 0).astype(np.uint16)
        (tmp_path / "panomasks/v").mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids).save(tmp_path / "panomasks/v" / f"{t:08d}.png")
    found = open_videos(tmp_path, "vipseg").truth("v")
    assert found.objects == (12500,)
    assert found.counted_frames(LATER, 12500) == (1,)


def test_a_set_is_named_after_its_data_not_its_split(davis, tmp_path: Path) -> None:
    root = davis(two=1)
    assert open_videos(root).layout.name == "DAVIS"
    root.rename(tmp_path / "valid")
    assert open_videos(tmp_path, "mose").layout.name == f"{tmp_path.name}/valid"


def test_damaged_categories_are_told(davis) -> None:
    root = davis(two=2)
    videos = open_videos(root, "ytvos")
    assert videos.categories("two") == {}
    with pytest.raises(DataError, match="G needs categories"):
        videos.check_categories()
    (root / "meta.json").write_text('{"videos": [1]}')
    with pytest.raises(DataError, match=r"meta\.json is damaged; expected videos"):
        videos.truth("two")


def test_sa1b_pictures(tmp_path: Path) -> None:
    def code(mask: np.ndarray) -> dict:
        return {"size": [96, 128], "counts": Mask.from_array(mask).counts.decode()}

    for number in (10, 11, 12):
        Image.fromarray(squares(1, 2)[0]).save(tmp_path / f"sa_{number}.png")
        record = {"image_id": number, "width": 128, "height": 96, "file_name": f"sa_{number}.png"}
        rows = [{"id": k, "segmentation": code(truth(0, k))} for k in (1, 2)]
        (tmp_path / f"sa_{number}.json").write_text(json.dumps({"image": record, "annotations": rows}))
    pictures = open_stills(tmp_path)
    assert len(pictures) == 3
    first = pictures.read(0)
    assert first is not None
    np.testing.assert_array_equal(first.masks[1].to_array(), truth(0, 2))
    assert len(open_stills(tmp_path, every=5)) == 1
    (tmp_path / "sa_11.json").write_text("{}")
    (tmp_path / "sa_12.png").unlink()
    assert pictures.read(1) is pictures.read(2) is None
    assert next(p.reason for p in pictures.problems).startswith("JSON is not SA-1B's")
    assert "picture is missing" in pictures.problems.counts()


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(DataError, match=r"expected instances.json .* or sa_N.jpg .* found photo.jpg"):
        open_stills(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        open_stills(tmp_path / "nowhere")


def test_shared_davis_is_read(shared: Path) -> None:
    videos = open_videos(shared / "data" / "davis")
    assert len(videos.names) == 7
    found = videos.truth("surf")
    assert found.mask(1, len(found.names) - 1).is_empty
