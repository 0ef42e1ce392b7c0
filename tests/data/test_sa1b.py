from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from masklet.data.datasets import images
from masklet.data.sa1b import PictureJson
from masklet.types import Mask


def write(root: Path, stem: str, segmentations: list[object] | None) -> None:
    cv2.imwrite(str(root / f"{stem}.jpg"), np.full((12, 16, 3), 90, np.uint8))
    if segmentations is not None:
        content = {"image": {"file_name": f"{stem}.jpg"}, "annotations": segmentations}
        (root / f"{stem}.json").write_text(json.dumps(content))


def rle(rows: slice, size: tuple[int, int] = (12, 16)) -> dict[str, object]:
    mask = np.zeros(size, bool)
    mask[rows, 2:6] = True
    return {"segmentation": {"size": list(size), "counts": Mask.from_array(mask).counts.decode()}}


def test_pictures_with_their_json(tmp_path: Path) -> None:
    write(tmp_path, "sa_1", [rle(slice(1, 4)), rle(slice(5, 7))])
    (picture,) = images(PictureJson(tmp_path, tmp_path))
    assert [mask.area for mask in picture.masks] == [12, 8]


def test_bad_files_are_skipped_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "good", [rle(slice(1, 4)), rle(slice(0, 0)), rle(slice(1, 2), (20, 20)), {}])
    write(tmp_path, "bare", None)
    write(tmp_path, "broken", None)
    (tmp_path / "broken.json").write_text("{")
    write(tmp_path, "empty", [])
    (tmp_path / "lost.json").write_text("{}")
    source = PictureJson(tmp_path, tmp_path, "mine")
    assert [(picture.name, len(picture.masks)) for picture in images(source)] == [("mine/good", 1)]
    assert source.problems.counts() == {
        "picture has no mask": 2,
        "picture is missing": 1,
        "mask cannot be read": 1,
        "mask is empty": 1,
        "mask cannot be used": 2,
    }


def test_json_of_the_wrong_kinds_is_skipped_and_counted(tmp_path: Path) -> None:
    write(tmp_path, "good", [rle(slice(1, 4))])
    for stem, content in (("none", None), ("number", 5), ("named", {"a": 1})):
        write(tmp_path, stem, [])
        (tmp_path / f"{stem}.json").write_text(json.dumps({"annotations": content}))
    write(
        tmp_path,
        "text",
        [{"segmentation": [["a"] * 6]}, {"segmentation": {"size": [12, 16], "counts": ["a"]}}],
    )
    source = PictureJson(tmp_path, tmp_path, "mine")
    assert [picture.name for picture in images(source)] == ["mine/good"]
    assert source.problems.counts() == {
        "mask cannot be read": 3,
        "mask cannot be used": 2,
        "picture has no mask": 1,
    }
