"""A small convolutional trunk and its neck: the image encoder of masklet-nano.

The trunk is EfficientNet-Lite (Tan & Le, 2019; the Lite variant has neither squeeze-and-excite nor swish,
so it runs well in eight bits). Its batch norms are kept as what they are in use, a factor and a shift a
channel (`Affine`): training and use are then the same, whatever the batch.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import LiteConfig, LiteStage
from masklet.model.layers import LayerNorm2d, attend, join_heads, split_heads


class Affine(nn.Module):
    """A batch norm that has finished learning its statistics: x · weight + bias, per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class SameConv(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: at stride 2 the odd pixel of padding is right and below.

    The pretrained weights were learned so; symmetric padding would shift every map by half a pixel.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, groups=groups, bias=False)
        total = kernel - stride if stride > 1 else kernel - 1
        self.before, self.after = total // 2, total - total // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.before == self.after:
            return F.conv2d(x, self.weight, None, self.stride, self.before, 1, self.groups)
        x = F.pad(x, (self.before, self.after, self.before, self.after))
        return F.conv2d(x, self.weight, None, self.stride, 0, 1, self.groups)


class InvertedBlock(nn.Module):
    """Widen, look around channel by channel, narrow; with a shortcut where shapes allow."""

    def __init__(self, inputs: int, outputs: int, expand: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expand
        self.shortcut = stride == 1 and inputs == outputs
        self.expand = nn.Conv2d(inputs, inner, 1, bias=False) if expand > 1 else None
        self.expand_norm = Affine(inner) if expand > 1 else None
        self.depthwise = SameConv(inner, inner, kernel, stride, groups=inner)
        self.depthwise_norm = Affine(inner)
        self.project = nn.Conv2d(inner, outputs, 1, bias=False)
        self.project_norm = Affine(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self.expand is not None and self.expand_norm is not None:
            y = F.relu6(self.expand_norm(self.expand(y)))
        y = F.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.shortcut else y


class LiteTrunk(nn.Module):
    """[B, 3, S, S] → the last maps at strides 4, 8, 16 and 32."""

    def __init__(self, config: LiteConfig) -> None:
        super().__init__()
        self.stem = SameConv(3, config.stem, 3, 2)
        self.stem_norm = Affine(config.stem)
        self.blocks = nn.ModuleList()
        self.ends: list[int] = []
        inputs = config.stem
        for stage, later in pairwise((*config.stages, LiteStage(0, 0, 2, 0, 0))):
            for number in range(stage.blocks):
                stride = stage.stride if number == 0 else 1
                self.blocks.append(InvertedBlock(inputs, stage.width, stage.expand, stage.kernel, stride))
                inputs = stage.width
            if later.stride == 2:
                self.ends.append(len(self.blocks) - 1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem_norm(self.stem(pixels)))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        # The first end, at stride 2, is finer than anything the decoder reads.
        return maps[-4:]


class Context(nn.Module):
    """Every place of the coarsest map attends to all of it: what convolutions this small cannot see."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(self.norm(tokens)).chunk(3, dim=-1))
        tokens = tokens + self.out(join_heads(attend(q, k, v)))
        return tokens.transpose(1, 2).unflatten(2, x.shape[2:])


class Mix(nn.Module):
    """Depthwise k × k, then a pointwise MLP; a residual block."""

    def __init__(self, width: int, hidden: int, kernel: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = LayerNorm2d(width)
        self.widen = nn.Conv2d(width, hidden, 1)
        self.narrow = nn.Conv2d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.narrow(F.relu(self.widen(self.norm(self.depthwise(x)))))


class LiteNeck(nn.Module):
    """Four maps → stride 4 with width / 8 channels, stride 8 with width / 4, stride 16 with width.

    The fine maps come as the decoder adds them: learning them narrow is cheaper than projecting them.
    """

    def __init__(self, config: LiteConfig, width: int) -> None:
        super().__init__()
        stride4, stride8, stride16, stride32 = config.map_widths
        self.from32 = nn.Conv2d(stride32, width, 1)
        self.context = Context(width, config.heads)
        self.from16 = nn.Conv2d(stride16, width, 1)
        self.mixes = nn.Sequential(*(Mix(width, config.hidden, 5) for _ in range(config.mixes)))
        self.to16 = nn.Conv2d(width, width, 1)
        self.down8 = nn.Conv2d(width, width // 4, 1)
        self.from8 = nn.Conv2d(stride8, width // 4, 1)
        self.mix8 = Mix(width // 4, width // 2, 3)
        self.to8 = nn.Conv2d(width // 4, width // 4, 1)
        self.down4 = nn.Conv2d(width // 4, width // 8, 1)
        self.from4 = nn.Conv2d(stride4, width // 8, 1)
        self.mix4 = Mix(width // 8, width // 8, 3)
        self.to4 = nn.Conv2d(width // 8, width // 8, 1)

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        stride4, stride8, stride16, stride32 = maps
        x16 = self.mixes(self.from16(stride16) + _twice(self.context(self.from32(stride32))))
        x8 = self.mix8(self.from8(stride8) + _twice(self.down8(x16)))
        x4 = self.mix4(self.from4(stride4) + _twice(self.down4(x8)))
        return self.to4(x4), self.to8(x8), self.to16(x16)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
