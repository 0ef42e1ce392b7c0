"""F, the contour accuracy: how much of each outline lies near the other.

A boundary pixel counts as found when the other outline has a pixel within a radius of 0.8 % of the
image diagonal, rounded up. F is the harmonic mean of the two fractions found. The same boundary,
disc and treatment of empty masks as the official DAVIS 2017 evaluation, so figures agree exactly.

Source: Perazzi et al., CVPR 2016, section 4; Martin, Fowlkes and Malik, PAMI 2004, for the boundary.
"""

from __future__ import annotations

import math

import numpy as np

from masklet import rle
from masklet.errors import MaskError
from masklet.types import Mask

Corners = tuple[int, int, int, int]
"""x0, y0, x1, y1; x1 and y1 exclusive."""

BOUND = 0.008
"""Radius of a match as a fraction of the image diagonal (DAVIS)."""


def tolerance_pixels(height: int, width: int, bound: float = BOUND) -> int:
    """Radius of a match in pixels for an image of this size.

    bound    fraction of the diagonal, rounded up; from 1 on it is the radius itself (as DAVIS has it)
    """
    return math.ceil(bound if bound >= 1 else bound * float(np.linalg.norm((height, width))))


def boundary(mask: np.ndarray) -> np.ndarray:
    """Outline of a bool mask [H, W], one pixel wide → bool [H, W].

    A pixel belongs to it when its right, lower or lower-right neighbour differs. Past the right and
    bottom edge the mask is thought to go on, so an object cut by the frame has no outline there.
    """
    mask = np.asarray(mask, bool)
    found = np.zeros(mask.shape, bool)
    # Without copies of the whole mask: on small crops, calls into numpy are what takes time.
    right, below = mask[:, :-1] ^ mask[:, 1:], mask[:-1] ^ mask[1:]
    found[:, :-1] = right
    found[:-1] |= below
    found[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return found


def contour_accuracy(
    prediction: np.ndarray | Mask, truth: np.ndarray | Mask, *, bound: float = BOUND
) -> float:
    """F of two masks [H, W] of one size, 0 to 1.

    Two empty outlines give 1, one empty outline gives 0. A mask that fills the frame has no outline.
    raises   MaskError when the sizes differ
    """
    windows = _windows(prediction, truth)
    if windows is None:
        return 1.0
    return _match(*windows, tolerance_pixels(*_size(truth), bound))


def region_and_contour(
    prediction: np.ndarray | Mask, truth: np.ndarray | Mask, *, bound: float = BOUND
) -> tuple[float, float]:
    """J (as `jaccard`) and F (as `contour_accuracy`) of two masks, from one look at their pixels."""
    windows = _windows(prediction, truth)
    if windows is None:
        return 1.0, 1.0
    one, two = windows
    region = np.count_nonzero(one & two) / np.count_nonzero(one | two)
    return region, _match(one, two, tolerance_pixels(*_size(truth), bound))


def _windows(prediction: np.ndarray | Mask, truth: np.ndarray | Mask) -> tuple[np.ndarray, np.ndarray] | None:
    """Both masks where either has pixels, lying on their sides; None when neither has any."""
    (height, width), other = _size(prediction), _size(truth)
    one, two = _opened(prediction), _opened(truth)
    if (height, width) != other:
        raise MaskError(f"masks of {width}×{height} and {other[1]}×{other[0]} cannot be compared; resize one")
    box = _union(one.box, two.box)
    if box is None:
        return None
    # One more row and column on every side keeps the outline; the distance between two of its pixels
    # does not depend on what lies around them, so the crop changes nothing.
    window = (max(box[0] - 1, 0), max(box[1] - 1, 0), min(box[2] + 1, width), min(box[3] + 1, height))
    return one.columns(window), two.columns(window)


def _match(one: np.ndarray, two: np.ndarray, radius: int) -> float:
    """F of two masks from the pixels that matter."""
    outline_one, outline_two = boundary(one), boundary(two)
    count_one, count_two = int(np.count_nonzero(outline_one)), int(np.count_nonzero(outline_two))
    if count_one == 0 or count_two == 0:
        return float(count_one == count_two)
    width = outline_one.shape[1] + radius
    bits_one, bits_two = _bits(outline_one, radius), _bits(outline_two, radius)
    precision = (bits_one & _dilated(bits_two, width, radius)).bit_count() / count_one
    recall = (bits_two & _dilated(bits_one, width, radius)).bit_count() / count_two
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _size(mask: np.ndarray | Mask) -> tuple[int, int]:
    if isinstance(mask, Mask):
        return mask.height, mask.width
    if mask.ndim != 2:
        raise MaskError(f"a mask must be [H, W], got {list(mask.shape)}")
    return int(mask.shape[0]), int(mask.shape[1])


class _Pixels:
    """A mask given as pixels."""

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        self.box: Corners | None = None
        if rows.size:
            self.box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def columns(self, window: Corners) -> np.ndarray:
        """The part inside a window, on its side: bool [x1 - x0, y1 - y0].

        Outline and disc are the same after a transposition, so F is too.
        """
        x0, y0, x1, y1 = window
        return np.asarray(self.mask[y0:y1, x0:x1] != 0).T


class _Runs:
    """A mask given as run lengths, which are read once. Runs go down the columns."""

    def __init__(self, mask: Mask) -> None:
        self.height = height = mask.height
        self.ends = np.cumsum(rle.run_lengths(mask.counts))
        first, last = self.ends[:-1:2], self.ends[1::2]  # an object's run is every other one
        kept = last > first
        first, last = first[kept], last[kept] - 1
        self.box: Corners | None = None
        if first.size:
            top, bottom = int((first % height).min()), int((last % height).max()) + 1
            if (first // height != last // height).any():  # it goes on in the next column
                top, bottom = 0, height
            self.box = int(first[0]) // height, top, int(last[-1]) // height + 1, bottom

    def columns(self, window: Corners) -> np.ndarray:
        """As of pixels; only the columns asked for are unrolled."""
        x0, y0, x1, y1 = window
        ends = self.ends.clip(x0 * self.height, x1 * self.height)
        lengths = np.diff(ends, prepend=x0 * self.height)
        pixels = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        return pixels.reshape(x1 - x0, self.height)[:, y0:y1]


def _opened(mask: np.ndarray | Mask) -> _Pixels | _Runs:
    return _Runs(mask) if isinstance(mask, Mask) else _Pixels(mask)


def _union(one: Corners | None, two: Corners | None) -> Corners | None:
    if one is None or two is None:
        return one or two
    return min(one[0], two[0]), min(one[1], two[1]), max(one[2], two[2]), max(one[3], two[3])


def _bits(outline: np.ndarray, gap: int) -> int:
    """bool [H, W] as one long integer, row after row, `gap` clear bits after each row."""
    height, width = outline.shape
    rows = np.zeros((height, width + gap), bool)
    rows[:, :width] = outline
    return int.from_bytes(np.packbits(rows).tobytes(), "big")


def _dilated(bits: int, width: int, radius: int) -> int:
    """Every pixel within `radius` of a set one; rows are `width` bits, at least `radius` of them a gap.

    A shift by k bits moves the whole picture k pixels sideways, by `width` bits one row: the disc is
    the union of its rows, and shifting one integer is far faster than visiting pixels. What leaves
    the picture falls into the gap, above it or below it, where no outline is compared with it.
    """
    result = wide = bits
    half = 0
    for row in range(radius, -1, -1):
        while (half + 1) ** 2 + row**2 <= radius**2:
            half += 1
            wide |= bits << half | bits >> half
        result |= wide << (row * width) | wide >> (row * width)
    return result
