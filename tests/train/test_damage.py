"""Damaged memories: what changes and what does not."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from masklet.train.damage import damage  # noqa: E402


def _square() -> torch.Tensor:
    logits = torch.full((2, 1, 32, 32), -5.0)
    logits[0, 0, 8:20, 10:22] = 5.0
    return logits


def test_nothing_happens_at_probability_zero() -> None:
    assert torch.equal(damage(_square(), 0.0, np.random.default_rng(0)), _square())


def test_masks_are_damaged_and_empty_ones_stay_empty() -> None:
    kinds = set()
    for seed in range(40):
        damaged = damage(_square(), 1.0, np.random.default_rng(seed))
        assert damaged.shape == (2, 1, 32, 32)
        assert torch.equal(damaged[1], _square()[1])
        before, after = _square()[0, 0] > 0, damaged[0, 0] > 0
        kinds.add((bool((after & ~before).any()), bool((before & ~after).any())))
    # Something only added, something only taken away, and something moved.
    assert {(True, False), (False, True), (True, True)} <= kinds


def test_the_generator_decides() -> None:
    first, second = (damage(_square(), 0.5, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second)
