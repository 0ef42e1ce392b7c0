"""Remembered masks are damaged on purpose, so that the model learns to trust the prompted frame more.

In use a small slip is remembered and grows from frame to frame. A clip of a few frames is too short to
show that; a damaged memory shows it at once, and the true mask stays the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SURE = 8.0
"""Logit of what damage adds; the negative of it is what damage takes away."""


@dataclass(frozen=True)
class Slips:
    """How often memory fails in training; each a probability for a tracked frame."""

    forget: float = 0.0
    """Only prompted frames are read, as if nothing recent were remembered."""
    damage: float = 0.0
    """An object's mask is damaged before it is remembered."""


def damage(logits: Tensor, probability: float, rng: np.random.Generator) -> Tensor:
    """Damage each object's mask with this probability: cut a side off, add a blob, move it, or copy it.

    logits   [O, 1, h, w]; > 0 is the object
    """
    rows = [
        _damaged(one, rng) if rng.random() < probability and (one > 0).any() else one for one in logits[:, 0]
    ]
    return torch.stack(rows)[:, None]


def _damaged(logits: Tensor, rng: np.random.Generator) -> Tensor:
    height, width = logits.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=logits.device), torch.arange(width, device=logits.device), indexing="ij"
    )
    mask = logits > 0
    middle_y, middle_x, size = (
        y[mask].float().mean(),
        x[mask].float().mean(),
        math.sqrt(float(mask.sum())),
    )
    kind = int(rng.integers(4))
    if kind == 0:
        angle, offset = rng.random() * 2 * math.pi, (rng.random() - 0.5) * size / 2
        far = (y - middle_y) * math.sin(angle) + (x - middle_x) * math.cos(angle) > offset
        return torch.where(far, logits.clamp(max=-SURE), logits)
    if kind == 1:
        down, right = (rng.random(2) * 2 - 1) * 1.2 * size
        tall, wide = (0.3 + 0.7 * rng.random(2)) * size
        blob = ((y - middle_y - down) / tall) ** 2 + ((x - middle_x - right) / wide) ** 2 < 1
        return torch.where(blob, logits.clamp(min=SURE), logits)
    if kind == 2:
        return _moved(logits, (rng.random(2) * 2 - 1) * 0.6 * size)
    return torch.maximum(logits, _moved(logits, (rng.random(2) - 0.5) * np.array([height, width])))


def _moved(logits: Tensor, by: np.ndarray) -> Tensor:
    return torch.roll(logits, (int(by[0]), int(by[1])), (0, 1))
