"""What light, lens and camera do to the frames of a clip: exposure, colour, focus, noise, compression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LightSettings:
    """Probabilities are per clip, 0 to 1."""

    strength: float = 1.0
    """Size of the changes of exposure and colour; 0 leaves them alone."""
    drift: float = 0.4
    """Probability that exposure and colour change through the clip."""
    grey: float = 0.05
    """Probability of a black-and-white clip."""
    defocus: float = 0.25
    """Probability that the whole clip is a little out of focus."""
    coarse: float = 0.12
    """Probability that the clip was filmed at a lower resolution."""
    noise: float = 0.4
    """Probability of sensor noise."""
    compression: float = 0.4
    """Probability of compression artefacts."""


def tone_curves(rng: np.random.Generator, frames: int, settings: LightSettings) -> np.ndarray:
    """A curve a frame and channel, uint8 [T, 256, 3]: gamma, gain, contrast, tint."""
    strength = settings.strength
    start = rng.normal(0, 1, 6) * strength
    end = start
    if rng.random() < settings.drift:
        end = start + rng.normal(0, 0.8, 6) * strength
    flicker = rng.normal(0, 0.012 * strength, frames)
    along = np.linspace(0, 1, frames)[:, None] if frames > 1 else np.zeros((1, 1))
    values = start + along * (end - start)  # [T, 6]
    levels = np.linspace(0, 1, 256)
    curves = np.empty((frames, 256, 3))
    for t, (gamma, gain, contrast, *tint) in enumerate(values):
        curve = levels ** math.exp(0.15 * np.clip(gamma, -2.5, 2.5))
        curve = (curve - 0.5) * math.exp(0.1 * np.clip(contrast, -2.5, 2.5)) + 0.5
        lift = math.exp(0.08 * np.clip(gain, -2.5, 2.5) + flicker[t])
        for channel in range(3):
            curves[t, :, channel] = curve * lift * math.exp(0.03 * np.clip(tint[channel], -2.5, 2.5))
    return (np.clip(curves, 0, 1) * 255 + 0.5).astype(np.uint8)


def filmed(rng: np.random.Generator, frames: np.ndarray, settings: LightSettings) -> np.ndarray:
    """The frames as a camera would have recorded them.

    frames    uint8 [T, S, S, 3] RGB
    returns   the same shape, new
    """
    import cv2

    count, size = frames.shape[:2]
    curves = tone_curves(rng, count, settings)
    grey = rng.random() < settings.grey
    focus = rng.uniform(0.4, 1.3) if rng.random() < settings.defocus else 0.0
    pull = rng.uniform(-0.15, 0.15)
    coarse = int(size * rng.uniform(0.45, 0.85)) if rng.random() < settings.coarse else 0
    grain = _grain(rng, size) if rng.random() < settings.noise else None
    quality = int(rng.integers(30, 90)) if rng.random() < settings.compression else 0
    result = np.empty_like(frames)
    for t in range(count):
        frame = cv2.LUT(frames[t], curves[t][None])
        if grey:
            frame = np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
        if coarse:
            small = cv2.resize(frame, (coarse, coarse), interpolation=cv2.INTER_AREA)
            frame = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
        sigma = focus + pull * t
        if focus and sigma > 0.25:
            frame = cv2.GaussianBlur(frame, (0, 0), min(sigma, 2.0))
        if grain is not None:
            y, x = rng.integers(0, 33, 2)
            frame = cv2.add(frame, grain[y : y + size, x : x + size], dtype=cv2.CV_8U)
        if quality:
            done, code = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
            if done:
                frame = cv2.imdecode(code, cv2.IMREAD_COLOR)
        result[t] = frame
    return result


def _grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Noise to cut a piece from for every frame, int16 [S + 32, S + 32, 3]."""
    side = size + 32
    sigma = math.exp(rng.uniform(math.log(1.5), math.log(9)))
    luma = rng.standard_normal((side, side, 1), dtype=np.float32)
    chroma = rng.standard_normal((side, side, 3), dtype=np.float32)
    return np.rint(sigma * (0.8 * luma + 0.5 * chroma)).astype(np.int16)
