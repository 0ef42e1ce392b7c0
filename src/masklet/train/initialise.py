"""Starting values of the memory parts, for a model whose image path is already trained."""

from __future__ import annotations

import torch
from torch import nn

from masklet.model.sam2 import Sam2


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
        # Fuser blocks start at a tenth, not at 1e-6: a short run never gets them off the ground else.
        for layer in model.memory_encoder.fuser.layers:
            nn.init.constant_(layer.gamma, 0.1)
