"""Whether a model's opinion of itself is right: predicted IoU and occlusion score.

Occlusion scores are logits, > 0 means visible; predicted IoU lies in 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from masklet.errors import MaskError


@dataclass(frozen=True)
class Calibration:
    """How predicted IoU compares with the true one.

    error         mean gap between the two over bins, weighted by how many fall in each (ECE)
    correlation   Spearman's rank correlation; NaN when either does not vary
    predicted     mean prediction of each bin, NaN where empty
    true          mean true IoU of each bin, NaN where empty
    counts        number of masks in each bin
    """

    error: float
    correlation: float
    predicted: tuple[float, ...]
    true: tuple[float, ...]
    counts: tuple[int, ...]


def calibration(
    predicted: Sequence[float] | np.ndarray, true: Sequence[float] | np.ndarray, bins: int = 10
) -> Calibration:
    """Compare predicted IoUs with true ones over equal bins of the prediction.

    A model's head may leave 0 to 1 by a little; its prediction then counts as 0 or 1.
    """
    guess, real = _pair(predicted, true)
    guess = np.clip(guess, 0, 1)
    place = np.minimum((guess * bins).astype(int), bins - 1)
    counts = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        mean_guess = np.bincount(place, guess, bins) / counts
        mean_real = np.bincount(place, real, bins) / counts
    gap = np.where(counts > 0, np.abs(mean_guess - mean_real), 0.0)
    error = float((gap * counts).sum() / counts.sum()) if counts.sum() else float("nan")
    return Calibration(
        error=error,
        correlation=rank_correlation(guess, real),
        predicted=tuple(mean_guess.tolist()),
        true=tuple(mean_real.tolist()),
        counts=tuple(counts.tolist()),
    )


def rank_correlation(a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray) -> float:
    """Spearman's rho, -1 to 1: Pearson's correlation of the ranks; NaN when either does not vary."""
    first, second = (_ranks(np.asarray(v, dtype=np.float64)) for v in _pair(a, b))
    first, second = first - first.mean(), second - second.mean()
    spread = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum() / spread) if spread > 0 else float("nan")


def occlusion_accuracy(scores: Sequence[float] | np.ndarray, visible: Sequence[bool] | np.ndarray) -> float:
    """Fraction of frames where the sign of the occlusion score says rightly whether the object is there."""
    score, truth = _pair(scores, visible)
    return float(np.mean((score > 0) == (truth > 0))) if len(score) else float("nan")


def occlusion_auc(scores: Sequence[float] | np.ndarray, visible: Sequence[bool] | np.ndarray) -> float:
    """Chance that a visible frame scores above an absent one (ties half); NaN without both kinds."""
    score, truth = _pair(scores, visible)
    here = truth > 0
    present, absent = int(here.sum()), int((~here).sum())
    if present == 0 or absent == 0:
        return float("nan")
    ranks = _ranks(score) + 1
    return float((ranks[here].sum() - present * (present + 1) / 2) / (present * absent))


def _pair(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | Sequence[bool] | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise MaskError(
            f"two lists of one length are needed, got {list(first.shape)} and {list(second.shape)}"
        )
    return first, second


def _ranks(values: np.ndarray) -> np.ndarray:
    """Rank of each value from 0; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + last - 1) / 2)[inverse]
