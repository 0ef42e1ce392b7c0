"""From the model's logit grid to the frame and back.

Upsampling is bilinear with pixel centres at .5 and the border repeated (align_corners=False). Only the
neighbourhood of the object is computed: an output pixel lies between four logits, so away from any
positive logit it cannot be positive. That is exact, and most objects are small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from masklet.types import Mask


@dataclass(frozen=True, eq=False)
class Patch:
    """The part of an upsampled mask that can be positive; everywhere else is background.

    top, left   where `logits` lies in the frame
    logits      float32 [h, w]; > 0 is the object
    """

    top: int
    left: int
    logits: np.ndarray

    @property
    def bottom(self) -> int:
        return self.top + int(self.logits.shape[0])

    @property
    def right(self) -> int:
        return self.left + int(self.logits.shape[1])


def upsample(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    """float32 [h, w] → float32 [height, width], bilinear."""
    rows, columns = taps(logits.shape[0], height), taps(logits.shape[1], width)
    return _interpolate(logits, rows, columns)


def positive_patch(logits: np.ndarray, height: int, width: int) -> Patch:
    """What `upsample` gives around its positive pixels; an empty patch when no logit is positive."""
    return patch_around(logits, np.asarray(logits > 0), height, width)


def patch_around(logits: np.ndarray, places: np.ndarray, height: int, width: int) -> Patch:
    """What `upsample` gives where it comes near the given places, bool [h, w]; empty when there are none."""
    rows = _reached(np.any(places, axis=1), taps(logits.shape[0], height))
    columns = _reached(np.any(places, axis=0), taps(logits.shape[1], width))
    if rows is None or columns is None:
        return Patch(0, 0, np.zeros((0, 0), np.float32))
    return Patch(rows[0], columns[0], _interpolate(logits, rows[1], columns[1]))


def patch_mask(patch: Patch, height: int, width: int) -> Mask:
    """The patch's positive pixels as a mask of the frame's size."""
    array = np.zeros((height, width), dtype=bool, order="F")  # COCO runs go down the columns
    array[patch.top : patch.bottom, patch.left : patch.right] = patch.logits > 0
    return Mask.from_array(array)


def mask_to_square(mask: Mask, size: int) -> np.ndarray:
    """A frame-sized mask on the model's input grid: float32 [size, size], 0 or 1.

    Antialiased, then cut at one half, as SAM 2 prepares mask prompts. An object too small to survive
    the cut keeps its strongest pixel, so that a mask that is not empty stays so.
    """
    soft = _shrink(mask.to_array().astype(np.float32), size)
    hard = (soft >= 0.5).astype(np.float32)
    if not hard.any() and soft.max() > 0:
        hard[soft == soft.max()] = 1.0
    return hard


def mask_to_logits(mask: Mask, size: int) -> np.ndarray:
    """A mask as if the model had answered it: float32 [size, size] from -10 to 10 (SAM 2's scale)."""
    soft: np.ndarray = 20.0 * _shrink(mask.to_array().astype(np.float32), size) - 10.0
    if not mask.is_empty and soft.max() <= 0:
        soft[soft == soft.max()] = 10.0
    return soft.astype(np.float32)


def _shrink(array: np.ndarray, size: int) -> np.ndarray:
    picture = Image.fromarray(array)
    return np.array(picture.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)


Taps = tuple[np.ndarray, np.ndarray, np.ndarray]


def taps(size: int, target: int) -> Taps:
    """For each output position: the input positions on its two sides and the weight of the second."""
    source = np.maximum((np.arange(target) + 0.5) * (size / target) - 0.5, 0.0)
    first = np.minimum(source.astype(np.intp), size - 1)
    second = np.minimum(first + 1, size - 1)
    return first, second, (source - first).astype(np.float32)


def _reached(positive: np.ndarray, all_taps: Taps) -> tuple[int, Taps] | None:
    """The first output position near a positive input, and the taps of all such positions."""
    inside = np.flatnonzero(positive)
    if len(inside) == 0:
        return None
    first, second, weight = all_taps
    near = np.flatnonzero((second >= inside[0]) & (first <= inside[-1]))
    if len(near) == 0:  # shrinking can step over a thin object
        return None
    span = slice(near[0], near[-1] + 1)
    return int(near[0]), (first[span], second[span], weight[span])


def _interpolate(logits: np.ndarray, rows: Taps, columns: Taps) -> np.ndarray:
    logits = np.asarray(logits, dtype=np.float32)
    tall = _mix(logits[rows[0]], logits[rows[1]], rows[2][:, None])
    # Columns as rows of the transpose: whole rows are copied instead of single values.
    tall = np.ascontiguousarray(tall.T)
    wide = _mix(tall[columns[0]], tall[columns[1]], columns[2][:, None])
    return wide.T


def _mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    second -= first
    second *= weight
    first += second
    return first
