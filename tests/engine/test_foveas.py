"""Tokens of what is seen in foveas."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.engine.foveas import block_of, cut, log_counts, table_rows, with_blocks
from masklet.engine.protocol import Fovea


@pytest.mark.parametrize(("grid", "block"), [(28, 4), (20, 4), (64, 4), (22, 2), (4, 2), (12, 2), (7, 0)])
def test_blocks_divide_the_frame(grid: int, block: int) -> None:
    assert block_of(grid) == block
    assert block_of(grid, pool=2) == 0


def test_tokens_cover_the_frame_once() -> None:
    grid, foveas = 16, [Fovea(4, 8, 8), Fovea(0, 0, 8)]
    rows = table_rows(foveas, grid)
    assert rows.shape == (2, 64 + 12)
    for one, row in zip(foveas, rows, strict=True):
        counted = np.zeros((grid, grid), int)
        for number in row:
            if number < grid * grid:
                counted[divmod(number, grid)] += 1
            else:
                top, left = (4 * part for part in divmod(number - grid * grid, grid // 4))
                counted[top : top + 4, left : left + 4] += 1
        assert (counted == 1).all()
        inside = np.zeros((grid, grid), bool)
        inside[one.inside] = True
        assert set(row[:64]) == set(np.flatnonzero(inside))
    counts = np.exp(log_counts(rows.shape[1], 8, grid))
    np.testing.assert_allclose(counts, [1] * 64 + [16] * 12, rtol=1e-6)
    assert counts.sum() == pytest.approx(grid * grid)


def test_the_table_ends_with_means_of_blocks() -> None:
    places = np.random.default_rng(0).normal(0, 1, (2, 64, 3)).astype(np.float32)  # 8 × 8, blocks of 2
    table = with_blocks(places, 8)
    assert table.shape == (2, 64 + 16, 3)
    assert np.array_equal(table[:, :64], places)
    maps = places.reshape(2, 8, 8, 3)
    np.testing.assert_allclose(table[:, 64 + 4 * 1 + 2], maps[:, 2:4, 4:6].mean((1, 2)), rtol=1e-5)


def test_finer_maps_are_cut_out() -> None:
    maps = np.arange(2 * 32 * 32).reshape(1, 2, 32, 32)
    parts = cut(maps, [Fovea(0, 4, 8), Fovea(8, 8, 8)], 2)
    assert parts.shape == (2, 2, 16, 16)
    assert np.array_equal(parts[0], maps[0, :, 0:16, 8:24])
    assert np.array_equal(parts[1], maps[0, :, 16:, 16:])
