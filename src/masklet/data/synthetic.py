"""Clips made from stills, the way real video looks: training data for following objects.

A clip is staged (`staging`: pictures, objects, motion), composed (`layers`: who hides whom) and filmed
(`light`: exposure, focus, noise). Everything is drawn from the generator given, so a seed fixes a clip.
"""

from __future__ import annotations

import numpy as np

from masklet.data.clips import SPARSE, Clip, ClipSettings
from masklet.data.datasets import ImagePool
from masklet.data.layers import compose
from masklet.data.light import filmed
from masklet.data.problems import Problems
from masklet.data.staging import staged
from masklet.errors import DataError

__all__ = ["Clip", "ClipSettings", "ClipSynthesiser"]

ATTEMPTS = 60
"""Draws before a pool counts as unsuitable; nearly every draw of an ordinary pool gives a clip."""


class ClipSynthesiser:
    """Makes clips from labelled pictures. Holds no state besides the pool's picture cache."""

    def __init__(self, pool: ImagePool, settings: ClipSettings | None = None) -> None:
        self.pool = pool
        self.settings = settings if settings is not None else ClipSettings()

    @property
    def problems(self) -> list[Problems]:
        """What could not be used so far, by set."""
        return self.pool.problems

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        """A new clip, the same for the same state of the generator.

        frames   overrides the settings' number of frames
        raises   DataError when the pool's pictures give none
        """
        count = self.settings.frames if frames is None else frames
        for _ in range(ATTEMPTS):
            clip = self._attempt(rng, count)
            if clip is not None:
                return clip
        raise DataError(
            f"no clip could be made in {ATTEMPTS} attempts; "
            f"the pool's pictures need objects of at least {self.settings.min_area:.1%} of a frame"
        )

    def _attempt(self, rng: np.random.Generator, frames: int) -> Clip | None:
        settings = self.settings
        sparse = settings.sparse > 0 and rng.random() < settings.sparse
        stage = staged(rng, self.pool, settings, frames * SPARSE if sparse else frames)
        if stage is None or stage.objects == 0:
            return None
        pictures, masks, whole = compose(stage.layers, settings.size, stage.objects)
        if sparse:
            picked = np.sort(rng.choice(frames * SPARSE, frames, replace=False))
            pictures, masks, whole = pictures[picked], masks[picked], whole[picked]
        if rng.random() < 0.5 and _followable(masks[-1], whole[-1], settings).any():
            # films run backwards just as well
            pictures, masks, whole = pictures[::-1], masks[::-1], whole[::-1]
        good = np.flatnonzero(_followable(masks[0], whole[0], settings))
        if good.size == 0:
            return None
        masks = masks[:, np.sort(rng.permutation(good)[: settings.max_objects])]
        if rng.random() < 0.5:
            pictures, masks = pictures[:, :, ::-1], masks[..., ::-1]
        pictures = filmed(rng, np.ascontiguousarray(pictures), settings.light)
        masks = np.ascontiguousarray(masks)
        return Clip(pictures, masks, np.asarray(masks.any(axis=(2, 3))))


def _followable(masks: np.ndarray, whole: np.ndarray, settings: ClipSettings) -> np.ndarray:
    """Objects that a person could point at on this frame: large enough, and not nearly hidden. bool [O]"""
    seen = masks.sum(axis=(1, 2))
    least = max(settings.min_area * settings.size**2, 12)
    return (seen >= least) & (seen >= 0.25 * np.maximum(whole, 1))
