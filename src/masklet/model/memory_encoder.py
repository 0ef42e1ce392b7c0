"""A frame and its mask become a memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masklet.model.config import Sam2Config
from masklet.model.layers import LayerNorm2d


class MaskDownSampler(nn.Module):
    """[O, 1, S, S] → [O, C, S/16, S/16]: four strided convolutions, each quadrupling the channels.

    Masks of S/4 (stride 4) keep their side in the first two.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        parts: list[nn.Module] = []
        inputs = 1
        for step in (2, 2, 2, 2) if stride == 1 else (1, 1, 2, 2):
            parts += [
                nn.Conv2d(inputs, 4 * inputs, kernel_size=3, stride=step, padding=1),
                LayerNorm2d(4 * inputs),
                nn.GELU(),
            ]
            inputs *= 4
        self.encoder = nn.Sequential(*parts, nn.Conv2d(inputs, width, kernel_size=1))

    def forward(self, masks: Tensor) -> Tensor:
        return self.encoder(masks)


class FuserBlock(nn.Module):
    """ConvNeXt block: depthwise 7 × 7, then a pointwise MLP with a learned scale."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, kernel_size=7, padding=3, groups=width)
        self.norm = LayerNorm2d(width)
        self.pwconv1 = nn.Linear(width, hidden)
        self.pwconv2 = nn.Linear(hidden, width)
        self.act = nn.GELU()
        self.gamma = nn.Parameter(torch.full((width,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
        y = self.gamma * self.pwconv2(self.act(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class Fuser(nn.Module):
    """Two fuser blocks."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(FuserBlock(width, hidden) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class MemoryEncoder(nn.Module):
    """Unconditioned features and masks → memories (SAM 2 paper, section 4)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.mask_downsampler = MaskDownSampler(config.width, config.memory_mask_stride)
        self.pix_feat_proj = nn.Conv2d(config.width, config.width, kernel_size=1)
        pool = config.memory_pool
        if pool > 1:
            self.pool = nn.Conv2d(config.width, config.width, kernel_size=pool, stride=pool)
        self.pooled = pool > 1
        self.fuser = Fuser(config.width, config.fuser_expansion * config.width)
        self.out_proj = nn.Conv2d(config.width, config.memory_width, kernel_size=1)

    def forward(self, stride16: Tensor, masks: Tensor) -> Tensor:
        """stride16 [O or 1, C, h, w], masks [O, 1, 16h, 16w] scaled to -10 … 10 → [O, c, h, w].

        Masks are a quarter of that size where the mask stride is 4.
        With a memory pool k the result is [O, c, h / k, w / k].
        """
        return self.merge(self.pix_feat_proj(stride16), masks)

    def merge(self, seen: Tensor, masks: Tensor) -> Tensor:
        """The rest of `forward`; seen is what `pix_feat_proj` gives."""
        both = seen + self.mask_downsampler(masks)
        return self.out_proj(self.fuser(self.pool(both) if self.pooled else both))
