"""EfficientNet-Lite weights as PyTorch ports publish them → a lite trunk's state.

Published names look like `_blocks.3._depthwise_conv.weight`; batch norms come with their statistics and
are folded into a factor and a shift a channel. The last block and the classifier are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from masklet.errors import CheckpointError

EPSILON = 1e-3
"""Of EfficientNet's batch norms."""

_PIXEL_OFFSET, _PIXEL_RANGE = 127 / 255, 128 / 255
"""EfficientNet-Lite reads pixels as (p - 127) / 128."""

_PARTS = (
    ("_expand_conv", "expand", "_bn0", "expand_norm"),
    ("_depthwise_conv", "depthwise", "_bn1", "depthwise_norm"),
    ("_project_conv", "project", "_bn2", "project_norm"),
)


def lite_state(
    stored: Mapping[str, Tensor], blocks: int, mean: tuple[float, ...], std: tuple[float, ...]
) -> dict[str, Tensor]:
    """A state for `LiteTrunk` with this many blocks, fed with pixels of this mean and deviation (0 … 1).

    raises   CheckpointError when a weight is missing
    """
    try:
        factor, shift = _folded(stored, "_bn0")
        weight = stored["_conv_stem.weight"]
        # The trunk gets (p - mean) / std; what it was trained on is a · x + b of that, channel by channel.
        a = torch.tensor(std) / _PIXEL_RANGE
        b = (torch.tensor(mean) - _PIXEL_OFFSET) / _PIXEL_RANGE
        state = {
            "stem.weight": weight * a[None, :, None, None],
            "stem_norm.weight": factor,
            "stem_norm.bias": shift + factor * (weight.sum((2, 3)) @ b),
        }
        for number in range(blocks):
            theirs, mine = f"_blocks.{number}.", f"blocks.{number}."
            for conv, my_conv, norm, my_norm in _PARTS:
                if conv == "_expand_conv" and theirs + conv + ".weight" not in stored:
                    continue  # the first block does not widen
                state[f"{mine}{my_conv}.weight"] = stored[f"{theirs}{conv}.weight"]
                factor, shift = _folded(stored, theirs + norm)
                state[f"{mine}{my_norm}.weight"], state[f"{mine}{my_norm}.bias"] = factor, shift
    except KeyError as error:
        raise CheckpointError(
            f"these are no EfficientNet-Lite weights: {error.args[0]} is missing"
        ) from error
    return state


def _folded(stored: Mapping[str, Tensor], norm: str) -> tuple[Tensor, Tensor]:
    """A batch norm as a factor and a shift."""
    factor = stored[norm + ".weight"] / (stored[norm + ".running_var"] + EPSILON).sqrt()
    return factor, stored[norm + ".bias"] - stored[norm + ".running_mean"] * factor
