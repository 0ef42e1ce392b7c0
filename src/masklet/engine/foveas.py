"""Where a frame is looked at closely: rows of a table that holds its places, and blocks of places after them.

Around a fovea the frame is covered by blocks, each one token that stands for the mean of its places. In a
softmax it counts as many times as it has places (its score plus their logarithm), so that the sum over a
block stays what it was where its places are alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masklet.engine.protocol import Fovea


def block_of(grid: int, pool: int = 1) -> int:
    """Side of the blocks of a frame of grid × grid places: 4, or 2 where 4 is too coarse; 0: none.

    pool   how many places, each way, share a memory: frames of pooled memories are seen whole
    """
    if pool > 1 or grid % 2:
        return 0
    return 4 if grid % 4 == 0 and grid >= 16 else 2


def table_rows(foveas: Sequence[Fovea], grid: int) -> np.ndarray:
    """Which rows of the table each fovea's tokens are, int64 [O, T].

    The table has grid² places, then (grid / block)² blocks, both row by row. Tokens are the side² places of
    the fovea, then the blocks around it.

    foveas   of one side, in multiples of the block
    """
    block = block_of(grid)
    coarse = grid // block
    places = np.arange(grid * grid).reshape(grid, grid)
    blocks = grid * grid + np.arange(coarse * coarse).reshape(coarse, coarse)
    rows = []
    for one in foveas:
        around = np.ones((coarse, coarse), bool)
        around[one.top // block : one.bottom // block, one.left // block : one.right // block] = False
        rows.append(np.concatenate((places[one.inside].reshape(-1), blocks[around])))
    return np.stack(rows).astype(np.int64)


def log_counts(tokens: int, side: int, grid: int) -> np.ndarray:
    """What is added to the score of each of T tokens, float32 [T]: 0 for places, log block² for blocks."""
    counts = np.zeros(tokens, np.float32)
    counts[side * side :] = 2 * np.log(block_of(grid))
    return counts


def with_blocks(places: np.ndarray, grid: int) -> np.ndarray:
    """Places [O, grid², c] with the means of their blocks after them: the table, [O, R, c]."""
    block, (objects, _, width) = block_of(grid), places.shape
    coarse = grid // block
    parts = places.reshape(objects, coarse, block, coarse, block, width)
    return np.concatenate((places, parts.mean((2, 4)).reshape(objects, -1, width)), axis=1)


def cut(maps: np.ndarray, foveas: Sequence[Fovea], scale: int) -> np.ndarray:
    """[1, C, scale · grid, scale · grid] → what lies in each fovea, [O, C, scale · side, scale · side]."""
    return np.stack([maps[0][:, one.scaled(scale)[0], one.scaled(scale)[1]] for one in foveas])
