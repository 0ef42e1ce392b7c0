"""Starting values by which a frame finds the object by its looks, before anything was learned.

Memory attention from random weights learns the shortcut first: the object is where it was. A short run
never leaves it; an object that jumped by a quarter of the frame was lost even where nothing else changed.
Here the queries and keys of the cross-attention start as the same whitened principal components of the
image features, so that attention is largest between tokens that look alike. Everything stays free to learn.

Components lie where rotary positions turn slowly, so that they are compared at any distance; the channels
that turn fast start with a constant, which makes near tokens a little more alike than far ones.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.memory_attention import RotaryAttention
from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.positions import sine_map
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Sam2

SLOW = 0.05
"""Rotary frequencies up to this, radians a token, compare looks; the others compare places."""

KEPT = 0.75
"""Share of the memory encoder's inner channels that start with looks; the rest start with the mask."""

FLOOR = 60
"""Components are whitened down to the variance of this one; beyond it there is mostly noise."""

NEARNESS = 0.6
"""Constant in the fast channels of queries and keys: about 2 more for a logit at no distance."""


def start_by_matching(model: Sam2, photos: np.ndarray, seed: int) -> None:
    """Set memory encoder and cross-attention by the statistics of the model's own image features.

    photos   uint8 [B, S, S, 3] RGB at the model's input size; about 40 are enough
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        features = _features(model, photos)
        tokens = features.flatten(2).transpose(1, 2).flatten(0, 1)
        mean = tokens.mean(0)
        whiten = _whitening(tokens - mean)
        looks = _unmoved_channels(model.config.memory_width)
        encoder = model.memory_encoder
        inner = int(KEPT * model.config.width)
        _start_encoder(encoder, whiten[:inner], mean, looks, generator)
        wanted = (tokens - mean) @ whiten[: len(looks)].T
        weight, bias = _query_fit(features, wanted)
        for layer in model.memory_attention.layers:
            _start_attention(layer.cross_attn_image, weight, bias, looks)


def _features(model: Sam2, photos: np.ndarray) -> Tensor:
    pixels = torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    return model.encode((pixels - mean) / std).stride16.float()


def _whitening(centred: Tensor) -> Tensor:
    """Centred tokens [N, C] → [C, C]: principal components, largest first, at unit variance."""
    variance, components = torch.linalg.eigh(torch.cov(centred.T))
    variance, components = variance.flip(0).clamp(min=0), components.flip(1).T
    return components / (variance + variance[FLOOR]).sqrt()[:, None]


def _unmoved_channels(memory_width: int) -> list[int]:
    """Channels of a memory whose position code hardly varies over the frame; the others hold the mask."""
    code = sine_map(32, 32, memory_width).flatten(1)
    return [i for i in range(memory_width) if float(code[i].max() - code[i].min()) < 0.4]


def _start_encoder(
    encoder: MemoryEncoder, whiten: Tensor, mean: Tensor, looks: list[int], generator: torch.Generator
) -> None:
    inner = len(whiten)
    project, last, out = encoder.pix_feat_proj, encoder.mask_downsampler.encoder[-1], encoder.out_proj
    assert isinstance(last, nn.Conv2d)
    assert project.bias is not None
    assert last.bias is not None
    assert out.bias is not None
    for layer in (project, out):
        layer.weight.zero_()
        nn.init.zeros_(layer.bias)
    project.weight[:inner, :, 0, 0] = whiten
    project.bias[:inner] = -whiten @ mean
    last.weight[:inner], last.bias[:inner] = 0, 0
    last.weight[inner:] *= 3
    mask = [i for i in range(out.out_channels) if i not in looks]
    out.weight[looks, range(len(looks)), 0, 0] = 1
    rest = out.in_channels - inner
    out.weight[mask, inner:, 0, 0] = 1.5 * torch.randn(len(mask), rest, generator=generator) / rest**0.5


def _query_fit(features: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The linear layer that reads the wanted components [N, k] off what queries are made of."""
    _, channels, height, width = features.shape
    seen = (features + 0.1 * sine_map(height, width, channels)).flatten(2).transpose(1, 2)
    inputs = F.layer_norm(seen, (channels,)).flatten(0, 1)
    inputs = torch.cat((inputs, torch.ones(len(inputs), 1)), dim=1)
    ridge = 0.01 * len(inputs) * torch.eye(channels + 1)
    fit = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ wanted).T
    return fit[:, :channels], fit[:, channels]


def _start_attention(attention: RotaryAttention, weight: Tensor, bias: Tensor, looks: list[int]) -> None:
    width = attention.q_proj.out_features
    quarter = width // 4
    slow_pairs = [i for i in range(quarter) if 10000.0 ** (-i / quarter) <= SLOW]
    slow = [2 * (i + axis * quarter) + half for axis in (0, 1) for i in slow_pairs for half in (0, 1)]
    fast = [i for i in range(width) if i not in slow]
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight.mul_(0.2)
        projection.bias.zero_()
        projection.bias[fast] = NEARNESS
    for place, channel in enumerate(slow):
        component = place % len(looks)
        attention.q_proj.weight[channel], attention.q_proj.bias[channel] = weight[component], bias[component]
        attention.k_proj.weight[channel] = 0
        attention.k_proj.weight[channel, looks[component]] = 1
    # What is read is first of all where the mask was; how the place looked is known already.
    mask = [i for i in range(attention.v_proj.in_features) if i not in looks]
    attention.v_proj.weight[:, mask] *= 2
    attention.v_proj.weight[:, looks] *= 0.3
    attention.out_proj.weight.mul_(1.5)
