"""Which parameters learn, how fast each of them, and how the rate goes through a run."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from masklet.train.recipe import MEMORY_PARTS, Recipe

IMAGE = "image_encoder."
DECODER = "mask_decoder."
_BLOCK = re.compile(r"image_encoder\.trunk\.blocks\.(\d+)\.")


@dataclass(frozen=True)
class Optimiser:
    """AdamW and what each of its groups makes of the rate.

    scales   one a parameter group, in their order; kept here because a checkpoint restores the groups
    """

    adamw: torch.optim.AdamW
    scales: tuple[float, ...]

    def set_rate(self, rate: float) -> None:
        for group, scale in zip(self.adamw.param_groups, self.scales, strict=True):
            group["lr"] = rate * scale


def optimiser_of(trainable: Mapping[str, nn.Parameter], recipe: Recipe, blocks: int) -> Optimiser:
    """Weights decay, biases, norms and embeddings of one dimension do not.

    blocks   of the image trunk
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    scales = {name: scale_of(name, recipe, blocks) for name in trainable}
    # Plain runs keep two groups, decayed first, as all checkpoints have them.
    for scale in sorted(set(scales.values()), reverse=True):
        groups[scale, True], groups[scale, False] = [], []
    for name, parameter in trainable.items():
        groups[scales[name], parameter.ndim > 1].append(parameter)
    adamw = torch.optim.AdamW(
        [
            {"params": parameters, "weight_decay": recipe.weight_decay if decays else 0.0}
            for (_, decays), parameters in groups.items()
        ],
        lr=recipe.rate,
    )
    return Optimiser(adamw, tuple(scale for scale, _ in groups))


def scale_of(name: str, recipe: Recipe, blocks: int) -> float:
    """A parameter's share of the learning rate.

    The mask decoder learns at `decoder_rate`, the image encoder at `image_rate`; going down from its neck,
    each trunk block at `layer_decay` of the one after it, and what comes before the first block at one more.
    """
    if name.startswith(MEMORY_PARTS):
        return 1.0
    if name.startswith(DECODER):
        return recipe.decoder_rate
    if not name.startswith(IMAGE):
        return 1.0
    if not name.startswith(IMAGE + "trunk."):
        return recipe.image_rate
    block = _BLOCK.match(name)
    depth = blocks - int(block.group(1)) if block else blocks + 1
    return recipe.image_rate * recipe.layer_decay**depth


def trunk_blocks(model: nn.Module) -> int:
    """Blocks of the image trunk."""
    return len({m.group(1) for name, _ in model.named_parameters() if (m := _BLOCK.match(name))})


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then cosine down to `final_rate`."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    low = recipe.rate * recipe.final_rate
    return low + (recipe.rate - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
