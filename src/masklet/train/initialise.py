"""Starting values of the memory parts, for a model whose image path is already trained."""

from __future__ import annotations

import torch
from torch import nn

from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.sam2 import Sam2

FEATURE_SPREAD = 0.27
"""Standard deviation over the channels of a stride-16 token of SAM 2 Hiera-Tiny, no-memory embedding
included: median over 24 photos at 256."""

BRANCH_SCALE = 0.2
"""What the residual branches of memory attention are multiplied by at the start."""


def initialise_memory(model: Sam2, seed: int) -> None:
    """Set the parts an image checkpoint lacks; the rest is untouched."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name in ("memory_slot_embed", "no_object_pointer", "no_object_embed"):
            if hasattr(model, name):
                parameter = getattr(model, name)
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
        # The decoder was trained on priors that are logits: a mask of 0 / 1 enters as ±10.
        nn.init.constant_(model.mask_downsample.weight, 20 / 16)
        nn.init.constant_(model.mask_downsample.bias, -10)
        # Objects count as visible until the head has learned better; otherwise nothing is remembered.
        last = model.mask_decoder.pred_obj_score_head.layers[-1]
        assert isinstance(last, nn.Linear)
        nn.init.constant_(last.bias, 3.0)
        # The decoder was trained on image features, whose tokens have a spread of about a quarter; the
        # last norm would make it one, and a short run cannot learn that away. Branches start small,
        # so that tracking begins as the image model and memory is what is learned.
        nn.init.constant_(model.memory_attention.norm.weight, FEATURE_SPREAD)
        for block in model.memory_attention.layers:
            for branch in (block.self_attn.out_proj, block.cross_attn_image.out_proj, block.linear2):
                branch.weight.mul_(BRANCH_SCALE)
                branch.bias.zero_()
        # Fuser blocks start at a tenth, not at 1e-6: a short run never gets them off the ground else.
        for layer in model.memory_encoder.fuser.layers:
            nn.init.constant_(layer.gamma, 0.1)
        if model.memory_encoder.pooled:
            average_places(model.memory_encoder)


def average_places(encoder: MemoryEncoder) -> None:
    """Let the pool give the mean of the places it merges."""
    channels, _, side, _ = encoder.pool.weight.shape
    each = torch.arange(channels)
    with torch.no_grad():
        encoder.pool.weight.zero_()
        encoder.pool.weight[each, each] = 1 / side**2
        nn.init.zeros_(encoder.pool.bias)
