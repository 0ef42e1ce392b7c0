"""Arrays as a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from masklet.errors import VideoError
from masklet.types import Frame
from masklet.video.folder import UNTIMED_RATE
from masklet.video.positions import check_frame, check_range


class ArrayFrames:
    """Frames held in memory: one array uint8 [T, H, W, 3] RGB or a sequence of [H, W, 3] arrays.

    rate   frames a second if known; without it `rate` is None and frame times count 24 a second
    """

    def __init__(
        self,
        images: np.ndarray | Sequence[np.ndarray],
        *,
        rate: Fraction | int | None = None,
        name: str = "array",
    ) -> None:
        if isinstance(images, np.ndarray) and images.ndim == 3:
            images = images[None]
        if len(images) == 0:
            raise VideoError("a video needs at least one frame, got none")
        self._images = [check_image(image, i) for i, image in enumerate(images)]
        sizes = {image.shape[:2] for image in self._images}
        if len(sizes) > 1:
            raise VideoError(
                "frames differ in size: "
                + ", ".join(f"{w}×{h}" for h, w in sorted(sizes))
                + "; resize them to one"
            )
        self.height, self.width = (int(n) for n in self._images[0].shape[:2])
        self.name = name
        self.rate: Fraction | None = None if rate is None else Fraction(rate)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Frame:
        check_frame(index, len(self))
        return Frame(index, index / (self.rate or UNTIMED_RATE), self._images[index])

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        """Frames of range(start, stop, step)."""
        return (self[i] for i in check_range(start, stop, step, len(self)))

    def close(self) -> None: ...

    def __enter__(self) -> ArrayFrames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def check_image(image: Any, index: int) -> np.ndarray:
    """A view of the image that a frame may lock without locking the caller's array; raises VideoError."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise VideoError(
            f"frame {index} must be uint8 [H, W, 3] RGB, got {image.dtype} {list(image.shape)}; convert it"
        )
    return image.view()
