"""Our model and transformers' with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from masklet.model.config import Sam2Config
from masklet.model.sam2 import Sam2
from parity.huggingface import Sam2VideoModel, ours, theirs


class Twins(NamedTuple):
    ours: Sam2
    theirs: Sam2VideoModel


def twins(
    config: Sam2Config, folder: Path, seed: int = 0, change: Callable[[Sam2VideoModel], None] | None = None
) -> Twins:
    """change: what to do to the random weights before both models have them."""
    published = theirs(config, seed)
    if change is not None:
        with torch.no_grad():
            change(published)
    return Twins(ours(config, published, folder), published)


def noise(*shape: int, seed: int = 1) -> Tensor:
    """Normal noise, the same in every run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
