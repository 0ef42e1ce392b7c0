"""Labelled pictures to measure on: COCO instances, or SA-1B's pictures with a JSON file each."""

from __future__ import annotations

import importlib.util
import json
from functools import partial
from pathlib import Path
from typing import Any

from masklet.data.coco import CocoMasks, decode_segmentation
from masklet.data.datasets import ImageSet, LabelledImage, id_divides
from masklet.data.pictures import read_picture
from masklet.data.problems import Problems
from masklet.errors import ConfigError, DataError, MaskError, MissingExtraError
from masklet.evaluate.readers.folders import natural
from masklet.types import Mask


def open_stills(root: str | Path, every: int = 1) -> ImageSet:
    """Open a set of labelled pictures.

    root     a COCO instance JSON, a folder with instances.json and images/, or a folder of SA-1B
             (sa_N.jpg with sa_N.json)
    every    only pictures whose id is divisible by this
    raises   DataError saying what was expected and found, ConfigError for a bad `every`,
             MissingExtraError without OpenCV
    """
    if every < 1:
        raise ConfigError(f"every {every} must be at least 1: it picks the pictures whose id it divides")
    if importlib.util.find_spec("cv2") is None:
        raise MissingExtraError("reading labelled pictures needs OpenCV: pip install 'masklet[train]'")
    root = Path(root)
    if root.is_file():
        return CocoMasks(root, keep=partial(_is_chosen, every))
    if (root / "instances.json").is_file():
        return CocoMasks(root / "instances.json", keep=partial(_is_chosen, every))
    if root.is_dir() and next(root.glob("sa_*.json"), None):
        return Sa1bMasks(root, every)
    found = ", ".join(sorted(p.name for p in root.iterdir())[:6]) if root.is_dir() else "no such folder"
    raise DataError(
        f"{root} holds no labelled pictures; expected instances.json and images/ (COCO) or sa_N.jpg with "
        f"sa_N.json (SA-1B), found {found or 'nothing'}"
    )


def name_of(root: str | Path) -> str:
    """Of the set, for reports: the folder's name."""
    path = Path(root).resolve()
    return path.name if path.is_dir() else path.parent.name


class Sa1bMasks:
    """A folder of SA-1B: a picture and a JSON file of the same name, masks as RLE.

    problems   what was skipped and why, picture by picture
    Pictures and masks are read when asked for.
    """

    def __init__(self, folder: str | Path, every: int = 1) -> None:
        self.folder = Path(folder)
        self.name = self.folder.name
        self.problems = Problems()
        files = sorted(self.folder.glob("sa_*.json"), key=lambda p: natural(p.stem))
        self._files = [p for p in files if _number(p) % every == 0]

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> LabelledImage | None:
        """The picture with its masks, or None when it is bad (then it stands in `problems`)."""
        path = self._files[index]
        name = f"{self.name}/{path.stem}"
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            size = (int(data["image"]["height"]), int(data["image"]["width"]))
            file, rows = str(data["image"]["file_name"]), list(data["annotations"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.problems.add(name, "JSON is not SA-1B's; expected image and annotations", repr(error))
            return None
        image = read_picture(self.folder / file, name, self.problems)
        if image is None:
            return None
        if image.shape[:2] != size:
            found = f"{image.shape[1]}×{image.shape[0]}, not {size[1]}×{size[0]}"
            self.problems.add(name, "picture has another size than its JSON says", found)
            return None
        masks = [mask for row in rows if (mask := self._mask(row, size, name)) is not None]
        if not masks:
            self.problems.add(name, "picture has no mask")
            return None
        return LabelledImage(image, tuple(masks), name, self.name)

    def _mask(self, row: Any, size: tuple[int, int], name: str) -> Mask | None:
        try:
            mask = decode_segmentation(row["segmentation"], size)
        except (MaskError, KeyError, TypeError) as error:
            self.problems.add(name, "mask cannot be used", str(error))
            return None
        return None if mask.is_empty else mask


def _is_chosen(every: int, record: dict[str, Any]) -> bool:
    return every == 1 or id_divides(record, every)


def _number(path: Path) -> int:
    digits = path.stem.removeprefix("sa_")
    return int(digits) if digits.isdigit() else 0
