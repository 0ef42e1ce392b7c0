"""Polygons fill to exactly the mask they came from."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from masklet.types import Mask
from masklet.video.polygons import one_polygon, outlines


def winding(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """How often a polygon of upright and level edges winds around each pixel's middle."""
    turns = np.zeros((height, width), int)
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        if x0 == x1:  # an upright edge turns around what is left of it
            turns[min(y0, y1) : max(y0, y1), :x0] += np.sign(y1 - y0)
        else:
            # A bridge may slant; there and back it cancels out.
            assert y0 == y1 or [x1, y1, x0, y0] in bridges(points)
    return turns


def bridges(points: np.ndarray) -> list[list[int]]:
    return [[*a, *b] for a, b in zip(points.tolist(), np.roll(points, -1, axis=0).tolist(), strict=True)]


masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(masks)
@settings(max_examples=150, deadline=None)
def test_outlines_wind_around_every_object_pixel_once(mask: np.ndarray) -> None:
    total = sum((winding(loop, *mask.shape) for loop in outlines(mask)), np.zeros(mask.shape, int))
    assert np.array_equal(total, mask.astype(int))


@given(masks)
@settings(max_examples=150, deadline=None)
def test_one_polygon_is_the_same_mask(mask: np.ndarray) -> None:
    points = one_polygon(Mask.from_array(mask))
    if not len(points):
        assert not mask.any()
        return
    assert np.array_equal(winding(points, *mask.shape), mask.astype(int))


def test_a_square_has_four_corners() -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:5, 3:7] = True
    (loop,) = outlines(mask)
    assert sorted(map(tuple, loop.tolist())) == [(3, 2), (3, 5), (7, 2), (7, 5)]


def test_parts_that_touch_at_a_corner_are_apart() -> None:
    assert len(outlines(np.eye(2, dtype=bool))) == 2
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert len(outlines(ring)) == 2
