"""Layers that compute the same in the operations that OpenVINO's CPU plugin runs quickest."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.engine.openvino_recipes import NORMED, centred, unfolded
from masklet.model.layers import LayerNorm2d
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.memory_encoder import FuserBlock, MaskDownSampler

FEW = 16
"""Channels below which a map is quicker as rows of places."""


class ChannelNorm(nn.Module):
    """`LayerNorm2d` in place: maps are turned over for a norm over the last axis, and turned back."""

    def __init__(self, norm: LayerNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(1, keepdim=True)
        x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + self.eps)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class CentredDownSampler(nn.Module):
    """`MaskDownSampler`, its convolutions without the mean over channels that the norms would take away."""

    def __init__(self, sampler: MaskDownSampler) -> None:
        super().__init__()
        *layers, self.last = sampler.encoder
        self.convolutions = nn.ModuleList(_centred(layers[number]) for number in NORMED)
        self.norms = nn.ModuleList(layers[number + 1] for number in NORMED)

    def forward(self, masks: Tensor) -> Tensor:
        x = masks
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = convolution(x)
            shape = x.shape[2:]
            # Channels are what is computed side by side. Where they are few, places take that part.
            x = x.flatten(2) if x.shape[1] < FEW else x
            along = (slice(None), *[None] * (x.ndim - 2))
            x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + norm.eps)
            x = F.gelu(x * norm.weight[along] + norm.bias[along])
            x = x.unflatten(2, shape) if x.ndim == 3 else x
        return self.last(x)


def _centred(convolution: nn.Conv2d) -> nn.Conv2d:
    result = copy.deepcopy(convolution)
    with torch.no_grad():
        for part, whole in zip(result.parameters(), convolution.parameters(), strict=True):
            part.copy_(torch.from_numpy(centred(whole.detach().numpy())))
    return result


class RowDrawing(nn.Module):
    """`MaskDecoder.drawn` on rows: a transposed convolution whose stride is its size is a linear layer.

    Of every place come 2 × 2, of each of them 2 × 2 again, and they stay in that order: only the finished
    logits are put where they belong.
    """

    def __init__(self, decoder: MaskDecoder) -> None:
        super().__init__()
        grow1, self.norm, self.act, grow2, _ = decoder.output_upscaling
        self.grow1, self.grow2 = _linear(grow1), _linear(grow2)

    def forward(self, image: Tensor, kernels: Tensor, stride8: Tensor, stride4: Tensor) -> Tensor:
        frames, eighth, side = stride8.shape[0], stride8.shape[1], stride8.shape[2] // 2
        half = stride8.reshape(frames, eighth, side, 2, side, 2).permute(0, 2, 4, 3, 5, 1)
        half = half.reshape(frames, side * side, 4, eighth)
        whole = stride4.reshape(frames, -1, side, 2, 2, side, 2, 2).permute(0, 2, 5, 3, 6, 4, 7, 1)
        whole = whole.reshape(frames, side * side, 4, 4, -1)
        x = self.grow1(image[:, : side * side]).unflatten(2, (4, -1)) + half
        x = self.act(F.layer_norm(x, x.shape[-1:], self.norm.weight, self.norm.bias, self.norm.eps))
        x = self.act(self.grow2(x).unflatten(3, (4, -1)) + whole)
        logits = kernels @ x.flatten(1, 3).transpose(1, 2)
        masks = kernels.shape[1]
        logits = logits.reshape(-1, masks, side, side, 2, 2, 2, 2).permute(0, 1, 2, 4, 6, 3, 5, 7)
        return logits.reshape(-1, masks, 4 * side, 4 * side)


def _linear(convolution: nn.ConvTranspose2d) -> nn.Linear:
    weight = unfolded(convolution.weight.detach().numpy())
    result = nn.Linear(weight.shape[1], weight.shape[0])
    assert convolution.bias is not None
    with torch.no_grad():
        result.weight.copy_(torch.from_numpy(weight))
        result.bias.copy_(convolution.bias.repeat(4))
    return result


class ConvolutionFuser(nn.Module):
    """`FuserBlock`, its linear layers as 1 × 1 convolutions: no turning over between it and the 7 × 7."""

    def __init__(self, block: FuserBlock) -> None:
        super().__init__()
        self.dwconv, self.norm, self.act, self.gamma = block.dwconv, block.norm, block.act, block.gamma
        self.pwconv1, self.pwconv2 = block.pwconv1, block.pwconv2

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(_everywhere(self.pwconv1, self.norm(self.dwconv(x))))
        return x + self.gamma[:, None, None] * _everywhere(self.pwconv2, y)


def _everywhere(linear: nn.Linear, x: Tensor) -> Tensor:
    return F.conv2d(x, linear.weight[:, :, None, None], linear.bias)


def suit(module: nn.Module) -> None:
    """Exchange the layers inside for these; parameters and what is computed stay the same."""
    for name, child in list(module.named_children()):
        suit(child)
        if isinstance(child, LayerNorm2d):
            setattr(module, name, ChannelNorm(child))
        elif isinstance(child, FuserBlock):
            setattr(module, name, ConvolutionFuser(child))
        elif isinstance(child, MaskDownSampler):
            setattr(module, name, CentredDownSampler(child))
