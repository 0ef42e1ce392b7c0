"""Mask pictures: one PNG a frame whose pixel values are object ids, or black and white."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from masklet.errors import DataError
from masklet.types import Mask

VOID = 255
"""In a palette picture: a region nobody judged. Read as background, as the official DAVIS code does."""


def read_ids(path: Path) -> tuple[np.ndarray, bool]:
    """Object ids, integers [H, W], and whether 255 may mean "the object" (a grey or two-tone picture).

    A colour picture holds ids as R + 256 G + 65536 B, the panoptic convention (VIPSeg), unless its three
    channels are the same.
    raises   DataError when the file is no picture
    """
    try:
        with Image.open(path) as picture:
            if picture.mode == "P":
                return np.array(picture), False
            if picture.mode in ("RGB", "RGBA"):
                colour = np.array(picture.convert("RGB")).astype(np.int64)
                if (colour[..., 0] == colour[..., 1]).all() and (colour[..., 0] == colour[..., 2]).all():
                    return colour[..., 0], True
                return colour @ np.array([1, 256, 65536]), False
            if picture.mode == "1":
                return np.array(picture).astype(np.uint8) * VOID, True
            return np.array(picture), True
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise DataError(f"mask picture {path} cannot be read: {error}") from error


def read_masks(paths: Sequence[Path]) -> tuple[list[dict[int, Mask]], tuple[int, int]]:
    """All masks of a video: for each picture, object id → Mask; and their (height, width).

    255 is the object (id 1) when the pictures are grey and no other value occurs; else it is void.
    raises   DataError when a picture cannot be read or its size differs from the first one's
    """
    frames: list[dict[int, Mask]] = []
    size: tuple[int, int] | None = None
    grey = True
    for path in paths:
        ids, may_be_object = read_ids(path)
        shape = (int(ids.shape[0]), int(ids.shape[1]))
        if size is not None and shape != size:
            raise DataError(
                f"mask picture {path} is {shape[1]}×{shape[0]}, the ones before {size[1]}×{size[0]}"
            )
        size = shape
        grey = grey and may_be_object
        frames.append({i: Mask.from_array(ids == i) for i in _values(ids) if i != 0})
    if size is None:
        raise DataError("there is no mask picture to read")
    found = {i for frame in frames for i in frame}
    if grey and found <= {VOID}:
        return [{1: frame[VOID]} if VOID in frame else {} for frame in frames], size
    return [{i: m for i, m in frame.items() if i != VOID} for frame in frames], size


def _values(ids: np.ndarray) -> list[int]:
    # bincount is several times faster than unique on pictures of small ids
    if ids.dtype == np.uint8:
        return [int(i) for i in np.flatnonzero(np.bincount(ids.ravel(), minlength=1))]
    return [int(i) for i in np.unique(ids)]
