"""Edges drawn where the picture's colours change, not where the model's coarse grid happens to lie.

A logit covers several pixels of the frame; bilinear upsampling puts the edge anywhere between two of them.
Here logits near the edge are modelled, around every grid place, as a linear function of colour (guided
filter; He et al., 2010): fitted on the grid, applied to the frame's own pixels (He and Sun, 2015). Only in a
band along the edge: away from it a colour that stands out could not turn into a speck or a hole.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from masklet.predict.resize import Patch, patch_around, taps
from masklet.types import Frame

SURE = 6.0
"""Logits are cut at ± this: how sure the model is beyond does not say where the edge lies."""

EVEN = 1e-4
"""Variance of colour (0 to 1) below which a neighbourhood counts as even and says nothing of the edge."""

DETAIL = 0.5
"""Share of what the fit loses of a logit at its own place that is given back: thin parts of even colour."""

REACH = 2
"""Grid places, each way, that a pixel's answer comes from: two means over 3 × 3."""


class Guide:
    """A frame as edges follow it; its colours on the grid are made once, however many objects it has."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._small: np.ndarray | None = None

    def small(self, side: int) -> np.ndarray:
        """uint8 [side, side, 3]: the mean colour at every grid place."""
        if self._small is None or len(self._small) != side:
            picture = Image.fromarray(self.frame.fitted(side))
            self._small = np.asarray(picture.resize((side, side), Image.Resampling.BOX))
        return self._small


def sharp_patch(logits: np.ndarray, guide: Guide) -> Patch:
    """`positive_patch`, its edge moved to where the frame's colours change; logits float32 [h, h].

    An object that would vanish keeps its bilinear mask.
    """
    frame, positive = guide.frame, np.asarray(logits > 0)
    inside = grown(positive, REACH)
    plain = patch_around(logits, inside, frame.height, frame.width)
    band = inside & grown(~positive, REACH)
    if plain.logits.size == 0 or not band.any():
        return plain
    down, across = slice(plain.top, plain.bottom), slice(plain.left, plain.right)
    rows = [one[down] for one in taps(logits.shape[0], frame.height)]
    columns = [one[across] for one in taps(logits.shape[1], frame.width)]
    near = band[rows[0]] & band[rows[1]]
    near = near[:, columns[0]] & near[:, columns[1]]
    y, x = np.nonzero(near)
    fit = _fitted(logits, guide.small(len(logits)), band)
    mixed = _at(fit, [one[y] for one in rows], [one[x] for one in columns])
    colour = frame.image[down, across][y, x].astype(np.float32) / 255
    sharp = plain.logits.copy()
    sharp[y, x] = np.einsum("nc,nc->n", mixed[:, :3], colour) + mixed[:, 3]
    return Patch(plain.top, plain.left, sharp) if (sharp > 0).any() else plain


def grown(places: np.ndarray, reach: int) -> np.ndarray:
    """bool [h, w]: places with one of the given ones at most `reach` away, diagonals included."""
    for _ in range(2):
        padded = np.pad(places, ((reach, reach), (0, 0)))
        places = np.logical_or.reduce([padded[k : k + len(places)] for k in range(2 * reach + 1)]).T
    return places


def _fitted(logits: np.ndarray, small: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float32 [h, w, 4]: logits as three colour weights and a constant, right where wanted (bool [h, w])."""
    # A crop: nothing beyond the wanted places and their reach matters.
    inside = [np.flatnonzero(wanted.any(axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, one[0] - REACH), one[-1] + REACH + 1) for one in inside)
    goal = np.clip(logits[rows, columns], -SURE, SURE).astype(np.float64)[..., None]
    colour = small[rows, columns].astype(np.float64) / 255
    red, green, blue = np.moveaxis(colour, 2, 0)
    pairs = np.stack((red * red, red * green, red * blue, green * green, green * blue, blue * blue), axis=2)
    mean = _mean(np.concatenate((colour, goal, colour * goal, pairs), axis=2))
    r, g, b, level, rl, gl, bl, rr, rg, rb, gg, gb, bb = np.moveaxis(mean, 2, 0)
    rr, gg, bb = rr - r * r + EVEN, gg - g * g + EVEN, bb - b * b + EVEN
    rg, rb, gb = rg - r * g, rb - r * b, gb - g * b
    rl, gl, bl = rl - r * level, gl - g * level, bl - b * level
    # Cramer's rule for three symmetric equations at every place.
    a00, a01, a02 = gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg
    a11, a12, a22 = rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg
    whole = rr * a00 + rg * a01 + rb * a02
    red_weight = (a00 * rl + a01 * gl + a02 * bl) / whole
    green_weight = (a01 * rl + a11 * gl + a12 * bl) / whole
    blue_weight = (a02 * rl + a12 * gl + a22 * bl) / whole
    constant = level - red_weight * r - green_weight * g - blue_weight * b
    fit = _mean(np.stack((red_weight, green_weight, blue_weight, constant), axis=2))
    lost = goal[..., 0] - (fit[..., :3] * colour).sum(axis=2) - fit[..., 3]
    fit[..., 3] += DETAIL * lost
    everywhere = np.zeros((*logits.shape, 4), np.float32)
    everywhere[rows, columns] = fit
    return everywhere


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over 3 × 3 of [h, w, k]; the border is repeated."""
    padded = np.pad(values, ((1, 1), (1, 1), (0, 0)), mode="edge")
    tall = padded[:-2] + padded[1:-1] + padded[2:]
    return (tall[:, :-2] + tall[:, 1:-1] + tall[:, 2:]) / 9


def _at(fit: np.ndarray, rows: list[np.ndarray], columns: list[np.ndarray]) -> np.ndarray:
    """`fit` between grid places, bilinear: [n, 4] for n pixels with these taps."""
    flat, width = fit.reshape(-1, fit.shape[2]), fit.shape[1]
    (up, down, low), (before, after, across) = rows, columns
    low, across = low[:, None], across[:, None]
    above = flat[up * width + before] * (1 - across) + flat[up * width + after] * across
    below = flat[down * width + before] * (1 - across) + flat[down * width + after] * across
    return above * (1 - low) + below * low
