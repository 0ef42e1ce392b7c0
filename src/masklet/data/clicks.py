"""A simulated user: where a person would click or draw a box, given the right mask and the answer so far.

Shared by training (random clicks) and evaluation (the most telling click, always the same). A click on
column c and row r is the point (c, r): the prompt encoder adds the half pixel to the middle, as in SAM 2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from masklet.errors import MaskError, PromptError

if TYPE_CHECKING:
    from masklet.types import Click

Point = tuple[float, float]
Corners = tuple[float, float, float, float]

BOX_NOISE = 0.1
"""Standard deviation of a box corner, as a share of the box's side (SAM 2's training code)."""
BOX_NOISE_LIMIT = 20.0
"""A corner moves by at most this many pixels (SAM 2's training code, at 1024 pixels)."""
FROM_TRUTH = 0.1
"""Share of training corrections that are any pixel of the object, not an error (SAM 2's training code)."""


@dataclass(frozen=True)
class Correction:
    """A click that mends an answer.

    x, y       pixels: column and row
    positive   True: the object was missed here. False: this is not the object
    """

    x: float
    y: float
    positive: bool

    def as_click(self) -> Click:
        """As a session takes it."""
        from masklet.types import Click

        return Click(self.x, self.y, self.positive)


def first_click(mask: np.ndarray, rng: np.random.Generator) -> Point:
    """Any pixel of the object, each as likely as another.

    mask     bool [H, W]
    raises   PromptError when the mask is empty
    """
    return _anywhere(_checked(mask), rng)


def centre_click(mask: np.ndarray) -> Point:
    """The pixel of the object farthest from its edge; of several, the first in reading order.

    The picture's border counts as an edge.
    mask     bool [H, W]
    raises   PromptError when the mask is empty
    """
    from scipy.ndimage import distance_transform_edt

    mask = _checked(mask)
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        raise PromptError("an empty mask has no pixel to click on")
    # Only the surroundings of the mask matter: one ring of background all around it.
    top, left = int(rows.min()), int(columns.min())
    part = np.pad(mask[top : int(rows.max()) + 1, left : int(columns.max()) + 1], 1)
    row, column = np.unravel_index(int(np.argmax(distance_transform_edt(part))), part.shape)
    return _point(int(row) - 1 + top, int(column) - 1 + left)


def exact_box(mask: np.ndarray) -> Corners:
    """The smallest box around the object: x0, y0, x1, y1, with x1 and y1 behind its last pixel.

    raises   PromptError when the mask is empty
    """
    mask = _checked(mask)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        raise PromptError("an empty mask has no box")
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def box_prompt(
    mask: np.ndarray,
    rng: np.random.Generator,
    *,
    noise: float = BOX_NOISE,
    limit: float = BOX_NOISE_LIMIT,
) -> Corners:
    """A box as a hand draws it: the exact one with every corner off by a little, inside the picture.

    noise    standard deviation as a share of the box's width and height
    limit    largest offset, pixels
    returns  x0, y0, x1, y1 with x0 < x1 and y0 < y1
    raises   PromptError when the mask is empty
    """
    x0, y0, x1, y1 = exact_box(mask)
    sides = np.array([x1 - x0, y1 - y0] * 2)
    reach = np.minimum(noise * sides, limit)
    moved = np.array([x0, y0, x1, y1]) + np.clip(rng.normal(0, 1, 4) * noise * sides, -limit, limit)
    height, width = mask.shape
    left, top, right, bottom = np.clip(moved, 0, [width, height, width, height])
    # A corner far out of the bell curve must not turn the box inside out.
    if right - left < 1 or bottom - top < 1:
        spread = np.minimum(reach, sides / 4)
        left, top, right, bottom = np.clip(
            [x0 - spread[0], y0 - spread[1], x1 + spread[2], y1 + spread[3]],
            0,
            [width, height, width, height],
        )
    return float(left), float(top), float(right), float(bottom)


def correction_click(
    guess: np.ndarray,
    truth: np.ndarray,
    rng: np.random.Generator,
    *,
    from_truth: float = FROM_TRUTH,
) -> tuple[Point, bool]:
    """Training's correction: any wrong pixel, each as likely as another.

    guess, truth   bool [H, W]
    from_truth     share of clicks that are any pixel of the object, wrong or right
    returns        the point, and whether it is on the object. Where nothing is wrong: any pixel of the
                   object, or a negative click anywhere when there is no object.
    """
    guess, truth = _pair(guess, truth)
    wrong = guess ^ truth
    if truth.any() and (not wrong.any() or rng.random() < from_truth):
        return _anywhere(truth, rng), True
    point = _anywhere(wrong if wrong.any() else ~truth, rng)
    return point, bool(truth[int(point[1]), int(point[0])])


def telling_correction(guess: np.ndarray, truth: np.ndarray) -> Correction | None:
    """Evaluation's correction: the middle of the largest connected error, missed or added.

    That is the pixel farthest from the region's edge (`centre_click`); regions are 4-connected; of two
    equally large ones a missed region goes first, then reading order.
    guess, truth   bool [H, W]
    returns        None when nothing is wrong
    """
    from scipy.ndimage import label

    guess, truth = _pair(guess, truth)
    best: tuple[int, np.ndarray, bool] | None = None
    for wrong, positive in ((truth & ~guess, True), (guess & ~truth, False)):
        regions, count = label(wrong)
        if count == 0:
            continue
        sizes = np.bincount(regions.ravel())[1:]
        largest = int(sizes.argmax())
        if best is None or int(sizes[largest]) > best[0]:
            best = (int(sizes[largest]), regions == largest + 1, positive)
    if best is None:
        return None
    x, y = centre_click(best[1])
    return Correction(x, y, best[2])


def _anywhere(mask: np.ndarray, rng: np.random.Generator) -> Point:
    places = np.flatnonzero(mask)
    if places.size == 0:
        raise PromptError("an empty mask has no pixel to click on")
    row, column = divmod(int(places[rng.integers(places.size)]), mask.shape[1])
    return _point(row, column)


def _point(row: int, column: int) -> Point:
    return float(column), float(row)


def _checked(mask: np.ndarray) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.dtype != bool:
        raise MaskError(f"a mask must be bool [H, W], got {mask.dtype} {list(mask.shape)}")
    return mask


def _pair(guess: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    guess, truth = _checked(guess), _checked(truth)
    if guess.shape != truth.shape:
        raise MaskError(f"guess {list(guess.shape)} and truth {list(truth.shape)} must have one size")
    return guess, truth
