"""Unit coordinates, and prompts as points."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet import geometry
from masklet.errors import PromptError
from masklet.types import Prompt

sizes = st.integers(1, 8000)
shares = st.floats(0, 1, exclude_max=True)


@given(sizes, sizes, st.lists(st.tuples(shares, shares), max_size=5))
def test_pixels_as_shares_of_the_frame(width: int, height: int, places: list[tuple[float, float]]) -> None:
    pixels = np.array(places).reshape(-1, 2) * [width, height]
    unit = geometry.to_unit(pixels, width, height)
    assert unit.dtype == np.float32
    assert (unit >= 0).all()
    assert (unit <= 1).all()
    np.testing.assert_allclose(unit * [width, height], pixels, atol=max(width, height) * 1e-7)


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
