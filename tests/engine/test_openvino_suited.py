"""Layers exchanged for export compute what they computed before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from masklet.engine.openvino_suited import RowDrawing, suit
from masklet.model.layers import LayerNorm2d
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.memory_encoder import FuserBlock, MaskDownSampler
from tiny_training import LITTLE


def scattered(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3 + 0.1)
    return module.eval()


def numbers(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1)) + 0.5


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (LayerNorm2d(8), (2, 8, 5, 5)),
        (FuserBlock(16, 32), (2, 16, 9, 9)),
        (MaskDownSampler(24, 1), (2, 1, 32, 32)),
        (MaskDownSampler(24, 4), (2, 1, 16, 16)),
    ],
    ids=["norm", "fuser", "masks", "masks at S/4"],
)
def test_exchanged_layers_are_the_same_function(layer: nn.Module, shape: tuple[int, ...]) -> None:
    holder = nn.ModuleList([scattered(layer)])
    x = numbers(*shape)
    with torch.no_grad():
        before = layer(x)
        suit(holder)
        after = holder[0](x)
    assert type(holder[0]) is not type(layer)
    assert torch.allclose(before, after, atol=1e-4)


def test_masks_drawn_on_rows_are_the_same() -> None:
    decoder = scattered(MaskDecoder(LITTLE))
    assert isinstance(decoder, MaskDecoder)
    width = LITTLE.width
    image, kernels = numbers(3, 16, width), numbers(3, 4, width // 8)
    stride8, stride4 = numbers(1, width // 4, 8, 8), numbers(1, width // 8, 16, 16)
    with torch.no_grad():
        before = decoder.drawn(image, kernels, stride8, stride4)
        after = RowDrawing(decoder)(image, kernels, stride8, stride4)
    assert before.shape == (3, 4, 16, 16)
    assert torch.allclose(before, after, atol=1e-4)
