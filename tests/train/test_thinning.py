"""Feed-forward parts with fewer units."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from masklet.model import checkpoints
from masklet.model.sam2 import Reading, Sam2
from masklet.train.borrowing import borrow_memory, shaped_like
from masklet.train.thinning import choose, thin_memory
from tiny_training import LITTLE, SIZE, little

THIN = replace(LITTLE, memory_hidden=16, fuser_expansion=1)


def photos(count: int = 8) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return coarse.repeat(SIZE // 8, axis=1).repeat(SIZE // 8, axis=2)


def test_units_that_say_the_same_are_one() -> None:
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(500, 6, generator=generator).relu()
    active = few[:, torch.arange(48) % 6]  # each unit eight times
    outer = nn.Linear(48, 10)
    units, weight, bias, left = choose(active, outer, 6)
    assert sorted(unit % 6 for unit in units.tolist()) == list(range(6))
    assert left < 1e-4
    assert torch.allclose(active[:, units] @ weight.T + bias, outer(active), atol=1e-2)


def test_units_are_chosen_better_than_by_chance() -> None:
    generator = torch.Generator().manual_seed(1)
    mixed = torch.randn(800, 12, generator=generator) @ torch.randn(12, 64, generator=generator)
    active, outer = mixed.relu(), nn.Linear(64, 8)
    left = choose(active, outer, 20)[3]
    chance = choose(active[:, :20], nn.Linear(20, 8), 20)[3]  # all of them: nothing is left
    assert chance < 1e-3
    goal = (outer(active) - outer(active).mean(0)).detach()
    first = active[:, :20] - active[:, :20].mean(0)
    fitted = torch.linalg.lstsq(first, goal).solution
    assert left < 0.8 * float((first @ fitted - goal).square().sum() / goal.square().sum())


def test_a_thin_memory_gives_nearly_what_the_wide_one_gave() -> None:
    wide = little(0).eval().requires_grad_(False)
    narrow = Sam2(THIN).eval().requires_grad_(False)
    narrow.load_state_dict(checkpoints.split(wide.state_dict())[0], strict=False)
    thin_memory(wide, narrow, photos(), 0)
    generator = torch.Generator().manual_seed(5)
    pixels = torch.from_numpy(photos(9)[8]).permute(2, 0, 1)[None] / 255
    features = wide.encode((pixels - 0.45) / 0.23)
    logits = 5 * torch.randn(1, 1, SIZE // 4, SIZE // 4, generator=generator)
    memories = [one.remember(features, logits, torch.ones(1, 1), binary=False) for one in (wide, narrow)]
    assert _left(*memories) < 0.1
    reading = Reading((memories[0],), (1,), torch.zeros(1, 0, LITTLE.width), ())
    assert _left(*(one.condition(features, reading).stride16 for one in (wide, narrow))) < 0.1


def test_a_borrowed_memory_is_thinned(tmp_path: Path) -> None:
    lender = little(0)
    memory = checkpoints.split(lender.state_dict())[1]
    assert shaped_like(THIN, memory) == replace(LITTLE, name=THIN.name)
    states = []
    for _ in range(2):
        model = little(3, THIN)
        borrow_memory(model, memory, LITTLE, tmp_path, 0, photos)
        states.append(model.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert torch.equal(states[0]["memory_slot_embed"], memory["memory_slot_embed"])
    chosen = states[0]["memory_attention.layers.0.linear1.weight"]
    assert all((memory["memory_attention.layers.0.linear1.weight"] == row).all(1).any() for row in chosen)


def _left(wide: torch.Tensor, narrow: torch.Tensor) -> float:
    return float((wide - narrow).square().sum() / (wide - wide.mean()).square().sum())
