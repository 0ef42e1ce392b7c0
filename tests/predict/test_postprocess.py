"""Holes, specks and overlaps against naive references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.predict.postprocess import (
    clean,
    fill_holes,
    remove_specks,
    separate,
    separate_patches,
    settle_overlaps,
    small_regions,
)
from masklet.predict.resize import positive_patch, upsample
from masklet.types import Mask

SEEDS = st.integers(0, 9999)


def noise(seed: int, size: int = 14, count: int | None = None) -> np.ndarray:
    shape = (size, size) if count is None else (count, size, size)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def regions(region: np.ndarray) -> list[set[tuple[int, int]]]:
    """8-connected parts by flood fill."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(region), strict=True)}
    parts = []
    while left:
        part, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            part.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            edge += near
        parts.append(part)
    return parts


@given(seed=SEEDS, area=st.integers(1, 12))
def test_small_regions_is_a_flood_fill(seed, area) -> None:
    region = noise(seed) > 0.6
    expected = np.zeros_like(region)
    for part in regions(region):
        if len(part) <= area:
            expected[tuple(zip(*part, strict=True))] = True
    assert np.array_equal(small_regions(region, area), expected)


def test_holes_up_to_the_area_are_filled() -> None:
    logits = np.full((20, 20), -5.0, np.float32)
    logits[2:18, 2:18] = 5
    logits[4:6, 4:6] = -3  # 4 pixels
    logits[10:13, 10:13] = -3  # 9 pixels
    filled = fill_holes(logits, 8)
    assert (filled[4:6, 4:6] == np.float32(0.1)).all()
    assert (filled[10:13, 10:13] == -3).all()
    assert logits[4, 4] == -3  # the argument is left alone
    assert fill_holes(filled, 8) is filled


def test_specks_up_to_the_area_are_removed_but_never_all_of_them() -> None:
    logits = np.full((20, 20), -5.0, np.float32)
    logits[2:4, 2:4] = 5
    logits[10, 10] = 5
    both_small = remove_specks(logits, 8)
    assert (both_small[2:4, 2:4] == 5).all()
    assert both_small[10, 10] == -10
    logits[12:18, 2:18] = 5
    assert ((remove_specks(logits, 8) > 0) == (logits > 0))[12:].all()
    assert not (remove_specks(logits, 8)[:11] > 0).any()


def test_areas_scale_with_the_grid() -> None:
    """8 pixels of 256 × 256 are half a pixel of 64 × 64: nothing to fill there."""
    logits = np.full((64, 64), 5.0, np.float32)
    logits[10, 10] = -5
    assert clean(logits, holes=8, specks=0)[10, 10] == -5
    assert clean(logits, holes=16, specks=0)[10, 10] > 0
    big = np.full((256, 256), 5.0, np.float32)
    big[10, 10:18] = -5
    assert (clean(big, holes=8, specks=0) > 0).all()
    assert not (clean(big, holes=7, specks=0) > 0).all()


@given(seed=SEEDS, count=st.integers(1, 4), fixed=st.lists(st.booleans(), min_size=4, max_size=4))
def test_separated_objects_share_no_pixel(seed, count, fixed) -> None:
    logits, fixed = noise(seed, 9, count), fixed[:count]
    apart = separate(logits, fixed)
    for y in range(9):
        for x in range(9):
            claims = [o for o in range(count) if fixed[o] and logits[o, y, x] > 0]
            winner = claims[0] if claims else int(np.argmax(logits[:, y, x]))
            for o in range(count):
                if fixed[o] or o == winner or count == 1:
                    assert apart[o, y, x] == logits[o, y, x]
                else:
                    assert apart[o, y, x] == min(logits[o, y, x], -10)


@given(seed=SEEDS, count=st.integers(1, 4))
def test_separating_patches_is_an_argmax_over_whole_frames(seed, count) -> None:
    logits = noise(seed, 6, count) - 0.5
    apart = separate_patches([positive_patch(one, 30, 40) for one in logits])
    whole = np.stack([upsample(one, 30, 40) for one in logits])
    expected = (np.argmax(whole, axis=0) == np.arange(count)[:, None, None]) & (whole > 0)
    for patch, mine in zip(apart, expected, strict=True):
        array = np.zeros((30, 40), bool)
        array[patch.top : patch.bottom, patch.left : patch.right] = patch.logits > 0
        assert np.array_equal(array, mine)


def boxed(y0: int, y1: int, x0: int, x1: int) -> Mask:
    array = np.zeros((20, 30), bool)
    array[y0:y1, x0:x1] = True
    return Mask.from_array(array)


def test_contested_pixels_go_to_the_higher_rank() -> None:
    masks = {1: boxed(0, 10, 0, 10), 2: boxed(5, 15, 5, 15), 3: boxed(0, 20, 20, 30)}
    settled = settle_overlaps(masks, {1: (0.5,), 2: (0.9,), 3: (0.1,)})
    assert settled[2] == masks[2]
    assert settled[3] == masks[3]
    assert np.array_equal(settled[1].to_array(), masks[1].to_array() & ~masks[2].to_array())


def test_fixed_masks_keep_everything() -> None:
    masks = {1: boxed(0, 10, 0, 10), 2: boxed(5, 15, 5, 15), 3: boxed(0, 20, 0, 30)}
    settled = settle_overlaps(masks, {1: (0.1,), 2: (0.1,), 3: (0.9,)}, frozenset({1, 2}))
    assert settled[1] == masks[1]
    assert settled[2] == masks[2]
    assert settled[3].area == 600 - (100 + 100 - 25)


@pytest.mark.parametrize("empty", [1, 2])
def test_empty_masks_contest_nothing(empty) -> None:
    masks = {1: boxed(0, 10, 0, 10), 2: boxed(0, 10, 0, 10), empty: Mask.empty(20, 30)}
    assert settle_overlaps(masks, {1: (0.5,), 2: (0.5,)}) == masks
