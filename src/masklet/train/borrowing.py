"""A memory that starts as another network's: of the same width, with more layers or units, or finer masks.

A student that has learned its teacher's features can read them with the teacher's memory, too. What differs
is taken care of: layers of memory attention beyond the student's are left out, where the student's memory
encoder gets smaller masks, the convolutions that see them first are fitted to give what the teacher's give,
where it merges places, it starts with their mean, where it has fewer hidden units, those that matter most are
taken over (`masklet.train.thinning`), and where it has fewer temporal slots, the nearest frames' stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.errors import ConfigError
from masklet.model import checkpoints
from masklet.model.config import Sam2Config
from masklet.model.memory_encoder import MaskDownSampler
from masklet.model.sam2 import Sam2
from masklet.train.blobs import blobs
from masklet.train.initialise import average_places
from masklet.train.thinning import thin_memory

POOL = "memory_encoder.pool."
"""What merges places: only a memory encoder with a pool has it."""

SLOTS = "memory_slot_embed"
"""Embeddings of the temporal slots: row k is for the frame k + 1 steps ago, the last for prompted ones."""

FIRST = 6
"""Parts of the mask path that see masks finer than stride 4: two convolutions with norm and activation."""


Photos = Callable[[], np.ndarray]
"""Makes uint8 [B, S, S, 3] RGB at the model's input size, when they are needed."""


def borrow_memory(
    model: Sam2,
    memory: Mapping[str, Tensor],
    lender: Sam2Config,
    source: Path,
    seed: int,
    photos: Photos | None = None,
) -> None:
    """Set the model's memory path to the lender's; the image path has to be there.

    memory   the lender's memory path
    photos   about 40, for choosing hidden units where the lender has more of them
    raises   CheckpointError when a part does not fit, ConfigError when the lender gets the smaller masks or
             merges other places, has fewer slots, or when units have to be chosen without photos
    """
    if lender.memory_mask_stride > model.config.memory_mask_stride:
        raise ConfigError(
            f"{model.config.name} cannot start from the memory of {lender.name}: that gets masks of S/"
            f"{lender.memory_mask_stride}, this of S/{model.config.memory_mask_stride}"
        )
    if lender.memory_pool not in (1, model.config.memory_pool):
        raise ConfigError(
            f"{model.config.name} cannot start from the memory of {lender.name}: places merge by "
            f"{lender.memory_pool} there, by {model.config.memory_pool} here"
        )
    mine = model.config
    if lender.slots < mine.slots:
        raise ConfigError(
            f"{mine.name} cannot start from the memory of {lender.name}: that has {lender.slots} temporal "
            f"slots, this {mine.slots}"
        )
    if lender.slots > mine.slots:
        memory = dict(memory) | {SLOTS: nearest_slots(memory[SLOTS], mine.slots)}
        lender = replace(lender, slots=mine.slots)
    if lender.memory_hidden > mine.memory_hidden or lender.fuser_expansion > mine.fuser_expansion:
        if photos is None:
            raise ConfigError(
                f"{mine.name} has fewer hidden units than {lender.name}; photos are needed to choose them"
            )
        wide = _as_wide_as(lender, model)
        borrow_memory(wide, memory, lender, source, seed)
        thin_memory(wide, model, photos(), seed)
        return
    layers = tuple(
        f"memory_attention.layers.{n}." for n in range(model.config.memory_layers, lender.memory_layers)
    )
    memory = {name: tensor for name, tensor in memory.items() if not name.startswith(layers)}
    _, wanted = checkpoints.split(model.state_dict())
    if model.memory_encoder.pooled and lender.memory_pool == 1:
        average_places(model.memory_encoder)
        wanted = {name: tensor for name, tensor in wanted.items() if not name.startswith(POOL)}
    checkpoints.check_fit(wanted, memory, source)
    model.load_state_dict(memory, strict=False)
    if lender.memory_mask_stride < model.config.memory_mask_stride:
        fit_mask_path(model.memory_encoder.mask_downsampler, model.config, seed)


def nearest_slots(table: Tensor, count: int) -> Tensor:
    """The embeddings [count, 1, 1, c] of the nearest recent frames and of prompted ones."""
    return torch.cat((table[: count - 1], table[-1:]))


def shaped_like(config: Sam2Config, memory: Mapping[str, Tensor]) -> Sam2Config:
    """The network that a memory was saved from: its hidden units and its pool may be other than today's."""
    if (inner := memory.get("memory_attention.layers.0.linear1.weight")) is not None:
        config = replace(config, memory_hidden=len(inner))
    if (inner := memory.get("memory_encoder.fuser.layers.0.pwconv1.weight")) is not None:
        config = replace(config, fuser_expansion=len(inner) // config.width)
    if (table := memory.get(SLOTS)) is not None:
        config = replace(config, slots=len(table))
    pool = memory.get(f"{POOL}weight")
    return replace(config, memory_pool=1 if pool is None else pool.shape[-1])


def _as_wide_as(lender: Sam2Config, model: Sam2) -> Sam2:
    """The model with the lender's hidden units; its image path is set."""
    config = replace(model.config, memory_hidden=lender.memory_hidden, fuser_expansion=lender.fuser_expansion)
    wide = Sam2(config).eval().requires_grad_(False)
    image, _ = checkpoints.split(model.state_dict())
    wide.load_state_dict(image, strict=False)
    return wide


def fit_mask_path(path: MaskDownSampler, config: Sam2Config, seed: int, steps: int = 200) -> float:
    """Let a mask path of stride 4, which holds weights of one of stride 1, give what that one gives.

    returns   the share of the variance that is left, mean of the last twenty steps
    """
    full = MaskDownSampler(config.width, 1)
    full.load_state_dict(path.state_dict())
    full.requires_grad_(False)
    first = nn.Sequential(*list(path.encoder)[:FIRST])
    learning = [parameter.requires_grad_() for parameter in first.parameters()]
    adam = torch.optim.Adam(learning, lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps, 1e-4)
    generator = torch.Generator().manual_seed(seed)
    left: list[float] = []
    for step in range(steps):
        logits = blobs(config.input_size // 4, generator)
        fine = F.interpolate(logits, scale_factor=4.0, mode="bilinear", align_corners=False)
        if step % 3 == 0:  # prompted masks enter as 0 or 1
            small, large = ((x > 0).float() for x in (logits, fine))
        else:
            small, large = logits.sigmoid(), fine.sigmoid()
        with torch.no_grad():
            goal = full(20 * large - 10)
        error = (path(20 * small - 10) - goal).square().mean() / goal.var()
        adam.zero_grad()
        error.backward()
        adam.step()
        schedule.step()
        left.append(float(error.detach()))
    path.zero_grad()
    return sum(left[-20:]) / len(left[-20:])
