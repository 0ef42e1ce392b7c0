"""Small layers that several parts of the network share."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class MLP(nn.Module):
    """Linear layers with an activation between them."""

    def __init__(
        self, inputs: int, hidden: int, outputs: int, depth: int, activation: nn.Module | None = None
    ) -> None:
        super().__init__()
        widths = [inputs] + [hidden] * (depth - 1) + [outputs]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation if activation is not None else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)


def attend(q: Tensor, k: Tensor, v: Tensor, hidden: Tensor | None = None) -> Tensor:
    """Softmax attention; q [B, h, Q, d], k [B, h, K, d], v [B, h, K, e] → [B, h, Q, e].

    hidden   bool [K]: keys nobody looks at
    """
    if v.shape[-1] == q.shape[-1]:
        seen = None if hidden is None else ~hidden[None, None, None]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    # Narrow values (e < d) leave the fused kernels, so queries go through in blocks: the scores
    # of one block stay in the processor's cache, which measures faster than the fused kernel.
    block = 256
    parts = []
    scale = q.shape[-1] ** -0.5
    keys = k.transpose(-1, -2)
    for part in torch.split(q * scale, block, dim=-2):
        scores = part @ keys
        if hidden is not None:
            scores = scores.masked_fill(hidden, float("-inf"))
        parts.append(torch.softmax(scores, dim=-1) @ v)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-2)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[B, N, C] → [B, heads, N, C / heads]."""
    b, n, c = x.shape
    return x.reshape(b, n, heads, c // heads).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """[B, heads, N, d] → [B, N, heads · d]."""
    b, h, n, d = x.shape
    return x.transpose(1, 2).reshape(b, n, h * d)
