"""A checkpoint of sam2.1-hiera-tiny's shape that follows objects, from masklet-tiny's weights.

masklet-tiny has SAM 2's image path and two layers of memory attention where sam2.1-hiera-tiny has four. The
two that are missing are added so that they change nothing: what they would add to the features is zero. Any
code that runs sam2.1-hiera-tiny then does all of its work and gives masklet-tiny's masks, so that speed can
be compared on masks that can be compared too, with no download:

    python benchmarks/weights_of_published_shape.py /tmp/published.safetensors
    masklet bench --model /tmp/published.safetensors --engine openvino --against sam2 --frames 12 --warmup 8
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from masklet.model import checkpoints
from masklet.model.card import Card
from masklet.model.config import config_for
from masklet.model.registry import resolve
from masklet.model.sam2 import Sam2

SHAPE, LENDER = "sam2.1-hiera-tiny", "masklet-tiny"
SILENT = ("self_attn.out_proj", "cross_attn_image.out_proj", "linear2")
"""Layers whose results are added to the features."""


def weights() -> dict[str, torch.Tensor]:
    """All parameters of SHAPE."""
    given = checkpoints.load_states(resolve(LENDER).paths)
    network = Sam2(config_for(SHAPE))
    state = network.state_dict()
    state.update({name: value.float() for name, value in given.items()})
    first = config_for(LENDER).memory_layers
    for layer in range(first, config_for(SHAPE).memory_layers):
        home = f"memory_attention.layers.{layer}"
        for part in SILENT:
            for kind in ("weight", "bias"):
                state[f"{home}.{part}.{kind}"] = torch.zeros_like(state[f"{home}.{part}.{kind}"])
    network.load_state_dict(state)
    return network.state_dict()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    card = Card(SHAPE, "all", 1024, "Apache-2.0", f"{LENDER}, with layers that change nothing")
    checkpoints.save_state(target, weights(), card)
    print(target)
