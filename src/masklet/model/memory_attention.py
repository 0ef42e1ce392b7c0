"""A frame's features read the memory bank."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import Sam2Config
from masklet.model.foveal import Outlook
from masklet.model.layers import attend
from masklet.model.positions import rotary_angles, rotate, sine_map

Angles = tuple[Tensor, Tensor]
"""Cosines and sines of `rotary_angles`."""


class RotaryAttention(nn.Module):
    """One-head attention with axial rotary positions on queries and keys.

    Keys may be memory_width wide. Values carry no rotation and there is one head, so
    attention · (W m + b) = W (attention · m) + b: narrow memory is averaged before it is projected,
    which costs a quarter of averaging after (exact).
    """

    def __init__(self, width: int, key_width: int) -> None:
        super().__init__()
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(key_width, width)
        self.v_proj = nn.Linear(key_width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        angles: Angles,
        key_angles: Angles | None = None,
        unrotated: int = 0,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """q [B, N, C]; k, v [B, M·N + unrotated, c], whose last `unrotated` keys have no place.

        key_angles   of the keys' grid, where that is not the queries'; N is then its size for the keys
        hidden       bool [M·N + unrotated]: keys nobody looks at
        """
        q = rotate(self.q_proj(q), *angles)
        k = self.k_proj(k)
        spatial = k.shape[1] - unrotated
        if spatial:
            cosine, sine = key_angles if key_angles is not None else angles
            maps = k[:, :spatial].unflatten(1, (-1, cosine.shape[0]))
            k = torch.cat((rotate(maps, cosine, sine).flatten(1, 2), k[:, spatial:]), dim=1)
        y = attend(q[:, None], k[:, None], v[:, None], hidden)[:, 0]
        return self.out_proj(self.v_proj(y))

    def foveal(
        self, q: Tensor, k: Tensor, v: Tensor, angles: Angles, key_angles: Angles, weight: Tensor
    ) -> Tensor:
        """`forward` for tokens that are at places of their own in each batch.

        angles       each [B, N, C / 2]
        key_angles   each [B, at most K, C / 2]: keys after those have no place
        weight       [K], added to the scores
        """
        q, k = rotate(self.q_proj(q), *angles), self.k_proj(k)
        placed = key_angles[0].shape[1]
        k = torch.cat((rotate(k[:, :placed], *key_angles), k[:, placed:]), dim=1)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(1, 2) + weight
        return self.out_proj(self.v_proj(torch.softmax(scores, dim=-1) @ v))


class MemoryAttentionLayer(nn.Module):
    """Self-attention, attention to memory, feed-forward; norm before each."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width = config.width
        self.self_attn = RotaryAttention(width, width)
        self.cross_attn_image = RotaryAttention(width, config.memory_width)
        self.linear1 = nn.Linear(width, config.memory_hidden)
        self.linear2 = nn.Linear(config.memory_hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width)

    def forward(
        self,
        x: Tensor,
        keys: Tensor,
        values: Tensor,
        angles: Angles,
        memory_angles: Angles,
        pointer_tokens: int,
        hidden: Tensor | None,
    ) -> Tensor:
        y = self.norm1(x)
        x = x + self.self_attn(y, y, y, angles)
        y = self.norm2(x)
        x = x + self.cross_attn_image(y, keys, values, angles, memory_angles, pointer_tokens, hidden)
        return self.digest(x)

    def digest(self, x: Tensor) -> Tensor:
        """The feed-forward part."""
        return x + self.linear2(F.relu(self.linear1(self.norm3(x))))


class MemoryAttention(nn.Module):
    """Layers of it, with a norm at the end (SAM 2 paper, section 4)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.layers = nn.ModuleList(MemoryAttentionLayer(config) for _ in range(config.memory_layers))
        self.norm = nn.LayerNorm(config.width)
        self.pool = config.memory_pool

    def forward(
        self,
        features: Tensor,
        memory: Tensor,
        positions: Tensor,
        pointer_tokens: int,
        hidden: Tensor | None = None,
    ) -> Tensor:
        """Condition features on memory.

        features         [O, C, h, w]
        memory           [O, K, c]: maps of h · w / pool² tokens each, then pointer tokens
        positions        [O or 1, K, c]
        pointer_tokens   how many of K are pointers
        hidden           bool [K]: tokens that are not read; None: all are
        """
        height, width = features.shape[2:]
        channels = features.shape[1]
        place = sine_map(height, width, channels, features.device)
        angles = rotary_angles(height, width, channels, features.device)
        small = (height // self.pool, width // self.pool)
        memory_angles = rotary_angles(*small, channels, features.device, self.pool)
        x = (features + 0.1 * place).flatten(2).transpose(1, 2)
        keys = memory + positions
        for layer in self.layers:
            x = layer(x, keys, memory, angles, memory_angles, pointer_tokens, hidden)
        return self.norm(x).transpose(1, 2).unflatten(2, (height, width))

    def foveal(
        self,
        features: Tensor,
        memory: Tensor,
        positions: Tensor,
        pointer_tokens: int,
        outlook: Outlook,
        remembered: Sequence[Outlook],
    ) -> Tensor:
        """`forward` for tokens that are the places of a fovea and blocks around it → [O, T, C].

        features     [1, C, h, w]; memory and positions as in `forward`, of whole frames
        remembered   one for each map of the memory

        The first layer's places look at each other as in whole frames: that is the same for all objects.
        """
        _, channels, height, width = features.shape
        maps, count = len(remembered), memory.shape[1] - pointer_tokens

        def seen(tokens: Tensor) -> Tensor:
            frames = tokens[:, :count].unflatten(1, (maps, -1))
            parts = [one.tokens(frames[:, n], height, width) for n, one in enumerate(remembered)]
            return torch.cat((*parts, tokens[:, count:]), dim=1)

        keys, values = seen(memory + positions), seen(memory)
        own = outlook.angles(height, width, channels)
        turns = [one.angles(height, width, channels) for one in remembered]
        key_angles = torch.cat([one for one, _ in turns], dim=1), torch.cat([one for _, one in turns], dim=1)
        weight = torch.cat((outlook.weight.repeat(maps), outlook.weight.new_zeros(pointer_tokens)))
        angles = rotary_angles(height, width, channels, features.device)
        first = self.layers[0]
        x = (features + 0.1 * sine_map(height, width, channels, features.device)).flatten(2).transpose(1, 2)
        y = first.norm1(x)
        x = outlook.tokens(x + first.self_attn(y, y, y, angles), height, width)
        for layer in self.layers:
            if layer is not first:
                y = layer.norm1(x)
                x = x + layer.self_attn.foveal(y, y, y, own, own, outlook.weight)
            y = layer.norm2(x)
            x = x + layer.cross_attn_image.foveal(y, keys, values, own, key_angles, weight)
            x = layer.digest(x)
        return self.norm(x)
