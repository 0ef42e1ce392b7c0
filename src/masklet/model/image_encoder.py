"""Trunk and neck: an image becomes feature maps of one width."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import HieraConfig, Sam2Config
from masklet.model.hiera import Hiera
from masklet.model.narrow_neck import NarrowNeck
from masklet.model.tinyvit import TinyVit


class Lateral(nn.Module):
    """1 × 1 convolution of one level."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Neck(nn.Module):
    """Four maps → strides 4, 8, 16 with `width` channels; only stride 16 hears from stride 32."""

    def __init__(self, widths: tuple[int, ...], width: int) -> None:
        super().__init__()
        # Coarsest first, as in the published weights.
        self.convs = nn.ModuleList(Lateral(w, width) for w in reversed(widths))

    def forward(self, maps: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        stride4, stride8, stride16, stride32 = maps
        coarse = self.convs[0](stride32)
        above = F.interpolate(coarse.float(), scale_factor=2.0, mode="nearest").to(coarse.dtype)
        return self.convs[3](stride4), self.convs[2](stride8), self.convs[1](stride16) + above


class ImageEncoder(nn.Module):
    """[B, 3, S, S] normalised pixels → maps at strides 4, 8 and 16, each [B, width, …].

    A narrow neck gives width / 8 and width / 4 channels at strides 4 and 8 (`Sam2Config.has_narrow_maps`).
    """

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        if isinstance(config.trunk, HieraConfig):
            self.trunk: nn.Module = Hiera(config.trunk)
            self.neck: nn.Module = Neck(config.trunk.stage_widths, config.width)
        else:
            self.trunk = TinyVit(config.trunk)
            self.neck = NarrowNeck(config.trunk, config.width)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.neck(self.trunk(pixels))
