"""COCO instance segmentation: one JSON file and a folder of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from masklet import rle
from masklet.data.datasets import ImageRecord, LabelledImage
from masklet.data.pictures import decode_picture
from masklet.data.places import Folder, Packed, Place
from masklet.data.problems import Problems
from masklet.errors import DataError, MaskError
from masklet.types import Mask

FAR = 1e15
"""Numbers of this size and more are no coordinates, no run lengths and no sides."""


class CocoMasks:
    """Pictures with instance masks in COCO format (RLE, compressed or not, or polygons).

    annotations   the JSON file
    images        folder of the pictures; by default `images` beside the JSON file
    keep          image record → bool; pictures for which it is False are left out
    left_out      number of pictures for which it was
    problems      what was skipped and why: missing or unreadable pictures, pictures of another size than
                  their record, masks that are empty, damaged or of another size
    Pictures are read when asked for. Crowd annotations (`iscrowd`) are no single object and left out.
    raises        DataError when the JSON file cannot be read or is not COCO
    """

    def __init__(
        self,
        annotations: str | Path,
        images: str | Path | None = None,
        keep: Callable[[ImageRecord], bool] | None = None,
    ) -> None:
        path = Path(annotations)
        folder = Path(images) if images is not None else path.parent / "images"
        self._open(path.parent.name, path.read_bytes, str(path), Folder(folder), keep)

    @classmethod
    def packed(
        cls, shard: str | Path, name: str, keep: Callable[[ImageRecord], bool] | None = None
    ) -> CocoMasks:
        """The set of this name in a shard (see `shards`), read from there without unpacking."""
        source = cls.__new__(cls)
        place = Packed(Path(shard), f"{name}/")
        images = Packed(Path(shard), f"{name}/images/")
        source._open(name, place.reader("instances.json"), f"{shard}:{name}/instances.json", images, keep)
        return source

    def _open(
        self,
        name: str,
        read: Callable[[], bytes],
        label: str,
        images: Place,
        keep: Callable[[ImageRecord], bool] | None,
    ) -> None:
        self.name, self.images = name, images
        self.problems = Problems()
        records, by_image = _parse(read, label, name, self.problems)
        self._records: list[ImageRecord] = []
        self._annotations: list[list[dict[str, Any]]] = []
        self.left_out = 0
        present = images.names()
        if not records and not len(self.problems):
            self.problems.add(f"{name}/instances.json", "data set has no pictures")
        for record in records:
            if keep is not None and not keep(record):
                self.left_out += 1
                continue
            if Path(record["file_name"]).name == record["file_name"] and record["file_name"] not in present:
                self.problems.add(f"{self.name}/{record['file_name']}", "picture is missing")
                continue
            found = by_image.get(record["id"], [])
            if not found:
                self.problems.add(f"{self.name}/{record['file_name']}", "picture has no mask")
                continue
            self._records.append(record)
            self._annotations.append(found)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, index: int) -> LabelledImage | None:
        """The picture with its masks, or None when it is bad (then it stands in `problems`)."""
        record = self._records[index]
        name = f"{self.name}/{record['file_name']}"
        image = decode_picture(self.images.reader(record["file_name"]), name, self.problems)
        if image is None:
            return None
        size = (int(record["height"]), int(record["width"]))
        if image.shape[:2] != size:
            found = f"{image.shape[1]}×{image.shape[0]}, not {size[1]}×{size[0]}"
            self.problems.add(name, "picture has another size than its record", found)
            return None
        masks = [self._mask(annotation, size, name) for annotation in self._annotations[index]]
        good = tuple(mask for mask in masks if mask is not None)
        if not good:
            self.problems.add(name, "picture has no mask")
            return None
        return LabelledImage(image, good, name, self.name)

    def _mask(self, annotation: dict[str, Any], size: tuple[int, int], name: str) -> Mask | None:
        item = f"{name} annotation {annotation.get('id', '?')}"
        try:
            mask = decode_segmentation(annotation["segmentation"], size)
        except MaskError as error:
            self.problems.add(item, "mask cannot be used", str(error))
            return None
        if mask.is_empty:
            self.problems.add(item, "mask is empty")
            return None
        return mask


def _parse(
    read: Callable[[], bytes], label: str, name: str, problems: Problems
) -> tuple[list[ImageRecord], dict[Any, list[dict[str, Any]]]]:
    """Records of the pictures, and annotations by image id."""
    try:
        data = json.loads(read())
        records, annotations = data["images"], data["annotations"]
    except OSError as error:
        raise DataError(f"{label} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(_not_coco(label)) from error
    if not isinstance(records, list) or not isinstance(annotations, list):
        raise DataError(_not_coco(label))
    good = []
    for position, record in enumerate(records):
        if _is_record(record):
            good.append(record)
        else:
            problems.add(f"{name} image record {position}", "record lacks id, name or size")
    by_image: dict[Any, list[dict[str, Any]]] = {record["id"]: [] for record in good}
    for position, annotation in enumerate(annotations):
        item = f"{name} annotation {position}"
        if not isinstance(annotation, dict) or not annotation.get("segmentation"):
            problems.add(item, "annotation has no segmentation")
        elif not _is_id(annotation.get("image_id")) or annotation["image_id"] not in by_image:
            problems.add(item, "annotation names an unknown picture")
        elif not annotation.get("iscrowd"):
            by_image[annotation["image_id"]].append(annotation)
    return good, by_image


def _not_coco(label: str) -> str:
    return f"{label} is not COCO instance data; expected JSON with lists of images and annotations"


def _is_record(record: Any) -> bool:
    """Whether an image record has all that reading its picture takes."""
    if not isinstance(record, dict) or not _is_id(record.get("id")):
        return False
    sides = (record.get("height"), record.get("width"))
    return isinstance(record.get("file_name"), str) and all(_is_number(side) for side in sides)


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and -FAR < value < FAR


def decode_segmentation(segmentation: Any, size: tuple[int, int]) -> Mask:
    """COCO RLE or polygons → Mask of this (height, width); MaskError when they do not fit."""
    height, width = size
    if isinstance(segmentation, list):
        return Mask.from_array(_polygons(segmentation, size))
    if not isinstance(segmentation, dict) or not {"size", "counts"} <= segmentation.keys():
        raise MaskError("segmentation must be polygons or RLE with size and counts")
    side = segmentation["size"]
    if not isinstance(side, list) or tuple(side) != size:
        found = "×".join(str(value) for value in reversed(side)) if isinstance(side, list) else repr(side)
        raise MaskError(f"mask is {found}, its picture {width}×{height}")
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return Mask(rle.from_runs([int(n) for n in _numbers(counts)], height, width), height, width)
    if not isinstance(counts, (str, bytes)):
        raise MaskError("RLE counts must be text or a list of runs")
    code = counts.encode("ascii", "replace") if isinstance(counts, str) else counts
    runs = rle.runs(code)
    # pycocotools does not check: a short code would be decoded from memory behind its end.
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise MaskError(f"RLE runs add up to {sum(runs)}, not {width}×{height} = {height * width}")
    return Mask(code, height, width)


def _numbers(values: list[Any]) -> list[float]:
    """The same list, of finite numbers only; MaskError names what is none."""
    for value in values:
        if not _is_number(value):
            raise MaskError(f"{value!r} stands where a finite number belongs")
    return values


def _polygons(polygons: list[Any], size: tuple[int, int]) -> np.ndarray:
    """Polygons of x, y, x, y, … → bool [H, W], their union."""
    from pycocotools import mask as coco

    usable = [
        [float(value) for value in _numbers(polygon)]
        for polygon in polygons
        if isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
    ]
    if not usable:
        raise MaskError("polygons need at least three points")
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects(usable, *size))), dtype=bool)
