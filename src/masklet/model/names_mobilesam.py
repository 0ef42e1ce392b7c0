"""MobileSAM's image encoder, as published → the state of a `TinyVit` trunk.

Published names look like `image_encoder.layers.1.blocks.0.attn.qkv.weight`. Batch norms come with their
statistics and are folded into the convolutions. The last stage, the neck, and blocks beyond those that the
trunk has are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from masklet.errors import CheckpointError
from masklet.model.config import TinyVitConfig

EPSILON = 1e-5
"""Of its batch norms."""

_WIDENING = {"conv1": "widen", "conv2": "around", "conv3": "narrow"}
_MERGING = {"conv1": "enter", "conv2": "around", "conv3": "leave"}
_PLAIN = {
    "attn.norm": "attention.norm",
    "attn.proj": "attention.out",
    "mlp.norm": "norm",
    "mlp.fc1": "widen",
    "mlp.fc2": "narrow",
}


def tinyvit_state(stored: Mapping[str, Tensor], config: TinyVitConfig) -> dict[str, Tensor]:
    """A state for `TinyVit`; SAM's pixels have the mean and deviation of SAM 2's.

    raises   CheckpointError when a weight is missing
    """
    state: dict[str, Tensor] = {}

    def fold(theirs: str, mine: str) -> None:
        weight, bias = _folded(stored, f"image_encoder.{theirs}")
        state[f"{mine}.weight"], state[f"{mine}.bias"] = weight, bias

    try:
        fold("patch_embed.seq.0", "stem1")
        fold("patch_embed.seq.2", "stem2")
        number = 0
        for stage, count in enumerate(config.blocks):
            if stage:
                for theirs, mine in _MERGING.items():
                    fold(f"layers.{stage - 1}.downsample.{theirs}", f"blocks.{number}.{mine}")
                number += 1
            for block in range(count):
                place, own = f"layers.{stage}.blocks.{block}", f"blocks.{number}"
                if stage:
                    fold(f"{place}.local_conv", f"{own}.around")
                    state.update(_windowed(stored, f"image_encoder.{place}", own, config.heads[stage - 1]))
                else:
                    for theirs, mine in _WIDENING.items():
                        fold(f"{place}.{theirs}", f"{own}.{mine}")
                number += 1
    except KeyError as error:
        raise CheckpointError(f"these are no MobileSAM weights: {error.args[0]} is missing") from error
    return state


def _windowed(stored: Mapping[str, Tensor], place: str, own: str, heads: int) -> dict[str, Tensor]:
    """A block with attention, but for its convolution."""
    state = {}
    for theirs, mine in _PLAIN.items():
        for part in ("weight", "bias"):
            state[f"{own}.{mine}.{part}"] = stored[f"{place}.{theirs}.{part}"]
    for part in ("weight", "bias"):
        # Theirs are grouped by head, and within a head queries, keys, values; ours the other way round.
        joint = stored[f"{place}.attn.qkv.{part}"]
        by_head = joint.reshape(heads, 3, -1, *joint.shape[1:])
        state[f"{own}.attention.qkv.{part}"] = by_head.transpose(0, 1).reshape(joint.shape)
    biases = stored[f"{place}.attn.attention_biases"]
    reach = round(biases.shape[1] ** 0.5)
    state[f"{own}.attention.biases"] = biases.reshape(heads, reach, reach)
    return state


def _folded(stored: Mapping[str, Tensor], place: str) -> tuple[Tensor, Tensor]:
    """A convolution and the batch norm after it as one weight and bias."""
    norm = f"{place}.bn"
    factor = stored[f"{norm}.weight"] / (stored[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = stored[f"{place}.c.weight"] * factor[:, None, None, None]
    return weight, stored[f"{norm}.bias"] - stored[f"{norm}.running_mean"] * factor
