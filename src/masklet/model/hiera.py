"""Hiera, the image trunk: a vision transformer in four stages with windowed attention.

Token maps are [B, H, W, C]. A stage's first block halves the map (its queries are max-pooled) and
doubles the channels; it still uses the windows of the stage before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import HieraConfig
from masklet.model.layers import MLP, attend, join_heads, split_heads


def pool(x: Tensor) -> Tensor:
    """2 × 2 max pool of [B, H, W, C]."""
    return F.max_pool2d(x.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)


def to_windows(x: Tensor, window: int) -> Tensor:
    """[B, H, W, C] → [B · windows, window, window, C], zero-padded at the bottom and right."""
    _, h, w, c = x.shape
    x = F.pad(x, (0, 0, 0, -w % window, 0, -h % window))
    b, h, w, _ = x.shape
    x = x.reshape(b, h // window, window, w // window, window, c)
    return x.transpose(2, 3).reshape(-1, window, window, c)


def from_windows(x: Tensor, window: int, height: int, width: int) -> Tensor:
    """Undo to_windows for a map of height × width."""
    rows, columns = -(-height // window), -(-width // window)
    x = x.reshape(-1, rows, columns, window, window, x.shape[-1]).transpose(2, 3)
    x = x.reshape(-1, rows * window, columns * window, x.shape[-1])
    return x[:, :height, :width]


class Attention(nn.Module):
    """Multi-head attention on a map; with `pooled`, the queries are on a map of half the size."""

    def __init__(self, inputs: int, outputs: int, heads: int, pooled: bool) -> None:
        super().__init__()
        self.heads = heads
        self.pooled = pooled
        self.qkv = nn.Linear(inputs, 3 * outputs)
        self.proj = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        if self.pooled:
            q = pool(q)
        height, width = q.shape[1:3]
        y = attend(*(split_heads(t.flatten(1, 2), self.heads) for t in (q, k, v)))
        return self.proj(join_heads(y).unflatten(1, (height, width)))


@dataclass(frozen=True)
class BlockShape:
    """Where one block stands in the trunk. window 0 attends over the whole map."""

    inputs: int
    outputs: int
    heads: int
    window: int
    pooled: bool


def block_shapes(config: HieraConfig) -> list[BlockShape]:
    """The shape of every block, first to last."""
    shapes = []
    stage, width = 0, config.width
    for index in range(sum(config.blocks)):
        window = 0 if index in config.global_blocks else config.windows[stage]
        pooled = index in config.stage_starts[1:]
        if pooled:
            stage += 1
        outputs = config.stage_widths[stage]
        shapes.append(BlockShape(width, outputs, config.heads * 2**stage, window, pooled))
        width = outputs
    return shapes


class Block(nn.Module):
    """Attention and MLP, each with its norm before and its shortcut."""

    def __init__(self, shape: BlockShape) -> None:
        super().__init__()
        self.window = shape.window
        self.pooled = shape.pooled
        self.norm1 = nn.LayerNorm(shape.inputs, eps=1e-6)
        self.attn = Attention(shape.inputs, shape.outputs, shape.heads, shape.pooled)
        self.norm2 = nn.LayerNorm(shape.outputs, eps=1e-6)
        self.mlp = MLP(shape.outputs, 4 * shape.outputs, shape.outputs, 2, nn.GELU())
        if shape.inputs != shape.outputs:
            self.proj = nn.Linear(shape.inputs, shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        shortcut = pool(self.proj(y)) if self.pooled else x
        if self.window:
            window = self.window // 2 if self.pooled else self.window
            y = self.attn(to_windows(y, self.window))
            y = from_windows(y, window, *shortcut.shape[1:3])
        else:
            y = self.attn(y)
        x = shortcut + y
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    """Pixels → tokens at stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, kernel_size=7, stride=4, padding=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).permute(0, 2, 3, 1)


class Hiera(nn.Module):
    """[B, 3, S, S] → four maps [B, C, H, W] at strides 4, 8, 16, 32."""

    def __init__(self, config: HieraConfig) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(config.width)
        self.pos_embed = nn.Parameter(torch.zeros(1, config.width, *config.background))
        window = config.windows[0]
        self.pos_embed_window = nn.Parameter(torch.zeros(1, config.width, window, window))
        self.blocks = nn.ModuleList(Block(shape) for shape in block_shapes(config))
        self.stage_ends = {start - 1 for start in config.stage_starts[1:]} | {sum(config.blocks) - 1}

    def positions(self, height: int, width: int) -> Tensor:
        """A stretched background plus a tiled window → [1, height, width, C]."""
        background = F.interpolate(self.pos_embed, size=(height, width), mode="bicubic")
        window = self.pos_embed_window
        tiled = window.repeat(1, 1, height // window.shape[2], width // window.shape[3])
        return (background + tiled).permute(0, 2, 3, 1)

    def forward(self, pixels: Tensor) -> list[Tensor]:
        x = self.patch_embed(pixels)
        x = x + self.positions(x.shape[1], x.shape[2])
        maps = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.stage_ends:
                maps.append(x.permute(0, 3, 1, 2))
        return maps
