"""Random weights under which a network does something: masks have both signs, scores vary."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masklet.model.config import HieraConfig, Sam2Config

SMALL = Sam2Config(
    "small-for-tests",
    HieraConfig(16, 1, (1, 2, 3, 1), (5,)),
    input_size=128,
    memory_layers=2,
    memory_hidden=128,
)
"""Published widths where the published code fixes them, and little of everything else."""


def randomise(model: nn.Module, seed: int) -> None:
    """Fill every parameter and buffer that a checkpoint holds, each kind at a scale that keeps signals alive.

    Projections are as in a trained network's order of size (variance kept), norms near 1, and all that
    trained networks start at zero (embeddings, positions, layer scales) is far from zero, so that
    forgetting one of them shows.
    """
    generator = torch.Generator().manual_seed(seed)
    kinds = {id(p): module for module in model.modules() for p in module.parameters(recurse=False)}
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(_scaled(noise, kinds[id(parameter)], name))


def _scaled(noise: Tensor, module: nn.Module, name: str) -> Tensor:
    bias = name.endswith("bias")
    if isinstance(module, nn.LayerNorm):
        return 0.1 * noise if bias else 1 + 0.1 * noise
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        if bias:
            return 0.1 * noise
        fan_in = noise.shape[0] if isinstance(module, nn.ConvTranspose2d) else noise[0].numel()
        return noise / fan_in**0.5
    return 0.5 * noise


def scale(model: nn.Module, layer: str, factor: float) -> None:
    """Multiply a layer's weight and bias."""
    with torch.no_grad():
        for part in ("weight", "bias"):
            model.get_parameter(f"{layer}.{part}").mul_(factor)
