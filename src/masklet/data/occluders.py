"""Things without a label that pass in front: poles, beams, leaves, blobs."""

from __future__ import annotations

import math

import numpy as np

from masklet.data.sprites import Sprite


def occluder(rng: np.random.Generator, texture: np.ndarray) -> Sprite:
    """A shape filled with a piece of another picture or a plain colour.

    texture   uint8 [H, W, 3], any picture
    returns   a sprite without labels, about 160 pixels long
    """
    import cv2

    kind = rng.choice(["bar", "blob", "slab"], p=[0.4, 0.35, 0.25])
    if kind == "bar":
        size = (192, int(rng.integers(14, 60)))
        if rng.random() < 0.3:
            size = size[::-1]
    elif kind == "slab":
        size = (int(rng.integers(90, 192)), int(rng.integers(90, 192)))
    else:
        size = (160, 160)
    height, width = size
    pad = 6
    alpha = np.zeros((height + 2 * pad, width + 2 * pad), np.uint8)
    if kind == "blob":
        cv2.fillPoly(alpha, [_blob(rng, alpha.shape)], 255)
    else:
        alpha[pad:-pad, pad:-pad] = 255
    alpha = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(0.7, 1.6)))
    colour = _surface(rng, texture, alpha.shape)
    labels = np.zeros((*alpha.shape, 0), np.uint8)
    return Sprite(colour, alpha, labels, (0, 0), (False,) * 4, "occluder")


def _blob(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A closed outline, int32 [N, 2]: a circle with a few soft bumps or corners."""
    corners = int(rng.integers(5, 14)) if rng.random() < 0.4 else 48
    angles = np.linspace(0, 2 * math.pi, corners, endpoint=False)
    radius = np.ones(corners)
    for waves in range(2, 6):
        radius += rng.normal(0, 0.35 / waves) * np.cos(waves * angles + rng.uniform(0, 2 * math.pi))
    if corners < 20:
        radius *= rng.uniform(0.6, 1.0, corners)
    radius = np.clip(radius / radius.max(), 0.2, 1) * (min(shape) / 2 - 6)
    x, y = shape[1] / 2 + radius * np.cos(angles), shape[0] / 2 + radius * np.sin(angles)
    return np.stack([x, y], axis=1).astype(np.int32)


def _surface(rng: np.random.Generator, texture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 [h, w, 3]: a piece of the texture, or a colour with soft shading."""
    import cv2

    height, width = shape
    if rng.random() < 0.75:
        high, wide = texture.shape[:2]
        part_h = int(rng.integers(max(2, high // 4), high + 1))
        part_w = int(rng.integers(max(2, wide // 4), wide + 1))
        y, x = int(rng.integers(0, high - part_h + 1)), int(rng.integers(0, wide - part_w + 1))
        part = texture[y : y + part_h, x : x + part_w]
        return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA)
    shading = rng.uniform(-40, 40, (3, 3, 1)).astype(np.float32)
    soft = cv2.resize(shading, (width, height), interpolation=cv2.INTER_CUBIC)
    # plain things are mostly grey or brown
    colour = (rng.uniform(20, 210) + rng.normal(0, 22, 3)).astype(np.float32)
    grain = rng.normal(0, 3, (height, width)).astype(np.float32)
    return np.clip(colour + (soft + grain)[..., None], 0, 255).astype(np.uint8)
