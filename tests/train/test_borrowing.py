"""A memory that starts as another network's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.sam2 import Sam2
from masklet.train.borrowing import borrow_memory, fit_mask_path, shaped_like
from parity.weights import randomise
from tiny_training import LITTLE, LITTLE_VIT, little

LENDER = replace(LITTLE, memory_layers=2)
STUDENT = replace(LITTLE, name="borrower-for-tests", trunk=LITTLE_VIT, memory_mask_stride=4)


def lent() -> dict[str, torch.Tensor]:
    return checkpoints.split(little(0, LENDER).state_dict())[1]


def test_what_is_alike_is_taken_over(tmp_path: Path) -> None:
    model, memory = Sam2(STUDENT), lent()
    borrow_memory(model, memory, LENDER, tmp_path, 0)
    mine = checkpoints.split(model.state_dict())[1]
    fitted = tuple(f"memory_encoder.mask_downsampler.encoder.{n}." for n in range(6))
    assert all(torch.equal(mine[n], memory[n]) for n in mine if not n.startswith(fitted))
    assert any(not torch.equal(mine[n], memory[n]) for n in mine if n.startswith(fitted))
    assert {n for n in memory if n not in mine} == {n for n in memory if "memory_attention.layers.1." in n}
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_pool_starts_with_the_mean_of_its_places(tmp_path: Path) -> None:
    model = Sam2(replace(STUDENT, memory_pool=2))
    borrow_memory(model, lent(), LENDER, tmp_path, 0)
    seen = torch.randn(2, model.config.width, 4, 4)
    assert torch.allclose(model.memory_encoder.pool(seen), F.avg_pool2d(seen, 2), atol=1e-6)


def test_with_fewer_slots_the_nearest_frames_stay(tmp_path: Path) -> None:
    model, memory = Sam2(replace(STUDENT, slots=3)), lent()
    assert shaped_like(model.config, memory).slots == LENDER.slots
    borrow_memory(model, memory, LENDER, tmp_path, 0)
    wanted = memory["memory_slot_embed"][[0, 1, LENDER.slots - 1]]  # one and two frames ago; prompted
    assert torch.equal(model.memory_slot_embed, wanted)


def test_a_mask_path_learns_to_do_with_less() -> None:
    model = Sam2(STUDENT)
    randomise(model, 1)
    path = model.memory_encoder.mask_downsampler
    before = fit_mask_path(path, STUDENT, 0, steps=1)
    assert fit_mask_path(path, STUDENT, 0, steps=150) < 0.7 * before


def test_the_same_seed_gives_the_same_start(tmp_path: Path) -> None:
    states = []
    for _ in range(2):
        model = little(3, STUDENT)
        borrow_memory(model, lent(), LENDER, tmp_path, 5)
        states.append(model.state_dict())
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="wrong shape"):
        borrow_memory(Sam2(replace(STUDENT, memory_hidden=128)), lent(), LENDER, tmp_path, 0)
    with pytest.raises(ConfigError, match="fewer hidden units than little-for-tests; photos are needed"):
        borrow_memory(Sam2(replace(STUDENT, memory_hidden=32)), lent(), LENDER, tmp_path, 0)
    with pytest.raises(ConfigError, match="cannot start from the memory of borrower-for-tests"):
        borrow_memory(little(0, LENDER), lent(), STUDENT, tmp_path, 0)
    with pytest.raises(ConfigError, match="has 3 temporal slots, this 7"):
        borrow_memory(little(0, STUDENT), lent(), replace(LENDER, slots=3), tmp_path, 0)
    with pytest.raises(ConfigError, match="places merge by 2 there, by 1 here"):
        borrow_memory(little(0, STUDENT), lent(), replace(LENDER, memory_pool=2), tmp_path, 0)
