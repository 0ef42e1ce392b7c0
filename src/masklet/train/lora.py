"""LoRA: linear layers that learn through a low-rank addition to their weights (Hu et al., 2021).

The addition is a parametrisation of the weight, so the network's code does not know about it, and it is
worked into the weight when a run is saved: the result is an ordinary checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from masklet.errors import ConfigError

_ORIGINAL = ".parametrizations.weight.original"
_DOWN, _UP = ".parametrizations.weight.0.down", ".parametrizations.weight.0.up"


class LowRank(nn.Module):
    """W → W + up · down; starts as W."""

    def __init__(self, outputs: int, inputs: int, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, inputs, generator=generator) / rank)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def add_lora(model: nn.Module, prefixes: tuple[str, ...], rank: int, seed: int) -> list[str]:
    """Give every linear layer whose name begins with a prefix an addition of this rank.

    returns   the names of the new parameters, the only ones of these layers that should learn
    raises    ConfigError when there is no such layer
    """
    generator = torch.Generator().manual_seed(seed)
    layers = [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(prefixes)
    ]
    if not layers:
        raise ConfigError(f"recipe.lora: no linear layer's name begins with {', '.join(prefixes)}")
    for _, module in layers:
        parametrize.register_parametrization(
            module, "weight", LowRank(module.out_features, module.in_features, rank, generator)
        )
    return [name + end for name, _ in layers for end in (_DOWN, _UP)]


def without_lora(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with the additions worked into the weights, under the network's own names."""
    merged: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith((_DOWN, _UP)):
            continue
        if name.endswith(_ORIGINAL):
            layer = name.removesuffix(_ORIGINAL)
            up, down = state[layer + _UP], state[layer + _DOWN]
            merged[layer + ".weight"] = tensor + up.to(tensor) @ down.to(tensor)
        else:
            merged[name] = tensor
    return merged
