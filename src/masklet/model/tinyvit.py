"""A small trunk of convolutions and windowed attention, for masklet-nano.

TinyViT (Wu et al., 2022) as MobileSAM made it fit for segmentation (Zhang et al., 2023), without its last
stage: maps at strides 4, 8 and 16, where the mask decoder reads. Batch norms are folded into the
convolutions before them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import TinyVitConfig
from masklet.model.layers import join_heads, split_heads


class Widening(nn.Module):
    """An inverted block: widen, look around channel by channel, narrow; with a shortcut."""

    def __init__(self, width: int, expand: int = 4) -> None:
        super().__init__()
        inner = width * expand
        self.widen = nn.Conv2d(width, inner, 1)
        self.around = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.narrow = nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.narrow(F.gelu(self.around(F.gelu(self.widen(x))))))


class Merging(nn.Module):
    """Another width at half the side."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, outputs, 1)
        self.around = nn.Conv2d(outputs, outputs, 3, stride=2, padding=1, groups=outputs)
        self.leave = nn.Conv2d(outputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(F.gelu(self.around(F.gelu(self.enter(x)))))


class WindowAttention(nn.Module):
    """Attention within windows; a learned bias a head for every distance down and across.

    reach   distances 0 … reach - 1 are learned; smaller windows use the shorter ones
    """

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.biases = nn.Parameter(torch.zeros(heads, reach, reach))

    def forward(self, x: Tensor, side: int) -> Tensor:
        """[windows, side², C] → the same shape."""
        parts = self.qkv(self.norm(x)).chunk(3, dim=-1)
        q, k, v = (split_heads(part, self.heads) for part in parts)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + self._bias(side).to(q.dtype)
        return self.out(join_heads(torch.softmax(scores, dim=-1) @ v))

    def _bias(self, side: int) -> Tensor:
        """[heads, side², side²]."""
        step = torch.arange(side, device=self.biases.device)
        apart = (step[:, None] - step).abs()
        bias = self.biases[:, apart][:, :, :, apart]
        return bias.permute(0, 1, 3, 2, 4).reshape(self.heads, side**2, side**2)


class WindowBlock(nn.Module):
    """Attention in windows, a 3 × 3 look across their borders, an MLP; [B, C, H, W] → the same."""

    def __init__(self, width: int, heads: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.attention = WindowAttention(width, heads, reach)
        self.around = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.LayerNorm(width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, c, height, across = x.shape
        side = window_side(height, self.reach)
        rows, columns = height // side, across // side
        tokens = x.reshape(b, c, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
        tokens = self.attention(tokens.reshape(-1, side * side, c), side)
        tokens = tokens.reshape(b, rows, columns, side, side, c).permute(0, 5, 1, 3, 2, 4)
        x = self.around(x + tokens.reshape(b, c, height, across))
        y = self.narrow(F.gelu(self.widen(self.norm(x.permute(0, 2, 3, 1)))))
        return x + y.permute(0, 3, 1, 2)


def window_side(length: int, reach: int) -> int:
    """The largest window that divides a map of this side and stays within reach: nothing is padded."""
    return max(side for side in range(1, reach + 1) if length % side == 0)


class TinyVit(nn.Module):
    """[B, 3, S, S] → maps at strides 4, 8 and 16."""

    def __init__(self, config: TinyVitConfig) -> None:
        super().__init__()
        first, second, third = config.widths
        self.stem1 = nn.Conv2d(3, first // 2, 3, stride=2, padding=1)
        self.stem2 = nn.Conv2d(first // 2, first, 3, stride=2, padding=1)
        fine, middle, coarse = config.blocks
        self.blocks = nn.ModuleList(Widening(first) for _ in range(fine))
        self.blocks.append(Merging(first, second))
        self.blocks.extend(WindowBlock(second, config.heads[0], config.reaches[0]) for _ in range(middle))
        self.blocks.append(Merging(second, third))
        self.blocks.extend(WindowBlock(third, config.heads[1], config.reaches[1]) for _ in range(coarse))
        self.ends = (fine - 1, fine + middle, fine + middle + coarse + 1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = self.stem2(F.gelu(self.stem1(pixels)))
        maps = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.ends:
                maps.append(x)
        return maps
