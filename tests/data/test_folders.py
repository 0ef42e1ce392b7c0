from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.data.datasets import images
from masklet.data.folders import MaskFolder
from masklet.errors import DataError


def write(root: Path, stem: str, numbers: np.ndarray | None, size: tuple[int, int] | None = (12, 16)) -> None:
    for folder in ("images", "masks"):
        (root / folder / stem).parent.mkdir(parents=True, exist_ok=True)
    if size is not None:
        cv2.imwrite(str(root / "images" / f"{stem}.jpg"), np.full((*size, 3), 90, np.uint8))
    if numbers is not None:
        mask = Image.fromarray(numbers.astype(np.uint8))
        if numbers.ndim == 2:
            mask.putpalette(list(range(256)) * 3)  # a short palette would cut the numbers to a few bits
        mask.save(root / "masks" / f"{stem}.png")


def test_objects_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    numbers = np.zeros((12, 16), int)
    numbers[2:5, 3:9] = 7
    numbers[6:9, 1:4] = 2
    numbers[11] = 255
    write(tmp_path, "a/00000", numbers)
    source = MaskFolder(tmp_path / "images", tmp_path / "masks")
    (picture,) = images(source)
    assert [mask.area for mask in picture.masks] == [9, 18]
    assert np.array_equal(picture.masks[1].to_array(), numbers == 7)
    assert picture.name == "images/a/00000"
    assert len(source.problems) == 0


def test_bad_files_are_skipped_and_counted(tmp_path: Path) -> None:
    good = np.zeros((12, 16), int)
    good[3:6, 3:6] = 1
    write(tmp_path, "good", good)
    write(tmp_path, "nothing", np.zeros((12, 16), int))
    write(tmp_path, "no_mask", None)
    write(tmp_path, "no_picture", good, size=None)
    write(tmp_path, "colour", np.zeros((12, 16, 3), int))
    write(tmp_path, "size", good, size=(20, 20))
    write(tmp_path, "broken", None)
    (tmp_path / "masks" / "broken.png").write_bytes(b"no mask")
    source = MaskFolder(tmp_path / "images", tmp_path / "masks", "mine")
    assert [picture.name for picture in images(source)] == ["mine/good"]
    assert source.problems.counts() == {
        "picture has no mask": 1,
        "picture is missing": 1,
        "mask is empty": 1,
        "mask is no index mask": 1,
        "mask has another size than its picture": 1,
        "mask cannot be read": 1,
    }


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere is not a folder"):
        MaskFolder(tmp_path / "nowhere", tmp_path)


@pytest.mark.parametrize("mode", ["L", "1", "RGB"])
def test_black_and_white_masks_show_one_object(tmp_path: Path, mode: str) -> None:
    numbers = np.zeros((12, 16), np.uint8)
    numbers[2:5, 3:9] = 255
    write(tmp_path, "one", None)
    Image.fromarray(numbers).convert(mode).save(tmp_path / "masks" / "one.png")
    (picture,) = images(MaskFolder(tmp_path / "images", tmp_path / "masks"))
    assert [mask.area for mask in picture.masks] == [18]
