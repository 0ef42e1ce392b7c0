"""Smooth motion through a clip: where the camera and the objects are on every frame.

Lengths in view units: the frame has area 1, its centre at the origin, x right, y down. So a speed of 0.05
means the same on a wide frame and on a square one. Angles in radians, scales as natural logarithms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A pose a frame: float64 [T] each.

    x, y    position, view units
    scale   logarithm of the size factor
    turn    rotation, radians
    """

    x: np.ndarray
    y: np.ndarray
    scale: np.ndarray
    turn: np.ndarray


@dataclass(frozen=True)
class View:
    """The virtual frame: an aspect ratio, finally squeezed into size × size pixels.

    size     side of the square output, pixels
    aspect   width / height of the picture as it was filmed
    """

    size: int
    aspect: float

    @property
    def width(self) -> float:
        """In view units; width × height is 1."""
        return math.sqrt(self.aspect)

    @property
    def height(self) -> float:
        return 1.0 / math.sqrt(self.aspect)

    def to_pixels(self) -> np.ndarray:
        """View units → output pixels, float64 [3, 3]."""
        sx, sy = self.size / self.width, self.size / self.height
        half = self.size / 2 - 0.5  # the centre of the frame lies between the two middle pixels
        return np.array([[sx, 0, half], [0, sy, half], [0, 0, 1]])


def pose_matrix(x: float, y: float, scale: float, turn: float) -> np.ndarray:
    """Scale by exp(scale), rotate by `turn`, then move to (x, y): float64 [3, 3]."""
    factor = math.exp(scale)
    c, s = factor * math.cos(turn), factor * math.sin(turn)
    return np.array([[c, -s, x], [s, c, y], [0, 0, 1]])


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number from low to high, every octave as likely as another."""
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def drift(rng: np.random.Generator, frames: int, speed: float) -> tuple[np.ndarray, np.ndarray]:
    """A walk that starts at 0: velocity, acceleration and a swing; about `speed` view units a frame.

    returns   x and y, float64 [T]
    """
    t = np.arange(frames, dtype=np.float64)
    angle = rng.uniform(0, 2 * math.pi)
    # Most things in films move sideways.
    vx, vy = speed * math.cos(angle), 0.6 * speed * math.sin(angle)
    ax, ay = rng.normal(0, 0.15 * speed, 2)
    swing = rng.uniform(0, 0.8) * speed
    rate, phase = rng.uniform(0.4, 1.6), rng.uniform(0, 2 * math.pi)
    sway = swing * (np.sin(rate * t + phase) - math.sin(phase))
    across = rng.uniform(0, 2 * math.pi)
    x = vx * t + 0.5 * ax * t**2 + math.cos(across) * sway
    y = vy * t + 0.5 * ay * t**2 + math.sin(across) * sway
    return x, y


def object_path(rng: np.random.Generator, frames: int, speed: float, *, lively: float) -> Trajectory:
    """An object's own motion from the origin: place, size and rotation.

    speed    view units a frame
    lively   0 (stiff) to 1: how much it turns and changes size
    """
    t = np.arange(frames, dtype=np.float64)
    x, y = drift(rng, frames, speed)
    growth = rng.normal(0, 0.01 + 0.04 * lively)
    scale = np.clip(growth * t, -0.9, 0.9)
    turn = rng.normal(0, 0.01 + 0.05 * lively) * t
    rate, phase = rng.uniform(0.3, 1.5), rng.uniform(0, 2 * math.pi)
    turn = turn + lively * rng.uniform(0, 0.12) * (np.sin(rate * t + phase) - math.sin(phase))
    return Trajectory(x, y, scale, turn)


def away(rng: np.random.Generator, frames: int) -> np.ndarray:
    """How far gone on every frame, 0 (there) to 1 (gone), float64 [T]: there at first, gone for a while."""
    if frames < 2:
        return np.zeros(frames)
    t = np.arange(frames, dtype=np.float64)
    start = int(rng.integers(1, frames))
    length = int(rng.integers(1, max(1, frames // 2) + 1))
    ramp = float(rng.integers(1, min(start, 3) + 1))
    leaving = _ease((t - (start - ramp)) / ramp)
    coming = _ease((t - (start + length - 1)) / ramp)
    return leaving * (1 - coming)


def _ease(x: np.ndarray) -> np.ndarray:
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


@dataclass(frozen=True, eq=False)
class Camera:
    """Matrices from the base picture's pixels to view units, float64 [T, 3, 3]."""

    matrices: np.ndarray


def camera(
    rng: np.random.Generator,
    frames: int,
    view: View,
    picture: tuple[int, int],
    *,
    focus: tuple[float, float] | None,
    speed: float,
    zoom: float,
    shake: float,
) -> Camera:
    """A camera that looks at a part of a picture and pans, zooms, rolls and shakes.

    picture   height, width of the base picture in pixels
    focus     x, y in picture pixels to be inside the first frame, or None
    speed     pan, view units a frame
    zoom      first frame shows 1/zoom of what would fit, at least 1
    shake     size of the trembling, view units
    The window stays inside the picture, as far as it fits.
    """
    height, width = picture
    fit = max(view.width / width, view.height / height)  # view units a picture pixel
    t = np.arange(frames, dtype=np.float64)
    path = object_path(rng, frames, speed, lively=0.0)
    still = speed < 0.004
    growth = 0.0 if still else rng.normal(0, 0.01 + 0.4 * speed)
    roll = 0.0 if still else rng.normal(0, 0.01 + 0.2 * speed)
    turn = rng.normal(0, 0.04) + roll * t + rng.normal(0, 0.25 * shake, frames)
    scale = np.maximum(math.log(fit * zoom) + growth * t, math.log(fit))
    per_pixel = np.exp(scale)
    half_w = 0.5 * (view.width * np.abs(np.cos(turn)) + view.height * np.abs(np.sin(turn))) / per_pixel
    half_h = 0.5 * (view.width * np.abs(np.sin(turn)) + view.height * np.abs(np.cos(turn))) / per_pixel
    start_x, start_y = _start(rng, (width, height), (float(half_w[0]), float(half_h[0])), focus)
    x = start_x + (path.x + rng.normal(0, 1, frames) * shake) / per_pixel
    y = start_y + (path.y + rng.normal(0, 1, frames) * shake) / per_pixel
    x = np.clip(x, np.minimum(half_w, width / 2), np.maximum(width - half_w, width / 2))
    y = np.clip(y, np.minimum(half_h, height / 2), np.maximum(height - half_h, height / 2))
    matrices = np.empty((frames, 3, 3))
    for i in range(frames):
        to_centre = np.array([[1, 0, -x[i]], [0, 1, -y[i]], [0, 0, 1]])
        matrices[i] = pose_matrix(0, 0, float(scale[i]), float(turn[i])) @ to_centre
    return Camera(matrices)


def _start(
    rng: np.random.Generator,
    size: tuple[float, float],
    half: tuple[float, float],
    focus: tuple[float, float] | None,
) -> tuple[float, float]:
    """Where the window's centre begins, in picture pixels."""
    place = []
    for axis in range(2):
        low, high = min(half[axis], size[axis] / 2), max(size[axis] - half[axis], size[axis] / 2)
        if focus is not None:
            # the focus lies anywhere in the middle 70 % of the frame
            low = min(max(low, focus[axis] - 0.7 * half[axis]), high)
            high = max(min(high, focus[axis] + 0.7 * half[axis]), low)
        place.append(float(rng.uniform(low, high)))
    return place[0], place[1]
