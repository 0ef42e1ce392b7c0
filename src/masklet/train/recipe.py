"""A training run as data: everything that is not the model or the pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from masklet.data.sampling import PromptMix
from masklet.train.losses import LossWeights

MEMORY_PARTS = (
    "memory_attention.",
    "memory_encoder.",
    "memory_slot_embed",
    "pointer_proj.",
    "pointer_time_proj.",
    "no_object_pointer",
    "no_object_embed",
    "mask_downsample.",
    "mask_decoder.pred_obj_score_head.",
)
"""Parameters of the video memory: what an image checkpoint lacks."""


@dataclass(frozen=True)
class Recipe:
    """One run of the loop."""

    steps: int
    """Optimiser steps in all; the schedule ends there."""
    input_size: int = 256
    """S of the clips and the model."""
    clips: int = 4
    """Clips encoded together."""
    frames: int = 4
    """Frames a clip."""
    objects: int = 2
    """Most objects trained on in one clip."""
    reuse: int = 5
    """Steps taken on one encoded batch, each with its own objects, prompts and direction."""
    rate: float = 4e-4
    """Peak learning rate (AdamW)."""
    final_rate: float = 0.01
    """Last learning rate as a share of the peak (cosine)."""
    warmup: int = 100
    """Steps of linear warm-up."""
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept; 0 keeps the last weights."""
    trainable: tuple[str, ...] = MEMORY_PARTS
    """Prefixes of the parameters that learn; all others stay as they are."""
    seed: int = 0
    dtype: str = "bfloat16"
    """Autocast type, or float32."""
    prompts: PromptMix = field(default_factory=PromptMix)
    """What the first frame is given, and which later frames are corrected."""
    weights: LossWeights = field(default_factory=LossWeights)
