"""A clip to measure on, made on the spot: textured discs that wander over a drifting ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from masklet.types import Mask
from masklet.video.encoder import VideoEncoder
from masklet.video.overlay_video import MP4

RATE = 25


@dataclass(frozen=True)
class Clip:
    """Where the discs are; each keeps to a cell of its own, so they never meet.

    objects   how many
    """

    width: int = 1280
    height: int = 720
    objects: int = 1
    frames: int = 40

    @property
    def grid(self) -> tuple[int, int]:
        """Columns and rows of cells."""
        columns = math.ceil(math.sqrt(self.objects * self.width / self.height))
        return columns, math.ceil(self.objects / columns)

    @property
    def radius(self) -> float:
        columns, rows = self.grid
        return 0.22 * min(self.width / columns, self.height / rows)

    def centre(self, number: int, t: int) -> tuple[float, float]:
        """(x, y) of disc `number` (from 0) on frame t."""
        columns, rows = self.grid
        wide, high = self.width / columns, self.height / rows
        angle = 2 * math.pi * (t / 75 + number / 7)
        x = (number % columns + 0.5 + 0.25 * math.sin(angle) * (1 - 2 * self.radius / wide)) * wide
        y = (number // columns + 0.5 + 0.25 * math.cos(2 * angle) * (1 - 2 * self.radius / high)) * high
        return x, y

    def inside(self, number: int, t: int) -> np.ndarray:
        """bool [H, W]."""
        x, y = self.centre(number, t)
        rows, columns = np.ogrid[: self.height, : self.width]
        return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= self.radius**2

    def truth(self, number: int, t: int) -> Mask:
        return Mask.from_array(self.inside(number, t))

    def boxes(self) -> tuple[tuple[float, float, float, float], ...]:
        """Each disc's box on the first frame, in pixels."""
        corners = []
        for number in range(self.objects):
            x, y = self.centre(number, 0)
            r = self.radius
            corners.append(
                (max(x - r, 0.0), max(y - r, 0.0), min(x + r, self.width), min(y + r, self.height))
            )
        return tuple(corners)

    def write(self, path: Path) -> None:
        """The clip as an MP4."""
        random = np.random.default_rng(0)
        ground = _texture(random, self.height, self.width + self.frames, (90, 110, 100))
        skins = [
            _texture(random, self.height, self.width, tuple(random.integers(60, 256, 3)))
            for _ in range(min(self.objects, 4))
        ]
        encoder = VideoEncoder(path, MP4)
        try:
            for t in range(self.frames):
                image = ground[:, t : t + self.width].copy()
                for number in range(self.objects):
                    inside = self.inside(number, t)
                    image[inside] = skins[number % len(skins)][inside]
                encoder.write(image, Fraction(t, RATE))
            encoder.close()
        except BaseException:
            encoder.discard()
            raise


def _texture(random: np.random.Generator, height: int, width: int, colour: tuple[int, ...]) -> np.ndarray:
    """Blocks of slightly different shades of a colour: uint8 [height, width, 3]."""
    cell = 16
    shades = random.integers(-30, 31, (math.ceil(height / cell), math.ceil(width / cell), 1))
    blocks = np.clip(np.array(colour) + shades, 0, 255).astype(np.uint8)
    return blocks.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width]
