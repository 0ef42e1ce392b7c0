"""Masks in the forms that annotation files give them: RLE, polygons, runs row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from masklet.data.coco import decode_segmentation
from masklet.errors import MaskError
from masklet.types import Mask


def rle_of(mask: Mask) -> dict[str, Any]:
    """COCO RLE, ready for JSON."""
    return {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}


def segmentation_mask(code: Any, size: tuple[int, int]) -> Mask:
    """COCO's RLE (compressed or not) or polygons → mask of (height, width); MaskError if they don't fit."""
    return decode_segmentation(code, size)


def polygons_of(mask: Mask) -> list[np.ndarray]:
    """Outlines of a mask's parts, float [P, 2] of x, y each, in pixels; holes are lost.

    The corners lie on pixel edges, so that filling the outline gives the part back.
    """
    import cv2

    array = mask.to_array()
    # Outlines go through pixel middles; on a picture twice as large they can go around the pixels.
    large = np.repeat(np.repeat(array, 2, axis=0), 2, axis=1).astype(np.uint8)
    found, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = []
    for contour in found:
        points = contour[:, 0, :].astype(np.float64)
        if len(points) >= 3:
            # 2x and 2x + 1 both belong to pixel x: its edges are x and x + 1.
            outlines.append(np.floor(points / 2) + (points % 2))
    return outlines


def filled(polygons: Sequence[np.ndarray], height: int, width: int) -> Mask:
    """Polygons [P, 2] of x, y in pixels → mask, their union; raises MaskError for fewer than 3 points."""
    return decode_segmentation(
        [np.asarray(p, np.float64).ravel().tolist() for p in polygons], (height, width)
    )


def row_runs(array: np.ndarray) -> list[int]:
    """Run lengths of a bool array row by row, background first."""
    flat = np.concatenate([[False], array.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    bounds = np.concatenate([[0], edges, [array.size]])
    runs = np.diff(bounds).tolist()
    return runs if len(runs) % 2 == 0 or runs[-1] else runs[:-1]


def from_row_runs(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """Run lengths row by row, background first → bool [H, W]; raises MaskError when they do not fill it."""
    lengths = np.asarray(runs, dtype=np.int64)
    if (lengths < 0).any() or int(lengths.sum()) > height * width:
        raise MaskError(f"runs add up to {int(lengths.sum())}, not {width}×{height} = {height * width}")
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    full = np.zeros(height * width, bool)
    full[: len(values)] = values
    return full.reshape(height, width)
