"""The trunk's arrangement: which block stands where, windows that cut and paste without loss, sizes."""

from __future__ import annotations

import pytest
import torch

from masklet.model.config import presets
from masklet.model.hiera import block_shapes, from_windows, to_windows
from masklet.model.sam2 import Sam2


@pytest.mark.parametrize(("height", "width"), [(8, 8), (10, 7), (3, 5), (14, 28)])
@pytest.mark.parametrize("window", [4, 7])
def test_windows_come_back_as_they_were(height: int, width: int, window: int) -> None:
    x = torch.randn(2, height, width, 3)
    windows = to_windows(x, window)
    assert windows.shape[1:] == (window, window, 3)
    assert windows.shape[0] == 2 * -(-height // window) * -(-width // window)
    assert torch.equal(from_windows(windows, window, height, width), x)


def test_windows_are_padded_with_zeros() -> None:
    windows = to_windows(torch.ones(1, 3, 5, 1), 4)
    assert windows.shape == (2, 4, 4, 1)
    assert windows.sum() == 15
    assert windows[0, :3].min() == 1
    assert windows[1, :3, 0].min() == 1
    assert windows[1, :, 1:].max() == 0


@pytest.mark.parametrize("name", ["tiny", "small", "base-plus", "large"])
def test_blocks_stand_as_published(name: str) -> None:
    trunk = presets()[f"sam2.1-hiera-{name}"].trunk
    shapes = block_shapes(trunk)
    assert len(shapes) == sum(trunk.blocks)
    assert [i for i, shape in enumerate(shapes) if shape.window == 0] == list(trunk.global_blocks)
    pooled = [i for i, shape in enumerate(shapes) if shape.pooled]
    assert pooled == list(trunk.stage_starts[1:])
    for i, shape in enumerate(shapes):
        stage = sum(start <= i for start in trunk.stage_starts) - 1
        assert shape.outputs == trunk.width * 2**stage
        assert shape.outputs / shape.heads == trunk.width / trunk.heads
        # A block that pools still sees the windows of the stage before.
        assert shape.window in (0, trunk.windows[stage - shape.pooled])
        assert shape.inputs == (shape.outputs // 2 if shape.pooled else shape.outputs)


@pytest.mark.parametrize(
    ("name", "millions"), [("tiny", 38.9), ("small", 46.0), ("base-plus", 80.8), ("large", 224.4)]
)
def test_models_have_the_published_size(name: str, millions: float) -> None:
    """In the published table of models; SAM 2 and SAM 2.1 have one figure between them."""
    for family in ("sam2", "sam2.1"):
        with torch.device("meta"):
            model = Sam2(presets()[f"{family}-hiera-{name}"])
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)
