"""One colour for each object id: easy to tell apart, the same in every picture and run."""

from __future__ import annotations

import colorsys
from functools import lru_cache

# The first objects get colours chosen by eye: far apart, bright on dark and on light pictures.
CHOSEN = (
    (30, 144, 255),
    (255, 85, 51),
    (60, 200, 90),
    (255, 196, 0),
    (186, 85, 211),
    (0, 206, 209),
    (255, 105, 180),
    (154, 205, 50),
    (139, 115, 255),
    (222, 140, 76),
)

GOLDEN_ANGLE = 0.61803398875  # of a turn: each next hue falls into the largest gap left


@lru_cache(maxsize=4096)
def colour(object_id: int) -> tuple[int, int, int]:
    """RGB, 0 to 255, of an object id (any integer; ids count from 1 by habit)."""
    place = object_id - 1
    if 0 <= place < len(CHOSEN):
        return CHOSEN[place]
    hue = (place * GOLDEN_ANGLE) % 1
    lightness = (0.5, 0.65, 0.4)[place % 3]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.85)
    return (round(red * 255), round(green * 255), round(blue * 255))
