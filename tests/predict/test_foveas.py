"""Where an object is looked for closely, and when that was not enough."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.engine.protocol import Fovea
from masklet.predict.foveas import around, fovea_for, is_whole, sides, spread

GRID, BLOCK = 28, 4
SIZE = 4 * GRID


def seen(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    """An object from place to place."""
    where = np.zeros((SIZE, SIZE), bool)
    where[4 * top : 4 * bottom, 4 * left : 4 * right] = True
    return where


def test_sides_are_multiples_of_the_block_and_less_than_the_frame() -> None:
    for grid, block in ((4, 2), (6, 2), (20, 4), (24, 4), (28, 4), (32, 4), (64, 4)):
        assert all(side % block == 0 and 2 * block <= side < grid for side in sides(grid, block))
    assert sides(28, 4) == (8, 12, 16, 20)


@pytest.mark.parametrize(
    ("extent", "fovea"),
    [
        ((10, 14, 10, 13), Fovea(8, 8, 8)),
        ((10, 18, 10, 18), Fovea(8, 8, 12)),
        ((0, 4, 0, 4), Fovea(0, 0, 8)),  # at the frame's corner no margin is needed
        ((24, 28, 24, 28), Fovea(20, 20, 8)),
        ((2, 26, 10, 14), None),
    ],
)
def test_the_smallest_fovea_with_room(extent: tuple[int, int, int, int], fovea: Fovea | None) -> None:
    assert fovea_for(seen(*extent), BLOCK) == fovea


def test_every_object_has_its_margin() -> None:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        top, left = random.integers(0, GRID - 2, 2)
        bottom, right = (int(min(GRID, one + random.integers(1, 16))) for one in (top, left))
        fovea = fovea_for(seen(top, bottom, left, right), BLOCK)
        if fovea is None:
            continue
        found += 1
        assert (fovea.top, fovea.left) == (fovea.top // 4 * 4, fovea.left // 4 * 4)
        assert fovea.top >= 0
        assert fovea.bottom <= GRID
        assert fovea.left >= 0
        assert fovea.right <= GRID
        assert fovea.top == 0 or top - 1 >= fovea.top
        assert fovea.left == 0 or left - 1 >= fovea.left
        assert fovea.bottom == GRID or bottom + 1 <= fovea.bottom
        assert fovea.right == GRID or right + 1 <= fovea.right
    assert found > 150


def test_around_what_was_remembered() -> None:
    like = Fovea(0, 0, 8)
    assert around((40, 55, 80, 95), like, GRID, BLOCK) == Fovea(8, 16, 8)  # places 10 to 14 and 20 to 24
    assert around((0, 111, 0, 3), like, GRID, BLOCK) == Fovea(8, 0, 8), "as much of it as there is room for"


def test_logits_of_a_fovea_in_the_frame() -> None:
    fovea = Fovea(8, 16, 8)
    logits = np.random.default_rng(0).normal(0, 1, (32, 32)).astype(np.float32)
    whole = spread(logits, fovea, SIZE)
    assert np.array_equal(whole[32:64, 64:96], logits)
    outside = np.ones((SIZE, SIZE), bool)
    outside[32:64, 64:96] = False
    assert (whole[outside] < -5).all()


@pytest.mark.parametrize(
    ("extent", "enough"),
    [
        ((10, 14, 18, 22), True),
        ((8, 14, 18, 22), False),  # reaches the fovea's upper border: there may be more of it
        ((10, 14, 18, 24), False),
        ((10, 10, 18, 18), False),  # nothing
    ],
)
def test_whether_it_was_enough(extent: tuple[int, int, int, int], enough: bool) -> None:
    logits = np.where(seen(*extent), 5.0, -5.0).astype(np.float32)
    assert is_whole(logits, Fovea(8, 16, 8)) == enough


def test_where_the_frame_ends_an_object_may_end_too() -> None:
    logits = np.where(seen(0, 4, 24, 28), 5.0, -5.0).astype(np.float32)
    assert is_whole(logits, Fovea(0, 20, 8))
