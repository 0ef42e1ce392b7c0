"""Several makers of clips as one, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from masklet.data.clips import Clip
from masklet.data.problems import Problems
from masklet.errors import ConfigError


class ClipMaker(Protocol):
    """Makes training clips; the state of the generator fixes what comes. Can be sent to a process."""

    @property
    def problems(self) -> list[Problems]:
        """What could not be used so far."""
        ...

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip: ...


class MixedClips:
    """Draws every clip from one of several makers.

    makers    with the weight of each, above 0
    raises    ConfigError when there is none, or a weight is not above 0
    """

    def __init__(self, makers: Sequence[tuple[ClipMaker, float]]) -> None:
        if not makers:
            raise ConfigError("no data to train on; give labelled pictures or videos")
        weights = np.array([weight for _, weight in makers], float)
        if not (weights > 0).all():
            raise ConfigError(f"data weights are {weights.tolist()}; give numbers above 0")
        self.makers = tuple(maker for maker, _ in makers)
        self.chances = weights / weights.sum()

    @property
    def problems(self) -> list[Problems]:
        return [problems for maker in self.makers for problems in maker.problems]

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        return self.makers[int(rng.choice(len(self.makers), p=self.chances))].clip(rng, frames)
