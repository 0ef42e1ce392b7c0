"""The model's verbs as training calls them; with `Recomputed`, in a fraction of the memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from masklet.model.config import Sam2Config
from masklet.model.sam2 import Decoded, Features, Prompts, Reading, Sam2


class Verbs(Protocol):
    """What a rollout needs of a model; `Sam2` is one."""

    config: Sam2Config

    def condition(self, features: Features, reading: Reading | None) -> Features: ...

    def decode(self, conditioned: Features, prompts: Prompts, *, multimask: bool) -> Decoded: ...

    def decode_mask(self, features: Features, masks: Tensor) -> Decoded: ...

    def remember(self, features: Features, logits: Tensor, occlusion: Tensor, *, binary: bool) -> Tensor: ...


class Recomputed:
    """A model whose activations are computed again in the backward pass: only what goes from verb to verb
    is kept."""

    def __init__(self, model: Sam2) -> None:
        self.model = model
        self.config = model.config

    def condition(self, features: Features, reading: Reading | None) -> Features:
        return _again(lambda: self.model.condition(features, reading))

    def decode(self, conditioned: Features, prompts: Prompts, *, multimask: bool) -> Decoded:
        return _again(lambda: self.model.decode(conditioned, prompts, multimask=multimask))

    def decode_mask(self, features: Features, masks: Tensor) -> Decoded:
        return _again(lambda: self.model.decode_mask(features, masks))

    def remember(self, features: Features, logits: Tensor, occlusion: Tensor, *, binary: bool) -> Tensor:
        return _again(lambda: self.model.remember(features, logits, occlusion, binary=binary))


def encode(model: Sam2, pixels: Tensor, *, recompute: bool) -> Features:
    """Encode with gradients; `recompute` goes picture by picture and keeps no activations."""
    if not recompute:
        return model.encode(pixels)
    parts = [_again(partial(model.encode, one)) for one in pixels.split(1)]
    return Features(
        torch.cat([part.stride16 for part in parts]),
        torch.cat([part.stride8 for part in parts]),
        torch.cat([part.stride4 for part in parts]),
    )


def _again(compute: Callable[[], Any]) -> Any:
    # Nothing in the network is random, so no generator's state needs to be kept.
    return checkpoint(compute, use_reentrant=False, preserve_rng_state=False)
