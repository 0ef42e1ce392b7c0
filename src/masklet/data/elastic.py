"""Non-rigid motion: smooth displacement fields that change over time.

A field is float32 [T, G, G, 2] on a coarse grid over a layer: what is seen at point p comes from p + field,
in pixels of the layer. Fields are smooth and small against their wavelength, so nothing folds over.
"""

from __future__ import annotations

import math

import numpy as np

GRID = 24
"""Points of a field along each side; enough for the smooth fields made here."""


def wobble(rng: np.random.Generator, frames: int, size: tuple[int, int], amount: float) -> np.ndarray:
    """Soft low-frequency deformation.

    size     height, width of the layer in pixels
    amount   typical displacement as a share of the layer's side, 0 to about 0.06
    """
    import cv2

    knots = int(rng.integers(4, 7))
    first, second = rng.normal(0, 1, (2, knots, knots, 2)).astype(np.float32)
    smooth = [cv2.resize(part, (GRID, GRID), interpolation=cv2.INTER_CUBIC) for part in (first, second)]
    rate, phase = rng.uniform(0.15, 0.9), rng.uniform(0, 2 * math.pi)
    height, width = size
    reach = np.array([width, height], np.float32) * (amount * 4 / knots)
    t = np.arange(frames)
    a, b = np.cos(rate * t + phase), np.sin(rate * t + phase)
    field = a[:, None, None, None] * smooth[0] + b[:, None, None, None] * smooth[1]
    return (field * reach).astype(np.float32)


def sway(rng: np.random.Generator, frames: int, size: tuple[int, int], amount: float) -> np.ndarray:
    """Bending along one axis, as limbs, tails and cloth do: a travelling wave across the other axis."""
    height, width = size
    u = np.linspace(0, 1, GRID, dtype=np.float32)
    waves, phase = rng.uniform(0.3, 1.2), rng.uniform(0, 2 * math.pi)
    rate = rng.uniform(0.3, 1.3) * (1 if rng.random() < 0.5 else -1)
    t = np.arange(frames, dtype=np.float32)[:, None]
    wave = np.sin(2 * math.pi * waves * u + phase + rate * t)  # [T, G]
    # one end is often held: feet on the ground, a tail on its body
    held = u if rng.random() < 0.5 else u[::-1]
    wave = wave * (0.4 + 0.6 * held)
    field = np.zeros((frames, GRID, GRID, 2), np.float32)
    if rng.random() < 0.7:
        field[..., 0] = (amount * width * 1.5 * wave)[:, :, None]
    else:
        field[..., 1] = (amount * height * 1.5 * wave)[:, None, :]
    return field


def body_motion(rng: np.random.Generator, frames: int, mask: np.ndarray, amount: float) -> np.ndarray:
    """An object inside a picture moves by itself, and what surrounds it gives way.

    mask     bool [H, W], the object in the picture
    amount   largest shift as a share of the object's size, up to about 0.2
    returns  a field over the whole picture
    """
    import cv2

    height, width = mask.shape
    small = cv2.resize(mask.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    share = max(float(small.mean()), 1e-4)
    reach = math.sqrt(share)  # the object's size as a share of the picture's side
    blurred = cv2.GaussianBlur(small, (0, 0), sigmaX=max(1.0, 0.35 * reach * GRID))
    soft = blurred / max(float(blurred.max()), 1e-6)
    rows, columns = np.nonzero(small >= 0.5 * small.max())
    centre_x, centre_y = float(columns.mean()), float(rows.mean())
    t = np.arange(frames)
    shift = amount * reach
    phases, rates = rng.uniform(0, 2 * math.pi, 4), rng.uniform(0.3, 1.5, 4)
    waves = np.sin(rates[:, None] * t + phases[:, None])  # [4, T]
    grid_y, grid_x = np.mgrid[0:GRID, 0:GRID].astype(np.float32) / GRID
    off_x, off_y = grid_x - centre_x / GRID, grid_y - centre_y / GRID
    angle, grow = 0.6 * amount * waves[2], 0.5 * amount * waves[3]
    field = np.empty((frames, GRID, GRID, 2), np.float32)
    for i in range(frames):
        field[i, ..., 0] = shift * waves[0, i] + grow[i] * off_x - angle[i] * off_y
        field[i, ..., 1] = shift * waves[1, i] + grow[i] * off_y + angle[i] * off_x
    return field * soft[None, :, :, None] * np.array([width, height], np.float32)
