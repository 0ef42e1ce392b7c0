"""A memory that starts as another network's: of the same widths, with more layers or finer masks.

A student that has learned its teacher's features can read them with the teacher's memory, too. What differs
is taken care of: layers of memory attention beyond the student's are left out, and where the student's memory
encoder gets smaller masks, the convolutions that see them first are fitted to give what the teacher's give.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.errors import ConfigError
from masklet.model import checkpoints
from masklet.model.config import Sam2Config
from masklet.model.memory_encoder import MaskDownSampler
from masklet.model.sam2 import Sam2

FIRST = 6
"""Parts of the mask path that see masks finer than stride 4: two convolutions with norm and activation."""


def borrow_memory(
    model: Sam2, memory: Mapping[str, Tensor], lender: Sam2Config, source: Path, seed: int
) -> None:
    """Set the model's memory path to the lender's.

    memory   the lender's memory path
    raises   CheckpointError when a part does not fit, ConfigError when the lender gets the smaller masks
    """
    if lender.memory_mask_stride > model.config.memory_mask_stride:
        raise ConfigError(
            f"{model.config.name} cannot start from the memory of {lender.name}: that gets masks of S/"
            f"{lender.memory_mask_stride}, this of S/{model.config.memory_mask_stride}"
        )
    layers = tuple(
        f"memory_attention.layers.{n}." for n in range(model.config.memory_layers, lender.memory_layers)
    )
    memory = {name: tensor for name, tensor in memory.items() if not name.startswith(layers)}
    _, wanted = checkpoints.split(model.state_dict())
    checkpoints.check_fit(wanted, memory, source)
    model.load_state_dict(memory, strict=False)
    if lender.memory_mask_stride < model.config.memory_mask_stride:
        fit_mask_path(model.memory_encoder.mask_downsampler, model.config, seed)


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
        logits = _blobs(config.input_size // 4, generator)
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


def _blobs(side: int, generator: torch.Generator) -> Tensor:
    """Logits [4, 1, side, side] of made-up masks: smooth shapes of many sizes, from faint to firm."""
    parts = []
    for _ in range(4):
        coarse = int(torch.randint(3, max(4, side // 3), (1,), generator=generator))
        noise = torch.randn(1, 1, coarse, coarse, generator=generator)
        shape = F.interpolate(noise, (side, side), mode="bicubic", align_corners=False)
        height, shift = torch.rand(2, generator=generator).tolist()
        parts.append((2 + 30 * height) * (shape + 1.5 * shift - 1))
    return torch.cat(parts).clamp(-25, 25)
