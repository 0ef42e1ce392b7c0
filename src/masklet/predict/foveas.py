"""Where to look for an object that was seen a moment ago, and whether that was enough.

A tracked object mostly fills little of a frame, and is near where it was. Seen place by place there and in
blocks elsewhere, a frame has a fraction of the tokens (see `engine.foveas`); the masks hardly differ. Where
the object is not found, or reaches beyond its fovea, the whole frame is looked at again.
"""

from __future__ import annotations

import numpy as np

from masklet.engine.protocol import Fovea
from masklet.predict.postprocess import SUPPRESSED

SIDES = (0.3, 0.45, 0.6, 0.75)
"""Sides of foveas as shares of the frame's; larger ones would save too little. Few, so that objects of like
size share a batch."""

MARGIN = 1 / 8
"""Share of a fovea's side that stays free around where the object is expected; at least one place."""

MOST_MARGIN = 3.0
"""Places that are enough for a margin, however large the fovea."""

RIM = 2
"""Logits at the border of a fovea that a whole object does not reach, unless the frame ends there too."""


def sides(grid: int, block: int) -> tuple[int, ...]:
    """Sides of foveas in a frame of grid × grid places, ascending; multiples of the block."""
    found = {max(2 * block, block * round(share * grid / block)) for share in SIDES}
    return tuple(side for side in sorted(found) if side < grid)


def fovea_for(where: np.ndarray, block: int) -> Fovea | None:
    """The smallest fovea with room for an object; None where it would be nearly the frame.

    where   bool [S/4, S/4], where the object is expected; not empty
    block   side of a block in places
    """
    grid = len(where) // 4
    rows, columns = (np.flatnonzero(where.any(axis=axis)) / 4 for axis in (1, 0))
    for side in sides(grid, block):
        top, left = (_start(one[0], one[-1] + 0.25, side, grid, block) for one in (rows, columns))
        if top is not None and left is not None:
            return Fovea(top, left, side)
    return None


def around(extent: tuple[int, int, int, int], like: Fovea, grid: int, block: int) -> Fovea:
    """A fovea of the same side around where an object was remembered; extent as `MemoryEntry.extent`."""
    top, left = (
        _nearest(extent[2 * axis] / 4, (extent[2 * axis + 1] + 1) / 4, like.side, grid, block)
        for axis in (0, 1)
    )
    return Fovea(top, left, like.side)


def _nearest(first: float, last: float, side: int, grid: int, block: int) -> int:
    """Where a fovea begins that has what lies from `first` to `last` nearest to its middle."""
    start = block * round(((first + last) / 2 - side / 2) / block)
    return min(max(start, 0), grid - side)


def _start(first: float, last: float, side: int, grid: int, block: int) -> int | None:
    """The same, if there is room for a margin on both sides."""
    start = _nearest(first, last, side, grid, block)
    margin = min(max(1.0, MARGIN * side), MOST_MARGIN)
    before = start == 0 or first - margin >= start
    after = start + side == grid or last + margin <= start + side
    return start if before and after else None


def is_whole(logits: np.ndarray, fovea: Fovea) -> bool:
    """Whether an object was found and ends inside the fovea, or where the frame ends.

    logits   float32 [S/4, S/4] as `spread` gives them
    """
    rows, columns = fovea.scaled(4)
    inner = tuple(
        slice(one.start + RIM * (one.start > 0), one.stop - RIM * (one.stop < len(logits)))
        for one in (rows, columns)
    )
    positive = logits > 0
    return bool(positive.any()) and not bool(positive[rows, columns].sum() > positive[inner].sum())


def spread(logits: np.ndarray, fovea: Fovea, size: int) -> np.ndarray:
    """Logits of a fovea in those of its frame, float32 [size, size]; elsewhere the object is not."""
    whole = np.full((size, size), SUPPRESSED, np.float32)
    whole[fovea.scaled(4)] = logits
    return whole
