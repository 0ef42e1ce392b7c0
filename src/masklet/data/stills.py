"""Single pictures as training examples: clips of one frame, cropped, mirrored and relit."""

from __future__ import annotations

import numpy as np

from masklet.data.clips import Clip, ClipSettings
from masklet.data.datasets import ImagePool, LabelledImage
from masklet.data.light import filmed
from masklet.data.problems import Problems
from masklet.errors import DataError

ATTEMPTS = 60
CROP = 0.5
"""Least side of a crop, as a share of the picture's."""


class StillClips:
    """Makes clips of one frame from pictures, labelled or not.

    pool       where the pictures come from
    settings   size, max_objects, min_area and light count; a picture is squeezed into the square
    whole      share of pictures that are taken whole instead of cropped
    """

    def __init__(self, pool: ImagePool, settings: ClipSettings, *, whole: float = 0.5) -> None:
        self.pool = pool
        self.settings = settings
        self.whole = whole

    @property
    def problems(self) -> list[Problems]:
        return self.pool.problems

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        """A new picture; `frames` is ignored. A picture without masks gives a clip without objects.

        raises   DataError when the pool's pictures give none
        """
        for _ in range(ATTEMPTS):
            picture = self.pool.draw(rng)
            clip = self._attempt(rng, picture) if picture is not None else None
            if clip is not None:
                return clip
        raise DataError(
            f"no picture in {ATTEMPTS} draws had an object of at least {self.settings.min_area:.1%} of it"
        )

    def _attempt(self, rng: np.random.Generator, picture: LabelledImage) -> Clip | None:
        import cv2

        size = self.settings.size
        height, width = picture.image.shape[:2]
        top, left, rows, columns = self._view(rng, height, width)
        view = (slice(top, top + rows), slice(left, left + columns))
        method = cv2.INTER_AREA if min(rows, columns) > size else cv2.INTER_LINEAR
        frame = cv2.resize(picture.image[view], (size, size), interpolation=method)
        order = rng.permutation(len(picture.masks))
        kept = []
        for number in order:
            seen = picture.masks[int(number)].to_array()[view]
            mask = cv2.resize(seen.astype(np.float32), (size, size), interpolation=method) >= 0.5
            if mask.sum() >= max(self.settings.min_area * size**2, 12):
                kept.append(mask)
            if len(kept) == self.settings.max_objects:
                break
        if picture.masks and not kept:
            return None
        masks = np.stack(kept)[None] if kept else np.zeros((1, 0, size, size), bool)
        frames = frame[None]
        if rng.random() < 0.5:
            frames, masks = frames[:, :, ::-1], masks[..., ::-1]
        frames = filmed(rng, np.ascontiguousarray(frames), self.settings.light)
        masks = np.ascontiguousarray(masks)
        return Clip(frames, masks, np.asarray(masks.any(axis=(2, 3))))

    def _view(self, rng: np.random.Generator, height: int, width: int) -> tuple[int, int, int, int]:
        """The part of the picture that is taken: top, left, rows, columns."""
        if rng.random() < self.whole:
            return 0, 0, height, width
        rows, columns = (max(1, int(side * rng.uniform(CROP, 1))) for side in (height, width))
        return int(rng.integers(height - rows + 1)), int(rng.integers(width - columns + 1)), rows, columns
