"""A neck that gives the fine maps as narrow as the mask decoder adds them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import TinyVitConfig
from masklet.model.layers import LayerNorm2d, attend, join_heads, split_heads


class Context(nn.Module):
    """Every place of a map attends to all of it: what windows cannot see."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(self.norm(tokens)).chunk(3, dim=-1))
        tokens = self.out(join_heads(attend(q, k, v)))
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


class NarrowNeck(nn.Module):
    """Maps at strides 4, 8 and 16 → stride 4 with width / 8 channels, stride 8 with width / 4, stride 16 with
    width.

    Learning the fine maps narrow is cheaper than projecting wide ones.
    """

    def __init__(self, config: TinyVitConfig, width: int) -> None:
        super().__init__()
        stride4, stride8, stride16 = config.widths
        self.from16 = nn.Conv2d(stride16, width, 1)
        self.context = Context(width, config.context_heads)
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
        stride4, stride8, stride16 = maps
        x16 = self.from16(stride16)
        x16 = self.mixes(x16 + _twice(self.context(F.avg_pool2d(x16, 2))))
        x8 = self.mix8(self.from8(stride8) + _twice(self.down8(x16)))
        x4 = self.mix4(self.from4(stride4) + _twice(self.down4(x8)))
        return self.to4(x4), self.to8(x8), self.to16(x16)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
