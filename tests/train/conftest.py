"""A network and a clip small enough to train on in a test."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from masklet.data.clips import Clip
from masklet.model.sam2 import Sam2
from tiny_training import little, moving_squares


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
