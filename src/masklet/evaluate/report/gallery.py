"""The worst frames: the picture with the model's outline and the truth's, as embedded JPEG."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.errors import MaskletError
from masklet.evaluate.metrics import boundary
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.folders import pictures
from masklet.evaluate.results import SequenceScore
from masklet.types import Mask

OURS, TRUE = (255, 60, 40), (40, 220, 90)
"""Colours of the model's mask and of the truth."""
SIDE = 420
"""Longest side of an embedded picture, pixels."""


@dataclass(frozen=True)
class Failure:
    """One bad frame: what to write under it, and the picture twice, ours and the truth, as JPEG in base64."""

    sequence: str
    frame: str
    object_id: int
    j: float
    f: float
    ours: str
    true: str


def failures(scores: Sequence[SequenceScore], videos: VideoSet, most: int = 12) -> list[Failure]:
    """The worst frame of each object, worst first; frames that cannot be read are left out."""
    rows = [
        (row["j"] + row["f"], score.name, row)
        for score in scores
        for row in (score.details or {}).get("worst", ())
    ]
    found = []
    for _, name, row in sorted(rows, key=lambda one: one[:2])[:most]:
        try:
            found.append(_failure(videos, name, row))
        except (MaskletError, OSError, KeyError):
            # The page is about figures that stand; a data set that moved costs it a picture, no more.
            continue
    return found


def _failure(videos: VideoSet, name: str, row: dict[str, Any]) -> Failure:
    truth = videos.truth(name)
    position, object_id = int(row["position"]), int(row["object_id"])
    frame = truth.names[position]
    folder = videos.frames(name)
    if folder is None or not folder.is_dir():
        raise OSError("no pictures")
    image = _read(pictures(folder)[frame])
    height, width = row["mask"]["size"]
    ours = Mask(row["mask"]["counts"].encode("ascii"), height, width).to_array()
    true = truth.mask(object_id, position).to_array()
    window = _around(ours | true)
    return Failure(
        sequence=name,
        frame=frame,
        object_id=object_id,
        j=row["j"],
        f=row["f"],
        ours=_jpeg(_painted(image, ours, OURS)[window]),
        true=_jpeg(_painted(image, true, TRUE)[window]),
    )


def _read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture.convert("RGB"))


def _around(mask: np.ndarray, margin: float = 0.5) -> tuple[slice, slice]:
    """The part of the picture around a mask, with some of what surrounds it; all of it for an empty mask."""
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return slice(0, height), slice(0, width)
    reach = int(margin * max(rows[-1] - rows[0], columns[-1] - columns[0], 60)) + 8
    return (
        slice(max(int(rows[0]) - reach, 0), int(rows[-1]) + reach),
        slice(max(int(columns[0]) - reach, 0), int(columns[-1]) + reach),
    )


def _painted(image: np.ndarray, mask: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """The picture with a mask tinted and outlined."""
    painted = image.astype(np.float32)
    painted[mask] = 0.6 * painted[mask] + 0.4 * np.array(colour)
    painted[boundary(mask)] = colour
    return painted.astype(np.uint8)


def _jpeg(image: np.ndarray) -> str:
    picture = Image.fromarray(image)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=82)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
