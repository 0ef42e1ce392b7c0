"""What the loop asks of the thing it trains: a loss a batch, and what to show of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from masklet.data.clips import Clip
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD


@dataclass(frozen=True, eq=False)
class Sample:
    """What the model made of one clip, to look at.

    frames   uint8 [T, S, S, 3]
    truth    bool [T, O, S/4, S/4]; answers: likewise
    """

    frames: np.ndarray
    truth: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class Measured:
    """The loss of a batch, a scalar with gradients, and figures beside it; NaN where nothing was measured.

    region              mean J (tracked frames; of a distillation, against the teacher's masks)
    occlusion_accuracy  share of right visible / absent verdicts
    """

    loss: Tensor
    region: float = math.nan
    occlusion_accuracy: float = math.nan
    sample: Sample | None = None


class Task(Protocol):
    """How a batch becomes a loss."""

    def prepare(self, clips: list[Clip]) -> Any:
        """What the steps on one batch share."""
        ...

    def measure(self, clips: list[Clip], prepared: Any, rng: np.random.Generator, *, show: bool) -> Measured:
        """One step's loss; `show` asks for a sample."""
        ...


def pixels_of(clips: list[Clip], device: torch.device) -> Tensor:
    """All frames of all clips, clip after clip, as the model wants them: [N, 3, S, S]."""
    frames = np.concatenate([clip.frames for clip in clips])
    pixels = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v, device=device)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    return (pixels - mean) / std


def mean_or_nan(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean()) if values else math.nan
