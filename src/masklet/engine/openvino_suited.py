"""Layers that compute the same in the operations that OpenVINO's CPU plugin runs quickest."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.layers import LayerNorm2d
from masklet.model.memory_encoder import FuserBlock


class ChannelNorm(nn.Module):
    """`LayerNorm2d` in place: maps are turned over for a norm over the last axis, and turned back."""

    def __init__(self, norm: LayerNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(1, keepdim=True)
        x = x * torch.rsqrt((x * x).mean(1, keepdim=True) + self.eps)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


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
