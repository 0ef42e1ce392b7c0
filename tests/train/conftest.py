"""A network and a clip small enough to train on in a test."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from masklet.data.clips import Clip
from masklet.model.config import HieraConfig, Sam2Config
from masklet.model.sam2 import Sam2
from parity.weights import randomise

SIZE = 64

LITTLE = Sam2Config(
    "little-for-tests",
    HieraConfig(16, 1, (1, 1, 1, 1), (2,)),
    input_size=SIZE,
    width=64,
    memory_width=16,
    memory_layers=1,
    memory_hidden=64,
    decoder_hidden=64,
)


def little(seed: int = 0) -> Sam2:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the positions' random matrix is a buffer, which `randomise` leaves alone
        model = Sam2(LITTLE)
    randomise(model, seed)
    return model


def moving_squares(frames: int = 3, leaves: int | None = None) -> Clip:
    """A bright square that moves and a dark one that rests; the first is gone from frame `leaves` on."""
    pictures = np.full((frames, SIZE, SIZE, 3), 90, np.uint8)
    masks = np.zeros((frames, 2, SIZE, SIZE), bool)
    for t in range(frames):
        masks[t, 1, 36:56, 8:28] = True
        if leaves is None or t < leaves:
            masks[t, 0, 8:28, 8 + 8 * t : 28 + 8 * t] = True
        pictures[t, masks[t, 1]] = 20
        pictures[t, masks[t, 0]] = (250, 200, 60)
    return Clip(pictures, masks, masks.any(axis=(2, 3)))


@pytest.fixture
def model() -> Sam2:
    return little()


@pytest.fixture
def new_model() -> Callable[[], Sam2]:
    """Makes the same model every time."""
    return little


@pytest.fixture
def clip() -> Callable[..., Clip]:
    return moving_squares
