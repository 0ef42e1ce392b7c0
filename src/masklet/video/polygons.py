"""Masks as polygons along pixel edges: exact, holes and separate parts included."""

from __future__ import annotations

import numpy as np

from masklet.types import Mask


def outlines(mask: Mask | np.ndarray) -> list[np.ndarray]:
    """The closed outlines of a mask, int64 [N, 2] corners (x, y) each: clockwise around object pixels on
    the screen, the other way around holes. Parts that touch only at a corner are apart.
    """
    array = mask.to_array() if isinstance(mask, Mask) else np.asarray(mask, bool)
    ways = _edges(array)
    loops = []
    while ways:
        first = next(iter(ways))
        loop: list[tuple[int, int]] = []
        here, heading = first, ways[first][0][1]
        while True:
            turns = ways[here]
            # At a corner where two parts touch, turning right keeps them apart.
            turns.sort(key=lambda t: (t[1] - heading - 1) % 4)
            there, new = turns.pop(0)
            if not turns:
                del ways[here]
            if new != heading or not loop:
                loop.append(here)
            here, heading = there, new
            if here == first:
                break
        loops.append(np.array(loop, np.int64))
    return loops


def one_polygon(mask: Mask | np.ndarray) -> np.ndarray:
    """All outlines as one polygon, int64 [N, 2]: joined by bridges without width. Empty for an empty mask."""
    loops = outlines(mask)
    if not loops:
        return np.zeros((0, 2), np.int64)
    longest = max(range(len(loops)), key=lambda n: len(loops[n]))
    joined = loops.pop(longest)
    for loop in loops:
        distance = np.abs(joined[:, None] - loop[None]).sum(2)
        at, to = np.unravel_index(int(distance.argmin()), distance.shape)
        around = np.roll(loop, -to, axis=0)
        joined = np.concatenate([joined[: at + 1], around, around[:1], joined[at:]])
    return joined


Ways = dict[tuple[int, int], list[tuple[tuple[int, int], int]]]


def _edges(mask: np.ndarray) -> Ways:
    """Every pixel edge between object and background: where it begins → where it ends, and its heading
    (0 right, 1 down, 2 left, 3 up), with the object at its right hand."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    ways: Ways = {}
    for heading, beyond, begin, end in (
        (0, padded[:-2, 1:-1], (0, 0), (1, 0)),  # background above
        (1, padded[1:-1, 2:], (1, 0), (1, 1)),  # at the right
        (2, padded[2:, 1:-1], (1, 1), (0, 1)),  # below
        (3, padded[1:-1, :-2], (0, 1), (0, 0)),  # at the left
    ):
        rows, columns = np.nonzero(inside & ~beyond)
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            ways.setdefault((x + begin[0], y + begin[1]), []).append(((x + end[0], y + end[1]), heading))
    return ways
