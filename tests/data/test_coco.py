from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from masklet.data.coco import CocoMasks
from masklet.data.datasets import ImagePool, images, training_images
from masklet.errors import DataError
from masklet.evaluate.readers.stills import open_stills
from masklet.types import Mask

SQUARE = np.zeros((20, 30), bool)
SQUARE[4:12, 6:16] = True


def rle_of(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": Mask.from_array(mask).counts.decode()}


def coco_set(
    folder: Path, annotations: list[dict[str, Any]], records: list[dict[str, Any]] | None = None
) -> Path:
    """One good picture `a.png` of 30 × 20, id 1, and whatever is given."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.full((20, 30, 3), (0, 0, 255), np.uint8))
    record = {"id": 1, "file_name": "a.png", "height": 20, "width": 30}
    file = folder / "instances.json"
    file.write_text(
        json.dumps({"images": [record] if records is None else records, "annotations": annotations})
    )
    return file


def test_picture_comes_as_rgb_with_its_masks(tmp_path: Path) -> None:
    source = CocoMasks(coco_set(tmp_path, [{"id": 1, "image_id": 1, "segmentation": rle_of(SQUARE)}]))
    (picture,) = images(source)
    assert picture.image[0, 0].tolist() == [255, 0, 0]
    assert np.array_equal(picture.masks[0].to_array(), SQUARE)
    assert len(source.problems) == 0


def test_rle_polygon_and_runs_say_the_same(tmp_path: Path) -> None:
    flat = SQUARE.T.reshape(-1)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    runs = np.diff([0, *edges.tolist(), flat.size]).tolist()
    polygon = [6, 4, 16, 4, 16, 12, 6, 12]
    kinds: list[Any] = [rle_of(SQUARE), {"size": [20, 30], "counts": runs}, [polygon]]
    source = CocoMasks(
        coco_set(tmp_path, [{"id": n, "image_id": 1, "segmentation": kind} for n, kind in enumerate(kinds)])
    )
    (picture,) = images(source)
    for mask in picture.masks:
        assert np.array_equal(mask.to_array(), SQUARE)
    assert len(picture.masks) == 3


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ({"size": [20, 30], "counts": Mask.empty(20, 30).counts.decode()}, "mask is empty"),
        (rle_of(np.ones((10, 10), bool)), "mask cannot be used"),
        ({"size": [20, 30], "counts": rle_of(SQUARE)["counts"][:3]}, "mask cannot be used"),
        ({"size": [20, 30], "counts": [1, 2, 3]}, "mask cannot be used"),
        ({"size": [20, 30]}, "mask cannot be used"),
        ({"size": None, "counts": "abc"}, "mask cannot be used"),
        ({"size": [20, 30], "counts": None}, "mask cannot be used"),
        ({"size": [20, 30], "counts": ["a"]}, "mask cannot be used"),
        ({"size": [20, 30], "counts": [None]}, "mask cannot be used"),
        ({"size": [20, 30], "counts": [float("inf")]}, "mask cannot be used"),
        ([[1, 2, 3]], "mask cannot be used"),
        ([[1, 2, None, 4, 5, 6]], "mask cannot be used"),
        ([["1", "2", "3", "4", "5", "6"]], "mask cannot be used"),
        ([[1, 2, 3, float("nan"), 5, 6]], "mask cannot be used"),
    ],
)
def test_bad_mask_is_counted_and_the_rest_used(tmp_path: Path, segmentation: Any, reason: str) -> None:
    annotations = [
        {"id": 1, "image_id": 1, "segmentation": segmentation},
        {"id": 2, "image_id": 1, "segmentation": rle_of(SQUARE)},
    ]
    source = CocoMasks(coco_set(tmp_path, annotations))
    (picture,) = images(source)
    assert len(picture.masks) == 1
    assert source.problems.counts() == {reason: 1}
    assert next(iter(source.problems)).item.endswith("a.png annotation 1")


def test_bad_pictures_are_skipped_and_counted_once(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.png").write_bytes(b"no picture at all")
    (tmp_path / "images" / "empty.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "images" / "small.png"), np.zeros((5, 5, 3), np.uint8))
    names = ["a.png", "gone.png", "broken.png", "empty.png", "small.png", "bare.png"]
    cv2.imwrite(str(tmp_path / "images" / "bare.png"), np.zeros((20, 30, 3), np.uint8))
    records = [{"id": n + 1, "file_name": name, "height": 20, "width": 30} for n, name in enumerate(names)]
    annotations = [
        {"id": n, "image_id": n, "segmentation": rle_of(SQUARE)} for n in range(1, 6)
    ]  # the last has none
    source = CocoMasks(coco_set(tmp_path, annotations, [*records, {"id": 9}]))
    for _ in range(2):
        assert [picture.name.split("/")[-1] for picture in images(source)] == ["a.png"]
    assert source.problems.counts() == {
        "record lacks id, name or size": 1,
        "picture is missing": 1,
        "picture has no mask": 1,
        "picture cannot be read": 2,
        "picture has another size than its record": 1,
    }


def test_stray_annotations_are_counted_and_crowds_left_out(tmp_path: Path) -> None:
    annotations = [
        {"id": 1, "image_id": 1, "segmentation": rle_of(SQUARE)},
        {"id": 2, "image_id": 7, "segmentation": rle_of(SQUARE)},
        {"id": 3, "image_id": 1},
        {"id": 4, "image_id": 1, "segmentation": rle_of(~SQUARE), "iscrowd": 1},
    ]
    source = CocoMasks(coco_set(tmp_path, annotations))
    (picture,) = images(source)
    assert len(picture.masks) == 1
    assert source.problems.counts() == {
        "annotation names an unknown picture": 1,
        "annotation has no segmentation": 1,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"height": None},
        {"height": "abc"},
        {"height": float("nan")},
        {"width": [30]},
        {"file_name": None},
        {"file_name": 7},
        {"id": [1]},
        {"id": None},
    ],
)
def test_a_record_of_the_wrong_kinds_is_counted_and_the_rest_used(tmp_path: Path, change: Any) -> None:
    good = {"id": 1, "file_name": "a.png", "height": 20, "width": 30}
    annotations = [
        {"id": 1, "image_id": 1, "segmentation": rle_of(SQUARE)},
        {"id": 2, "image_id": [1], "segmentation": rle_of(SQUARE)},
    ]
    source = CocoMasks(coco_set(tmp_path, annotations, [{**good, **change}, good]))
    assert len(list(images(source))) == 1
    assert source.problems.counts() == {
        "record lacks id, name or size": 1,
        "annotation names an unknown picture": 1,
    }


def test_a_set_without_pictures_is_told(tmp_path: Path) -> None:
    source = CocoMasks(coco_set(tmp_path / "bare", [], []))
    assert [str(problem) for problem in source.problems] == ["bare/instances.json: data set has no pictures"]


def test_ids_of_letters_are_never_held_out(tmp_path: Path) -> None:
    record = {"id": "frame-5", "file_name": "a.png", "height": 20, "width": 30}
    annotation = {"id": 1, "image_id": "frame-5", "segmentation": rle_of(SQUARE)}
    coco_set(tmp_path / "coco", [annotation], [record])
    assert len(training_images(tmp_path)) == 1
    assert len(open_stills(tmp_path / "coco")) == 1
    assert len(open_stills(tmp_path / "coco", every=5)) == 0


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        '{"images": []}',
        "{",
        '{"images": null, "annotations": []}',
        '{"images": [], "annotations": {"a": 1}}',
    ],
)
def test_a_file_that_is_not_coco_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "instances.json"
    file.write_text(content)
    with pytest.raises(DataError, match="is not COCO"):
        CocoMasks(file)
    with pytest.raises(DataError, match="cannot be read"):
        CocoMasks(tmp_path / "other.json")


def test_training_never_sees_the_pictures_held_out(stills: Path) -> None:
    pool = training_images(stills)
    names = {pool.read(i).name for i in range(len(pool))}  # type: ignore[union-attr]
    assert "coco/005.png" not in names
    assert "coco/010.png" not in names
    assert "shapes/050.png" in names  # divisible by 5, but not of `coco`
    assert len(pool) == 8 + 6
    (told,) = [problem for one in pool.problems for problem in one]
    assert str(told) == "coco: pictures are held out for measuring (2 of them)"
    everything = training_images(stills, holdout=lambda name, record: False)
    assert len(everything) == 16


def test_a_set_that_cannot_be_read_is_told_and_the_others_are_used(stills: Path, tmp_path: Path) -> None:
    whole = training_images(stills)
    mixed = tmp_path / "mixed"
    shutil.copytree(stills, mixed)
    (mixed / "broken").mkdir()
    (mixed / "broken" / "instances.json").write_text('{"images": [')
    (mixed / "000.shard.zip").write_bytes(b"no zip")
    pool = training_images(mixed)
    assert len(pool) == len(whole)
    unread = [str(one) for one in pool.problems if "cannot be read" in str(one)]
    assert unread == ["1 × data set cannot be read"] * 2
    for seed in range(3):
        first, second = (one.draw(np.random.default_rng(seed)) for one in (pool, whole))
        assert first.name == second.name  # type: ignore[union-attr]


def test_a_folder_whose_only_set_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "instances.json").write_text('{"images": [')
    with pytest.raises(DataError, match=r"found broken: data set cannot be read .*is not COCO"):
        training_images(tmp_path)


def test_pool_keeps_to_its_memory_and_reads_the_same(stills: Path) -> None:
    small, none = (
        training_images(stills, cache_bytes=3 * 120 * 160 * 3),
        training_images(stills, cache_bytes=0),
    )
    for index in [0, 1, 2, 3, 0, 1, 13, 0]:
        a, b = small.read(index), none.read(index)
        assert a is not None
        assert b is not None
        assert np.array_equal(a.image, b.image)
        assert a.name == b.name
    assert len(small._cache) == 3
    assert not none._cache


def test_pool_draws_from_every_set_and_passes_over_bad_pictures(stills: Path, tmp_path: Path) -> None:
    file = coco_set(tmp_path, [{"id": 1, "image_id": 1, "segmentation": [[1, 2]]}])
    broken = CocoMasks(file)
    pool = ImagePool([broken, *training_images(stills).sets])
    rng = np.random.default_rng(0)
    drawn = [pool.draw(rng) for _ in range(60)]
    assert all(picture is not None for picture in drawn)
    assert {picture.group for picture in drawn if picture} == {"coco", "shapes"}
    assert ImagePool([broken]).draw(rng) is None
    assert len(broken.problems) == 2


def test_pool_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no data set"):
        training_images(tmp_path)
    with pytest.raises(DataError, match="empty"):
        ImagePool([])


def test_training_folder_is_as_described(shared: Path) -> None:
    root = shared / "data" / "train"
    if not root.is_dir():
        pytest.skip("no training data in the shared folder")
    pool = training_images(root)
    for members in {pool.set_of(i) for i in range(0, len(pool), 40)}:
        picture = pool.read(members.start)
        assert picture is not None
        assert max(picture.image.shape) <= 512
    records = [record for one in pool.sets if one.name == "coco" for record in one._records]  # type: ignore[attr-defined]
    assert records
    assert all(record["id"] % 5 for record in records)
