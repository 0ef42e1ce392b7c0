"""A run's checkpoint: everything needed to go on as if nothing had happened."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from masklet.errors import CheckpointError


@dataclass(frozen=True)
class RunState:
    """step    optimiser steps taken
    batch      feed batches used up
    weights    trainable parameters; average: their running average
    optimiser  AdamW's state
    rng        numpy's bit generator state
    """

    step: int
    batch: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    optimiser: dict[str, Any]
    rng: dict[str, Any]


def save(state: RunState, path: Path) -> None:
    """Write beside and rename, so that a kill leaves the old or the new file, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".partial")
    torch.save(vars(state), beside)
    os.replace(beside, path)


def load(path: Path) -> RunState:
    """Read it; CheckpointError when it is damaged."""
    try:
        with torch.serialization.safe_globals([np.ndarray]):
            return RunState(**torch.load(path, weights_only=True, map_location="cpu"))
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, TypeError, UnpicklingError) as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read ({reason}); put back a copy of it, or delete it to begin the run anew"
        ) from error
