"""What is painted over a picture."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import MaskError
from masklet.types import Mask, Prompt
from masklet.video.colours import colour
from masklet.video.overlay import draw

GREY = np.full((40, 60, 3), 100, np.uint8)


def square(x0: int = 10, y0: int = 10, side: int = 12) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[y0 : y0 + side, x0 : x0 + side] = True
    return mask


def test_tint_and_outline() -> None:
    image = draw(GREY, {1: square()}, opacity=0.5, outline=2)
    assert np.array_equal(GREY, np.full((40, 60, 3), 100))  # the caller's picture is left as it is
    np.testing.assert_allclose(image[15, 15], (np.array(colour(1)) + 100) / 2, atol=1)
    edge = square() & ~square(12, 12, 8)
    assert (image[edge] == colour(1)).all()
    assert (image[~square()] == 100).all()


def test_masks_and_arrays_draw_alike() -> None:
    assert np.array_equal(draw(GREY, {3: square()}), draw(GREY, {3: Mask.from_array(square())}))


def test_the_pictures_border_is_no_outline() -> None:
    image = draw(GREY, {1: np.ones((40, 60), bool)}, opacity=0)
    assert np.array_equal(image, GREY)


def test_no_masks_and_empty_masks_change_nothing() -> None:
    assert np.array_equal(draw(GREY, {}), GREY)
    assert np.array_equal(draw(GREY, {1: np.zeros((40, 60), bool)}, labels=True), GREY)


def test_labels_and_prompts_show() -> None:
    plain = draw(GREY, {1: square()})
    assert (draw(GREY, {1: square()}, labels=True) != plain).any()
    prompt = Prompt.of([(40, 20), (50, 30, False)], box=(2, 2, 30, 30))
    image = draw(GREY, {}, prompts={1: prompt}).astype(int)
    assert image[20, 40, 1] > image[20, 40, 0] + 50  # green
    assert image[30, 50, 0] > image[30, 50, 1] + 50  # red
    assert image[2, 15].tolist() == list(colour(1))


def test_a_mask_of_another_size() -> None:
    with pytest.raises(MaskError, match="object 4 is 60×40 but the picture is 60×30"):
        draw(GREY[:30], {4: square()})


def test_colours_are_stable_and_far_apart() -> None:
    colours = np.array([colour(i) for i in range(1, 41)])
    assert len({tuple(c) for c in colours.tolist()}) == 40
    first = colours[:10].astype(int)
    distance = np.abs(first[:, None] - first[None]).sum(-1) + 999 * np.eye(10, dtype=int)
    assert distance.min() > 60
    assert colour(7) == colour(7)
    assert all(0 <= c <= 255 for i in (-5, 0, 10**9) for c in colour(i))
