"""Upsampling against a naive reference; the cropped way against the whole one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.predict.resize import mask_to_logits, mask_to_square, patch_mask, positive_patch, upsample
from masklet.types import Mask

SIZES = st.integers(1, 40)


def full_mask(logits: np.ndarray, height: int, width: int) -> Mask:
    return patch_mask(positive_patch(logits, height, width), height, width)


def naive(logits: np.ndarray, height: int, width: int) -> np.ndarray:
    h, w = logits.shape
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v, u = max((y + 0.5) * h / height - 0.5, 0), max((x + 0.5) * w / width - 0.5, 0)
            i, j = min(int(v), h - 1), min(int(u), w - 1)
            i2, j2, a, b = min(i + 1, h - 1), min(j + 1, w - 1), v - int(v), u - int(u)
            top = logits[i, j] * (1 - b) + logits[i, j2] * b
            out[y, x] = top * (1 - a) + (logits[i2, j] * (1 - b) + logits[i2, j2] * b) * a
    return out


@given(seed=st.integers(0, 999), size=st.integers(1, 12), height=SIZES, width=SIZES)
def test_upsampling_is_bilinear(seed, size, height, width) -> None:
    logits = np.random.default_rng(seed).normal(size=(size, size)).astype(np.float32)
    assert np.allclose(upsample(logits, height, width), naive(logits, height, width), atol=1e-5)


def test_upsampling_is_what_torch_does() -> None:
    torch = pytest.importorskip("torch")
    logits = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32) * 10
    for size in ((97, 131), (20, 300), (64, 64)):
        theirs = torch.nn.functional.interpolate(torch.tensor(logits)[None, None], size, mode="bilinear")[
            0, 0
        ]
        assert np.allclose(upsample(logits, *size), theirs.numpy(), atol=1e-4)


@given(seed=st.integers(0, 999), height=SIZES, width=SIZES, density=st.floats(0, 0.3))
def test_the_patch_holds_every_positive_pixel(seed, height, width, density) -> None:
    random = np.random.default_rng(seed)
    logits = np.where(random.random((12, 12)) < density, 5.0, -5.0).astype(np.float32)
    logits += random.normal(size=logits.shape).astype(np.float32)
    whole = upsample(logits, height, width)
    patch = positive_patch(logits, height, width)
    assert np.array_equal(full_mask(logits, height, width).to_array(), whole > 0)
    inside = whole[patch.top : patch.bottom, patch.left : patch.right]
    assert np.array_equal(patch.logits, inside)
    assert (whole > 0).sum() == (patch.logits > 0).sum()


def test_an_absent_object_gives_an_empty_mask() -> None:
    assert full_mask(np.full((8, 8), -1024, np.float32), 100, 50).is_empty


@given(seed=st.integers(0, 99))
def test_masks_survive_the_way_to_the_model(seed) -> None:
    """Down to the model's grid and up again, nearly the same mask; never lost altogether."""
    random = np.random.default_rng(seed)
    y, x, h, w = (
        random.integers(0, 60),
        random.integers(0, 80),
        random.integers(12, 50),
        random.integers(12, 60),
    )
    array = np.zeros((120, 160), bool)
    array[y : y + h, x : x + w] = True
    mask = Mask.from_array(array)
    square = mask_to_square(mask, 128)
    assert square.shape == (128, 128)
    assert set(np.unique(square)) == {0.0, 1.0}
    assert full_mask(mask_to_logits(mask, 64), 120, 160).iou(mask) > 0.8


def test_a_one_pixel_mask_is_not_lost() -> None:
    array = np.zeros((1080, 1920), bool)
    array[500, 700] = True
    mask = Mask.from_array(array)
    assert mask_to_square(mask, 128).any()
    assert (mask_to_logits(mask, 32) > 0).any()
    assert not mask_to_square(Mask.empty(64, 64), 32).any()
    assert (mask_to_logits(Mask.empty(64, 64), 32) == -10).all()
