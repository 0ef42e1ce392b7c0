"""A grey picture that shades one mask: soft edges, smooth scaling or JPEG's ripples, and no object ids."""

from __future__ import annotations

import numpy as np

SHADES = 3
"""Different greys between black and white, at least, that make an edge; two may as well be objects."""
RIPPLE = 1 / 8
"""JPEG's noise: a picture of it is black and white up to this part of its range."""


def is_soft(grey: np.ndarray, top: int) -> bool:
    """Whether a grey picture is one soft mask: black, the type's white, and edges shaded in between.

    Ids lie in flat patches, where shades change from pixel to pixel; a photo is shaded all over. The
    shades must reach up to white's half: ids are small numbers, also beside a border of 255.
    """
    levels = np.unique(grey)
    shades = levels[(levels > 0) & (levels < top)]
    if levels[-1] != top or len(shades) < SHADES or shades[-1] * 2 < top:
        return False
    between = (grey > 0) & (grey < top)
    flat = between[:-1, :-1] & (grey[:-1, :-1] == grey[1:, :-1]) & (grey[:-1, :-1] == grey[:-1, 1:])
    shaded = np.count_nonzero(between)
    return bool(shaded < grey.size / 2 and np.count_nonzero(flat) < shaded / 2)


def is_black_and_white(grey: np.ndarray) -> bool:
    """Whether most of a picture that was saved with losses is nearly black or nearly its own white."""
    top = int(grey.max())
    middle = (grey > top * RIPPLE) & (grey < top * (1 - RIPPLE))
    return bool(top > 0 and np.count_nonzero(middle) < grey.size / 2)


def hardened(grey: np.ndarray) -> np.ndarray:
    """Object 1 where the picture is at least half as bright as its brightest pixel, 0 elsewhere."""
    return (grey * 2 >= grey.max()).astype(np.uint8)
