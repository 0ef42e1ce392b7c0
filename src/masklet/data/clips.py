"""What a made-up clip is, and the settings it is made by."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from masklet.data.light import LightSettings
from masklet.errors import ConfigError

SPARSE = 3
"""Frames of the film behind a sparse clip, for each of its own."""


@dataclass(frozen=True)
class ClipSettings:
    """How clips are made. Probabilities are 0 to 1, per clip unless said otherwise."""

    frames: int = 4
    """Frames in a clip, T, at least 1."""
    size: int = 256
    """Side of the square frames, pixels; every aspect ratio is squeezed into it, as the model does."""
    max_objects: int = 3
    """Most labelled objects in a clip, O."""
    min_area: float = 0.003
    """Least share of the first frame that a labelled object covers there."""
    scene: float = 0.4
    """Share of clips in which a whole labelled picture moves and bends: true context, no cut edges."""
    in_place: float = 0.25
    """Share of clips in which objects are lifted out of their own picture and move over it."""
    object_size: tuple[float, float] = (0.08, 0.5)
    """Square root of the area of pasted objects, least and most, as a share of the frame's side."""
    still: float = 0.25
    """Probability of a resting camera."""
    shake: float = 0.35
    """Probability of a trembling camera."""
    fast: float = 0.2
    """Probability of a fast clip: objects move by up to a third of their size a frame."""
    elastic: float = 0.85
    """Probability, per object, of a deformation of its own."""
    parts: float = 0.7
    """Probability that a part of something (a sleeve, a wheel) is pasted with its whole, not alone."""
    look_alike: float = 0.35
    """Probability of unlabelled copies of a labelled object in pasted clips."""
    visitors: float = 0.3
    """Probability that something is pasted into a `scene` clip: a copy of its object, or another one."""
    distractors: float = 0.5
    """Probability of other unlabelled objects, cut and pasted as the labelled ones are."""
    obstacles: float = 0.3
    """Probability of obstacles that pass in front."""
    cover: float = 0.25
    """Probability that an obstacle hides a labelled object for a while."""
    leave: float = 0.13
    """Probability, per moving object, that it leaves the frame and may come back."""
    sparse: float = 0.0
    """Probability that the frames are picked, in order, from a film `SPARSE` times as long: larger
    motion, and time to leave and return."""
    motion_blur: float = 0.35
    """Probability, per layer, of motion blur."""
    light: LightSettings = field(default_factory=LightSettings)
    """Exposure, colour, focus, noise and compression."""

    def __post_init__(self) -> None:
        for name, least in (("frames", 1), ("size", 16), ("max_objects", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least {least}")
        for owner in (self, self.light):
            for one in fields(owner):
                value = getattr(owner, one.name)
                if isinstance(value, float) and one.name != "strength" and not 0 <= value <= 1:
                    raise ConfigError(f"{one.name} is {value}; give a number from 0 to 1")
        if not self.light.strength >= 0:
            raise ConfigError(f"strength is {self.light.strength}; give a number of at least 0")
        if self.scene + self.in_place > 1:
            raise ConfigError(f"scene + in_place is {self.scene + self.in_place}; give at most 1 together")
        low, high = self.object_size
        if not 0 < low <= high <= 1:
            raise ConfigError(f"object_size is {self.object_size}; give least and most, from 0 to 1")

    @property
    def kinds(self) -> tuple[float, float, float]:
        """Shares of scene, in-place and pasted clips; they add up to 1."""
        return self.scene, self.in_place, max(0.0, 1 - self.scene - self.in_place)


@dataclass(frozen=True, eq=False)
class Clip:
    """A short video with the masks of its objects.

    frames    uint8 [T, S, S, 3] RGB
    masks     bool [T, O, S, S], what is seen of each object; parts may lie inside their whole
    visible   bool [T, O], whether anything of the object is seen; always true on frame 0
    """

    frames: np.ndarray
    masks: np.ndarray
    visible: np.ndarray
