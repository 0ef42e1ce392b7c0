"""A new memory finds what looks alike, wherever it is."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from masklet.model.config import HieraConfig, Sam2Config  # noqa: E402
from masklet.model.positions import rotary_angles, rotate  # noqa: E402
from masklet.model.sam2 import Sam2  # noqa: E402
from masklet.train.initialise import initialise_memory  # noqa: E402
from masklet.train.matching import start_by_matching  # noqa: E402

CONFIG = Sam2Config(
    "small",
    HieraConfig(16, 1, (1, 1, 1, 1), (2,), windows=(8, 4, 4, 4), background=(4, 4)),
    input_size=128,
    width=128,
    memory_width=64,
    memory_layers=1,
    memory_hidden=64,
)


@pytest.fixture(scope="module")
def model() -> Sam2:
    torch.manual_seed(0)
    model = Sam2(CONFIG).eval()
    initialise_memory(model, 0)
    photos = np.random.default_rng(0).integers(0, 256, (24, 128, 128, 3), dtype=np.uint8)
    start_by_matching(model, photos, 0)
    return model


def _logits(model: Sam2, queries: torch.Tensor, memory: torch.Tensor) -> torch.Tensor:
    """Attention logits of the first layer's reading of memory, [N, N]."""
    attention = model.memory_attention.layers[0].cross_attn_image
    height, width = queries.shape[2:]
    angles = rotary_angles(height, width, CONFIG.width)
    q = queries.flatten(2).transpose(1, 2)
    q = rotate(attention.q_proj(torch.nn.functional.layer_norm(q, (CONFIG.width,))), *angles)
    k = rotate(attention.k_proj(memory.flatten(2).transpose(1, 2)), *angles)
    return (q @ k.transpose(1, 2))[0] / CONFIG.width**0.5


def test_tokens_are_found_where_they_moved_to(model: Sam2) -> None:
    pixels = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        here = model.encode(pixels).stride16
        moved = torch.roll(here, (3, 2), (2, 3))
        memory = model.memory_encoder(here, torch.full((1, 1, 128, 128), -10.0))
        best = _logits(model, moved, memory).argmax(dim=1)
    side = here.shape[2]
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    origin = ((y - 3) % side * side + (x - 2) % side).flatten()
    assert (best == origin).float().mean() > 0.5  # by chance 1 in 64


def test_without_it_they_are_not(model: Sam2) -> None:
    """The measure above can fail: random projections find nothing."""
    torch.manual_seed(3)
    other = Sam2(CONFIG).eval()
    initialise_memory(other, 0)
    with torch.no_grad():
        here = other.encode(torch.randn(1, 3, 128, 128)).stride16
        memory = other.memory_encoder(here, torch.full((1, 1, 128, 128), -10.0))
        best = _logits(other, torch.roll(here, (3, 2), (2, 3)), memory).argmax(dim=1)
    side = here.shape[2]
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    origin = ((y - 3) % side * side + (x - 2) % side).flatten()
    assert (best == origin).float().mean() < 0.3


def test_a_mask_changes_the_memory_but_not_the_looks(model: Sam2) -> None:
    features = torch.randn(1, 128, 8, 8, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for layer in model.memory_encoder.fuser.layers:
            layer.gamma.zero_()
        empty = model.memory_encoder(features, torch.full((1, 1, 128, 128), -10.0))
        full = model.memory_encoder(features, torch.full((1, 1, 128, 128), 10.0))
    changed = (empty - full).abs().amax(dim=(0, 2, 3)) > 1e-4
    assert changed.any()
    assert not changed.all()
