"""Edges drawn where the picture's colours change, not where the model's coarse grid happens to lie.

A logit covers several pixels of the frame; bilinear upsampling puts the edge anywhere between two of them.
Here logits near the edge are modelled, around every grid place, as a linear function of colour (guided
filter; He et al., 2010): fitted on the grid, applied to the frame's own pixels (He and Sun, 2015). Only in a
band along the edge: away from it a colour that stands out could not turn into a speck or a hole.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from masklet.predict.postprocess import small_regions
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


SPECK = 2.0
"""Islands and holes of at most so many grid places are the colours' noise: there the bilinear logits hold."""


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
    places = np.flatnonzero(near)
    fit = _fitted(logits, guide.small(len(logits)), band)
    sharp = plain.logits.copy(order="C")
    sharp.reshape(-1)[places] = _seen(fit, rows, columns, frame.image[down, across], places)
    made = sharp > 0
    area = SPECK * frame.height * frame.width / logits.size
    odd = small_regions(made, area) | small_regions(~made, area)
    if odd.any():
        sharp[odd] = plain.logits[odd]
    return Patch(plain.top, plain.left, sharp) if (sharp > 0).any() else plain


def grown(places: np.ndarray, reach: int) -> np.ndarray:
    """bool [h, w]: places with one of the given ones at most `reach` away, diagonals included."""
    for _ in range(2):
        height, width = places.shape
        padded = np.zeros((height + 2 * reach, width), bool)  # np.pad takes longer than all the rest
        padded[reach : reach + height] = places
        places = padded[:height].copy()
        for k in range(1, 2 * reach + 1):
            places |= padded[k : k + height]
        places = places.T
    return places


def _fitted(logits: np.ndarray, small: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float32 [4, h, w]: logits as weights of red, green, blue (0 to 255) and a constant, right where wanted.

    wanted   bool [h, w]
    """
    # A crop: nothing beyond the wanted places and their reach matters.
    inside = [np.flatnonzero(wanted.any(axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, one[0] - REACH), one[-1] + REACH + 1) for one in inside)
    goal = np.clip(logits[rows, columns], -SURE, SURE).astype(np.float64)
    colour = np.moveaxis(small[rows, columns], 2, 0).astype(np.float64) / 255
    red, green, blue = colour
    pairs = (red * red, red * green, red * blue, green * green, green * blue, blue * blue)
    mean = _mean(np.stack((*colour, goal, *(colour * goal), *pairs)))
    r, g, b, level, rl, gl, bl, rr, rg, rb, gg, gb, bb = mean
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
    fit = _mean(np.stack((red_weight, green_weight, blue_weight, constant)))
    fit[3] += DETAIL * (goal - (fit[:3] * colour).sum(axis=0) - fit[3])
    fit[:3] /= 255
    everywhere = np.zeros((4, *logits.shape), np.float32)
    everywhere[:, rows, columns] = fit
    return everywhere


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over 3 × 3 of [k, h, w]; the border is repeated."""
    count, height, width = values.shape
    padded = np.empty((count, height + 2, width + 2), values.dtype)
    padded[:, 1:-1, 1:-1] = values
    padded[:, 0, 1:-1], padded[:, -1, 1:-1] = values[:, 0], values[:, -1]
    padded[:, :, 0], padded[:, :, -1] = padded[:, :, 1], padded[:, :, -2]
    tall = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (tall[..., :-2] + tall[..., 1:-1] + tall[..., 2:]) / 9


def _seen(
    fit: np.ndarray, rows: list[np.ndarray], columns: list[np.ndarray], view: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Logits [n] of some pixels of a view, whose rows and columns lie between grid places as their taps say.

    view     uint8 [h, w, 3]
    places   int [n], y · w + x
    """
    up, down, low = rows
    y, x = np.divmod(places, view.shape[1])
    before, after, across = (one[x] for one in columns)
    here = y * fit.shape[2]
    left, right = here + before, here + after
    pixels = np.ascontiguousarray(view).reshape(-1)
    answer = np.zeros(len(places), np.float32)
    for number, plane in enumerate(fit):
        # Rows first, whole ones; then one flat array a side: rows of four numbers are several times slower.
        tall = plane[up]
        tall += (plane[down] - tall) * low[:, None]
        flat = tall.reshape(-1)
        a, b = flat[left], flat[right]
        a += (b - a) * across
        answer += a * pixels[3 * places + number] if number < 3 else a
    return answer
