"""Effects change the pixels they should, and no others."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import ConfigError
from masklet.types import Mask
from masklet.video.effects import KINDS, Effect, Look, filled, render, rgb

HEIGHT, WIDTH = 40, 60


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)


@pytest.fixture
def inside() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[10:30, 15:45] = True
    return mask


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["object", "background"])
def test_an_effect_stays_where_it_belongs(image, inside, kind: str, where: str) -> None:
    look = Look(**{where: Effect(kind, 0.5, (10, 200, 30))})
    result = render(image, {1: Mask.from_array(inside)}, look)
    part = inside if where == "object" else ~inside
    assert np.array_equal(result[~part], image[~part])
    unchanged = kind == "none" or (kind, where) == ("cutout", "object")
    assert np.array_equal(result[part], image[part]) == unchanged


def test_colours_mix_by_strength(image, inside) -> None:
    masks = {3: Mask.from_array(inside)}
    full = render(image, masks, Look(object=Effect("colour", 1), colours={3: (1, 2, 3)}))
    assert (full[inside] == (1, 2, 3)).all()
    half = render(image, masks, Look(object=Effect("colour", 0.5, (255, 255, 255))))
    assert np.allclose(half[inside], (image[inside].astype(float) + 255) / 2, atol=1)
    own = render(image, masks, Look(object=Effect("erase", 1, (0, 0, 0)), objects={3: Effect()}))
    assert np.array_equal(own, image)
    grey = render(image, masks, Look(background=Effect("grey", 1)))
    assert (np.ptp(grey[~inside], axis=1) == 0).all()


def test_outlines_are_as_wide_as_they_say(image, inside) -> None:
    masks = {1: Mask.from_array(inside)}
    inner = render(image, masks, Look(object=Effect("outline", 1, (255, 0, 255))))  # 0.02 · 40 ≈ 1
    changed = (inner != image).any(axis=2)
    edge = inside.copy()
    edge[11:29, 16:44] = False
    assert np.array_equal(changed | (image == (255, 0, 255)).all(axis=2) & edge, edge)
    outer = render(image, masks, Look(background=Effect("outline", 1, (255, 0, 255))))
    assert not (outer != image).any(axis=2)[inside].any()


def test_blocks_are_means(image, inside) -> None:
    look = Look(background=Effect("pixelate", 0.83))  # 0.12 · 0.83 · 40 ≈ 4
    result = render(image, {1: Mask.from_array(inside)}, look)
    assert np.allclose(result[0, 0], image[:4, :4].reshape(-1, 3).mean(0), atol=1)
    assert (result[36:40, 56:60] == result[36, 56]).all()


def test_erasing_fills_from_the_surroundings() -> None:
    image = np.full((64, 64, 3), 90, np.uint8)
    hole = np.zeros((64, 64), bool)
    hole[20:50, 20:50] = True
    image[hole] = 255
    assert np.abs(filled(image, hole).astype(int) - 90).max() <= 1
    assert filled(image, np.ones((64, 64), bool)).shape == image.shape


def test_without_objects_all_is_background(image) -> None:
    assert (render(image, {}, Look(background=Effect("erase", 1))) == 0).all()


@pytest.mark.parametrize("values", [{"kind": "sparkle"}, {"strength": 1.5}, {"strength": -1}])
def test_unknown_effects_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        Effect(**values)
    with pytest.raises(ConfigError, match="#1e90ff"):
        rgb("blue")
