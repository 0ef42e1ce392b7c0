"""A training run as data: everything that is not the model or the pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

from masklet.data.sampling import PromptMix
from masklet.train.damage import Slips
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
class Distillation:
    """How a student learns a teacher's image features, and then its masks."""

    features: tuple[float, float, float] = (1.0, 0.5, 0.5)
    """What the error of the maps at strides 16, 8 and 4 counts."""
    masks: float = 0.0
    """What the masks through the decoder count; 0 learns from features alone, at a third of the cost."""
    places: int = 0
    """Clicks anywhere in a picture beside those on its objects, when the plan is a click: what nobody
    labelled is learned too, and pictures without labels teach masks."""
    teacher_size: int = 0
    """Side of the teacher's input; 0 takes the student's. A larger one has sharper edges to teach."""


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
    image_rate: float = 1.0
    """Learning rate of the image encoder as a share of `rate` (SAM 2: 0.2)."""
    decoder_rate: float = 1.0
    """Learning rate of a mask decoder that learns, as a share of `rate`; its occlusion head has all of it."""
    layer_decay: float = 1.0
    """Each block of the image trunk learns at this share of the rate of the block after it (SAM 2: 0.8
    to 0.925)."""
    lora_rank: int = 0
    """Rank of what is added to the linear layers named by `lora`; 0 adds nothing."""
    lora: tuple[str, ...] = ("image_encoder.trunk.",)
    """Prefixes of the linear layers that learn through a low-rank addition instead of their weights."""
    accumulate: int = 1
    """Batches whose gradients make one step: a large batch on a small machine."""
    recompute: bool = False
    """Compute activations again in the backward pass instead of keeping them: slower, far less memory."""
    image_share: float = 0.0
    """Share of batches that are single pictures instead of clips; a batch is one or the other."""
    images: int = 8
    """Pictures in such a batch."""
    seed: int = 0
    dtype: str = "bfloat16"
    """Autocast type, or float32. Weights and their averages are float32 always."""
    matching: bool = False
    """Start a new memory so that it finds objects by their looks (`train/matching.py`)."""
    shuffle: float = 0.0
    """Probability that the frames after the first come in random order: large motion, no habit of place."""
    slips: Slips = field(default_factory=Slips)
    """What goes wrong with the memory on purpose."""
    prompts: PromptMix = field(default_factory=PromptMix)
    """What the first frame is given, and which later frames are corrected."""
    weights: LossWeights = field(default_factory=LossWeights)
    distillation: Distillation | None = None
    """Learn from a teacher instead of from tracking; None is ordinary training."""

    @property
    def learns_images(self) -> bool:
        """Whether the image encoder changes, so that features must be computed anew for every step."""
        low_rank = self.lora if self.lora_rank else ()
        return any(
            prefix.startswith("image_encoder") or "image_encoder.".startswith(prefix)
            for prefix in (*self.trainable, *low_rank)
        )

    @property
    def learns_decoding(self) -> bool:
        """Whether more than the memory learns: then the first frame's answer to a click is scored too."""
        return bool(self.lora_rank) or any(prefix not in MEMORY_PARTS for prefix in self.trainable)
