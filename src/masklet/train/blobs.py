"""Made-up masks, for fitting what sees masks without any data."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def blobs(side: int, generator: torch.Generator) -> Tensor:
    """Logits [4, 1, side, side] of made-up masks: smooth shapes of many sizes, from faint to firm."""
    parts = []
    for _ in range(4):
        coarse = int(torch.randint(3, max(4, side // 3), (1,), generator=generator))
        noise = torch.randn(1, 1, coarse, coarse, generator=generator)
        shape = F.interpolate(noise, (side, side), mode="bicubic", align_corners=False)
        height, shift = torch.rand(2, generator=generator).tolist()
        parts.append((2 + 30 * height) * (shape + 1.5 * shift - 1))
    return torch.cat(parts).clamp(-25, 25)
