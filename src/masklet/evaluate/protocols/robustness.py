"""Videos made harder: noise, compression, lower resolution, dropped frames.

A variant keeps the number, size and order of the frames, so the truth stays the truth. Whatever is random
depends on the video's name and the frame's index alone: every model sees the same pictures.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from PIL import Image

from masklet.errors import ConfigError
from masklet.types import Frame
from masklet.video.protocol import FrameSource

Spoil = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]


def _noise(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    noisy = image + rng.normal(0, strength, image.shape)
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8)


def _compressed(image: np.ndarray, quality: float, rng: np.random.Generator) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=int(quality))
    return np.array(Image.open(buffer))


def _coarse(image: np.ndarray, factor: float, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    small = (max(1, round(width * factor)), max(1, round(height * factor)))
    picture = Image.fromarray(image).resize(small, Image.Resampling.BOX)
    return np.array(picture.resize((width, height), Image.Resampling.BILINEAR))


SPOILS: dict[str, tuple[Spoil, float, str]] = {
    "noise": (_noise, 25.0, "Gaussian noise, standard deviation {:g} of 255"),
    "jpeg": (_compressed, 10.0, "JPEG at quality {:g}"),
    "scale": (_coarse, 0.25, "shrunk to {:g} of its size and back"),
}
DROP = "drop"


@dataclass(frozen=True)
class Variant:
    """One way to make a video harder.

    kind       noise, jpeg, scale, or drop
    strength   deviation, quality, factor; for drop: of so many frames only the first is seen, and its
               picture stands still until the next (what a jerky camera or a low frame rate gives)
    """

    kind: str
    strength: float

    def __post_init__(self) -> None:
        limits = {"noise": (0, 255), "jpeg": (1, 95), "scale": (0.01, 1), DROP: (1, 100)}
        if self.kind not in limits:
            raise ConfigError(f"variant {self.kind} is unknown; choose one of {', '.join(limits)}")
        low, high = limits[self.kind]
        if not low <= self.strength <= high:
            raise ConfigError(f"variant {self.kind} takes {low} to {high}, not {self.strength:g}")

    @classmethod
    def parse(cls, text: str) -> Variant:
        """noise, noise:40, jpeg:5, scale:0.5, drop:3; without a number a telling default."""
        kind, _, number = text.partition(":")
        try:
            strength = float(number) if number else SPOILS[kind][1] if kind in SPOILS else 3.0
        except ValueError:
            raise ConfigError(f"variant {text!r} must be a kind and a number, as in noise:25") from None
        return cls(kind, strength)

    @property
    def words(self) -> str:
        """For reports."""
        if self.kind == DROP:
            return f"only one frame of {int(self.strength)} is seen"
        return SPOILS[self.kind][2].format(self.strength)

    def __str__(self) -> str:
        return f"{self.kind}:{self.strength:g}"

    def apply(self, source: FrameSource, name: str) -> FrameSource:
        return _Harder(source, self, name)


class _Harder:
    """A source whose pictures are spoilt as they are read."""

    def __init__(self, source: FrameSource, variant: Variant, name: str) -> None:
        self._source, self._variant = source, variant
        self._seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")
        self.name = f"{source.name} ({variant})"
        self.width, self.height = source.width, source.height
        self.rate: Fraction | None = source.rate

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        frame = self._source[index]
        if self._variant.kind == DROP:
            return Frame(index, frame.time, self._source[index - index % int(self._variant.strength)].image)
        return self._spoilt(frame)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        if self._variant.kind == DROP:
            yield from (self[index] for index in range(start, stop, step))
        else:
            yield from (self._spoilt(frame) for frame in self._source.read(start, stop, step))

    def close(self) -> None:
        self._source.close()

    def _spoilt(self, frame: Frame) -> Frame:
        spoil = SPOILS[self._variant.kind][0]
        rng = np.random.default_rng([self._seed, frame.index])
        return Frame(frame.index, frame.time, spoil(frame.image, self._variant.strength, rng))
