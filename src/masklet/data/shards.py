"""Pictures with masks as a few files of bounded size, for machines that data has to travel to.

A shard is a zip of COCO sets: `NAME/instances.json` and `NAME/images/`, with pictures no larger than training
looks at. It is read where it lies; unpacked, it is a folder of data sets as any other.
"""

from __future__ import annotations

import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from masklet.data.datasets import ImageSet, LabelledImage
from masklet.errors import ConfigError, DataError, SinkError
from masklet.types import Mask

ENDING = ".shard.zip"
LEAST = 1_000_000
"""Bytes: below it a shard could not hold one picture with its masks for sure."""


@dataclass(frozen=True)
class ShardSettings:
    """How pictures are packed."""

    side: int = 640
    """Pictures are made smaller until their longer side is this many pixels; 0 keeps them."""
    limit: int = 58_000_000
    """Most bytes of a shard."""
    quality: int = 85
    """Of the WebP files, 1 to 100."""

    def __post_init__(self) -> None:
        if self.side < 0 or self.limit < LEAST or not 1 <= self.quality <= 100:
            raise ConfigError(
                f"a shard of at most {self.limit} bytes with pictures of side {self.side} and quality "
                f"{self.quality} cannot be made; give at least {LEAST} bytes, a side of 0 or more, 1 to 100"
            )


@dataclass
class _Shard:
    """What is in the shard being written."""

    archive: zipfile.ZipFile
    bytes: int = 0
    pictures: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    masks: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))


def write_shards(
    sets: Sequence[ImageSet], folder: str | Path, settings: ShardSettings | None = None
) -> Iterator[Path]:
    """Pack every good picture of the sets, in order, and yield each shard when it is whole.

    raises   SinkError when the folder holds shards already or cannot be written, DataError when no picture
             is good
    """
    settings = settings or ShardSettings()
    folder = Path(folder)
    if any(folder.glob(f"*{ENDING}")):
        raise SinkError(f"{folder} holds shards already; name a new folder")
    number = 0
    shard: _Shard | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for group, picture_id, one in _pictures(sets):
            picture, masks = _smaller(one, settings.side)
            name = f"{picture_id}.webp"
            data = _encoded(picture, settings.quality)
            codes = [{"size": [m.height, m.width], "counts": m.counts.decode()} for m in masks]
            size = len(data) + sum(len(code["counts"]) + 120 for code in codes) + 400
            if shard is not None and shard.bytes + size > settings.limit:
                yield _finished(shard, folder, number)
                number, shard = number + 1, None
            if shard is None:
                shard = _Shard(zipfile.ZipFile(_draft(folder, number), "w"))
            shard.archive.writestr(f"{group}/images/{name}", data)
            shard.bytes += size
            height, width = picture.shape[:2]
            record = {"id": picture_id, "file_name": name, "height": height, "width": width}
            shard.pictures[group].append(record)
            shard.masks[group] += [{"image_id": picture_id, "segmentation": code} for code in codes]
        if shard is None:
            raise DataError("no picture could be packed; the sets hold none that is good")
        yield _finished(shard, folder, number)
    except OSError as error:
        raise SinkError(f"cannot write {folder}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # there is none, or no folder to hold it
            _draft(folder, number).unlink()


def _pictures(sets: Sequence[ImageSet]) -> Iterator[tuple[str, int, LabelledImage]]:
    """Good pictures with the name of their set and a number that is theirs in it.

    Numbers that are divisible by five are left out: in a set named `coco` they would be held out.
    """
    numbers: dict[str, int] = defaultdict(int)
    for one in sets:
        for index in range(len(one)):
            picture = one.read(index)
            if picture is not None and picture.masks:
                group = picture.group or "pictures"
                numbers[group] += 2 if numbers[group] % 5 == 4 else 1
                yield group, numbers[group], picture


def _smaller(one: LabelledImage, side: int) -> tuple[np.ndarray, list[Mask]]:
    """The picture and its masks at the size they are packed in; masks that vanish are left out."""
    import cv2

    height, width = one.image.shape[:2]
    scale = side / max(height, width)
    if not side or scale >= 1:
        return one.image, list(one.masks)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = cv2.resize(one.image, size, interpolation=cv2.INTER_AREA)
    shrunk = (
        cv2.resize(m.to_array().astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in one.masks
    )
    masks = [Mask.from_array(soft >= 0.5) for soft in shrunk]
    return np.asarray(picture, np.uint8), [mask for mask in masks if not mask.is_empty]


def _encoded(picture: np.ndarray, quality: int) -> bytes:
    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, quality])[1])


def _draft(folder: Path, number: int) -> Path:
    return folder / f"{number:03d}{ENDING}.part"


def _finished(shard: _Shard, folder: Path, number: int) -> Path:
    for group, pictures in shard.pictures.items():
        content = {"images": pictures, "annotations": shard.masks[group], "categories": []}
        for place, annotation in enumerate(shard.masks[group]):
            annotation["id"] = place + 1
        shard.archive.writestr(f"{group}/instances.json", json.dumps(content))
    shard.archive.close()
    path = folder / f"{number:03d}{ENDING}"
    _draft(folder, number).rename(path)
    return path


def sets_in(shard: Path) -> list[str]:
    """Names of the sets in a shard; DataError when it is none."""
    try:
        with zipfile.ZipFile(shard) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{shard} cannot be read as a shard: {error}; pack the data again") from error
    return [name.split("/")[0] for name in names if name.endswith("/instances.json")]
