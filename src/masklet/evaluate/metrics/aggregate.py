"""From one value a frame to one figure: mean, recall, decay, and the G of YouTube-VOS.

Source: Perazzi et al., CVPR 2016, section 4 (recall, decay); Xu et al., "YouTube-VOS", 2018 (G).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RECALL_THRESHOLD = 0.5
DECAY_PARTS = 4


@dataclass(frozen=True)
class Statistics:
    """One measure over the frames of one object.

    mean     0 to 1
    recall   fraction of frames above 0.5
    decay    mean of the first quarter less mean of the last; positive means it gets worse
    """

    mean: float
    recall: float
    decay: float


def statistics(values: Sequence[float] | np.ndarray) -> Statistics:
    """Mean, recall and decay of one value a frame; all NaN when there is no frame."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return Statistics(np.nan, np.nan, np.nan)
    return Statistics(float(array.mean()), recall(array), decay(array))


def recall(values: Sequence[float] | np.ndarray) -> float:
    """Fraction of the values strictly above 0.5."""
    return float(np.mean(np.asarray(values, dtype=np.float64) > RECALL_THRESHOLD))


def decay(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the first of four parts less the mean of the last.

    Neighbouring parts share their border frame, as in DAVIS. The official code keeps the borders in
    8 bits, which goes wrong past 256 frames; here long videos are cut where they should be.
    """
    array = np.asarray(values, dtype=np.float64)
    borders = np.round(np.linspace(1, len(array), DECAY_PARTS + 1) + 1e-10).astype(int) - 1
    return float(array[borders[0] : borders[1] + 1].mean() - array[borders[-2] : borders[-1] + 1].mean())


def mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean of the values that are numbers; NaN when there is none."""
    array = np.asarray(values, dtype=np.float64)
    array = array[~np.isnan(array)]
    return float(array.mean()) if array.size else float("nan")


@dataclass(frozen=True)
class SeenUnseen:
    """YouTube-VOS: J and F over objects of categories that training data has, and has not."""

    j_seen: float
    j_unseen: float
    f_seen: float
    f_unseen: float

    @property
    def g(self) -> float:
        """The mean of the four; of the two that exist when one group has no object."""
        return mean([self.j_seen, self.j_unseen, self.f_seen, self.f_unseen])


def seen_unseen(objects: Mapping[str, tuple[float, float]], seen: Mapping[str, bool]) -> SeenUnseen:
    """objects: name → (J, F); seen: name → whether its category is in the training data."""
    groups = {kind: [objects[name] for name in objects if seen[name] is kind] for kind in (True, False)}
    return SeenUnseen(
        j_seen=mean([j for j, _ in groups[True]]),
        j_unseen=mean([j for j, _ in groups[False]]),
        f_seen=mean([f for _, f in groups[True]]),
        f_unseen=mean([f for _, f in groups[False]]),
    )
