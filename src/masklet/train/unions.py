"""A rider and the motorcycle as one object: people point at things that no data set labels as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

CELL = 8
"""Pixels of the coarse grid on which objects touch: cells that are the same or side by side."""


def with_unions(
    rng: np.random.Generator, owners: Sequence[int], masks: np.ndarray, share: float
) -> np.ndarray:
    """Join objects with what touches them on the first frame, on all frames.

    owners   the clip of each object
    masks    bool [T, O, S, S], S a multiple of 8; not changed
    share    probability, 0 to 1, that an object takes in one that it touches, which also stays itself
    returns  bool [T, O, S, S]
    """
    count, side = masks.shape[1], masks.shape[-1] // CELL
    coarse = masks[0].reshape(count, side, CELL, side, CELL).any(axis=(2, 4))
    joined = masks.copy()
    for one in range(count):
        if rng.random() >= share:
            continue
        near = ndimage.binary_dilation(coarse[one], np.ones((3, 3), bool))
        others = [
            o for o in range(count) if o != one and owners[o] == owners[one] and (coarse[o] & near).any()
        ]
        if others:
            joined[:, one] |= masks[:, others[int(rng.integers(len(others)))]]
    return joined
