"""SA-1B: a JSON file with the masks of each picture, beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masklet.data.coco import decode_segmentation
from masklet.data.datasets import LabelledImage
from masklet.data.folders import PICTURES, by_stem
from masklet.data.pictures import read_picture
from masklet.data.problems import Problems
from masklet.errors import MaskError
from masklet.types import Mask


class PictureJson:
    """Pictures with one JSON file each: {"annotations": [{"segmentation": RLE or polygons}, …]}.

    images      folder of pictures, subfolders included
    masks       folder of JSON files with the same relative paths apart from the ending; it may be the same
    problems    what was skipped and why, as in `CocoMasks`
    raises      DataError when a folder does not exist
    """

    def __init__(self, images: str | Path, masks: str | Path, name: str | None = None) -> None:
        self.name = name if name is not None else Path(images).name
        self.problems = Problems()
        pictures = by_stem(Path(images), PICTURES, self.problems)
        labels = by_stem(Path(masks), frozenset({".json"}), self.problems)
        for stem in sorted(pictures.keys() - labels.keys()):
            self.problems.add(f"{self.name}/{stem}", "picture has no mask")
        for stem in sorted(labels.keys() - pictures.keys()):
            self.problems.add(f"{self.name}/{stem}", "picture is missing")
        both = sorted(pictures.keys() & labels.keys())
        self._items = [(stem, pictures[stem], labels[stem]) for stem in both]

    def __len__(self) -> int:
        return len(self._items)

    def read(self, index: int) -> LabelledImage | None:
        """The picture with its masks, or None when it is bad (then it stands in `problems`)."""
        stem, picture, label = self._items[index]
        name = f"{self.name}/{stem}"
        try:
            annotations = json.loads(label.read_text(encoding="utf-8"))["annotations"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            self.problems.add(name, "mask cannot be read", str(error))
            return None
        if not isinstance(annotations, list):
            self.problems.add(name, "mask cannot be read", f"annotations is {annotations!r:.40}, no list")
            return None
        image = read_picture(picture, name, self.problems)
        if image is None:
            return None
        size = (int(image.shape[0]), int(image.shape[1]))
        found = [self._mask(one, size, f"{name} annotation {n}") for n, one in enumerate(annotations)]
        good = tuple(mask for mask in found if mask is not None)
        if not good:
            self.problems.add(name, "picture has no mask")
            return None
        return LabelledImage(image, good, name, self.name)

    def _mask(self, annotation: Any, size: tuple[int, int], item: str) -> Mask | None:
        try:
            mask = decode_segmentation(annotation["segmentation"], size)
        except (MaskError, KeyError, TypeError) as error:
            self.problems.add(item, "mask cannot be used", str(error))
            return None
        if mask.is_empty:
            self.problems.add(item, "mask is empty")
            return None
        return mask
