"""Unit coordinates there and back, and prompts as points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet import geometry
from masklet.errors import PromptError
from masklet.types import Box, Click, Prompt

sizes = st.integers(1, 8000)
shares = st.floats(0, 1, exclude_max=True)


@given(sizes, sizes, st.lists(st.tuples(shares, shares), max_size=5))
def test_pixels_to_unit_and_back(width: int, height: int, places: list[tuple[float, float]]) -> None:
    pixels = np.array(places).reshape(-1, 2) * [width, height]
    unit = geometry.to_unit(pixels, width, height)
    assert unit.dtype == np.float32
    assert (unit >= 0).all()
    assert (unit <= 1).all()
    back = geometry.to_pixels(unit, width, height)
    np.testing.assert_allclose(back, pixels, atol=max(width, height) * 1e-7)


@given(sizes, sizes, sizes, sizes, shares, shares)
def test_scaled_clicks_keep_their_unit_place(w: int, h: int, w2: int, h2: int, x: float, y: float) -> None:
    click = Click(x * w, y * h, False)
    there = geometry.scale_click(click, (w, h), (w2, h2))
    assert not there.positive
    assert (there.x / w2, there.y / h2) == pytest.approx((x, y))
    back = geometry.scale_click(there, (w2, h2), (w, h))
    assert (back.x, back.y) == pytest.approx((click.x, click.y))


def test_scaled_box_and_clipped_box() -> None:
    assert geometry.scale_box(Box(1, 2, 3, 4), (10, 10), (20, 5)) == Box(2, 1, 6, 2)
    assert geometry.clip_box(Box(-3, 2, 30, 40), 10, 20) == Box(0, 2, 10, 20)
    with pytest.raises(PromptError, match="inside out or empty"):
        geometry.clip_box(Box(20, 2, 30, 4), 10, 20)


def test_proportions_are_not_kept() -> None:
    """A click at three quarters of a wide frame is at three quarters of the square the model sees."""
    unit = geometry.to_unit(np.array([[960.0, 180.0]]), 1280, 720)
    assert (unit * 1024).tolist() == [[768.0, 256.0]]


def test_a_box_goes_first_as_two_points() -> None:
    prompt = Prompt.of([(5, 10), (0, 0, False)], box=(2, 4, 10, 20))
    points, labels = geometry.prompt_points(prompt, 10, 20)
    assert labels.tolist() == [2, 3, 1, 0]
    assert labels.dtype == np.int32
    np.testing.assert_allclose(points, [[0.2, 0.2], [1, 1], [0.5, 0.5], [0, 0]])


def test_a_mask_prompt_has_no_points() -> None:
    points, labels = geometry.prompt_points(Prompt.of(mask=np.ones((20, 10), bool)), 10, 20)
    assert points.shape == (0, 2)
    assert labels.shape == (0,)


def test_outside_the_frame() -> None:
    with pytest.raises(PromptError, match=r"click \(10, 5\) is outside the frame \(10×20\)"):
        geometry.prompt_points(Prompt.of([(10, 5)]), 10, 20)


def test_a_frame_without_size() -> None:
    with pytest.raises(ValueError, match="0×5"):
        geometry.to_unit(np.zeros((1, 2)), 0, 5)
