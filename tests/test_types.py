"""Values check themselves when they are made."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from masklet.errors import MaskError, PromptError
from masklet.types import Box, Candidates, Click, Frame, Mask, Masklet, Prompt


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=16)))
def test_mask_there_and_back(array: np.ndarray) -> None:
    mask = Mask.from_array(array)
    assert np.array_equal(mask.to_array(), array)
    assert mask.area == array.sum()
    assert mask.is_empty == (not array.any())
    assert mask.iou(mask) == 1.0
    assert mask == Mask.from_array(array.astype(np.float32))
    assert hash(mask) == hash(Mask.from_array(array))


def test_mask_refuses_what_is_no_mask() -> None:
    with pytest.raises(MaskError, match=r"\[H, W\], got \[2, 3, 4\]"):
        Mask.from_array(np.zeros((2, 3, 4), bool))
    with pytest.raises(MaskError, match="NaN"):
        Mask.from_array(np.full((2, 3), np.nan))
    logits, soft = np.full((2, 3), -4.0), np.linspace(0, 1, 6).reshape(2, 3)
    for wrong in (logits, soft, logits.astype(int), (soft * 255).astype(np.uint8), np.array([[0, 1, 2]])):
        with pytest.raises(MaskError, match="threshold it first"):
            Mask.from_array(wrong)
    with pytest.raises(MaskError, match="must hold numbers or bool"):
        Mask.from_array(np.array([["a", "b"]]))
    for two in (0, 1), (0, 255), (0, 3), (1, 1):
        assert Mask.from_array(np.array([two], np.uint8)).area == sum(v > 0 for v in two)
    assert Mask.from_array(np.array([[0.0, 255.0]])).area == 1
    with pytest.raises(MaskError, match="4×3 and 3×4 cannot be compared"):
        Mask.empty(3, 4).iou(Mask.empty(4, 3))


def test_frame_is_read_only_and_checked() -> None:
    frame = Frame(0, Fraction(0), np.zeros((4, 6, 3), np.uint8))
    assert (frame.width, frame.height) == (6, 4)
    with pytest.raises(ValueError, match="read-only"):
        frame.image[0] = 1
    with pytest.raises(MaskError, match="frame 7 must be uint8"):
        Frame(7, Fraction(0), np.zeros((4, 6, 3), np.float32))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_coordinates_must_be_finite(bad: float) -> None:
    with pytest.raises(PromptError, match="finite"):
        Click(bad, 0)
    with pytest.raises(PromptError, match="finite"):
        Box(0, 0, bad, 1)


@pytest.mark.parametrize("corners", [(5, 0, 1, 4), (0, 4, 4, 4)])
def test_box_inside_out(corners: tuple[float, float, float, float]) -> None:
    with pytest.raises(PromptError, match="inside out or empty"):
        Box(*corners)


def test_prompts_are_never_empty_and_a_mask_stands_alone() -> None:
    with pytest.raises(PromptError, match="needs a click"):
        Prompt()
    with pytest.raises(PromptError, match="stands alone"):
        Prompt.of([(1, 2)], mask=np.ones((3, 3)))
    with pytest.raises(PromptError, match=r"\(x, y\) or"):
        Prompt.of([(1, 2, 3, 4)])
    for click in (7, None, "1,2", (None, 3), ("x", 3)):
        with pytest.raises(PromptError, match="clicks are a list of these"):
            Prompt.of([click])  # type: ignore[list-item]
    with pytest.raises(PromptError, match="x0, y0, x1, y1"):
        Prompt.of(box=(1, 2, 3))


def test_a_click_is_on_the_object_or_off_it() -> None:
    """Anything else, like -1 for off it or the 2 that SAM gives a box's corner, would be taken for on it."""
    signs = [Prompt.of([(1, 2, sign)]).clicks[0].positive for sign in (True, 1, np.int64(1), False, 0)]
    assert signs == [True, True, True, False, False]
    for sign in (-1, 2, "-", None, float("nan")):
        with pytest.raises(PromptError, match=r"click \(1, 2, .*\) must"):
            Prompt.of([(1, 2, sign)])


def test_prompts_must_lie_on_the_frame() -> None:
    Prompt.of([(0, 0)], box=(0, 0, 10, 8)).check_inside(10, 8)
    with pytest.raises(PromptError, match=r"outside the frame .*x goes from 0 to 9, y from 0 to 7"):
        Prompt.of([(10, 0)]).check_inside(10, 8)
    with pytest.raises(PromptError, match="reaches outside"):
        Prompt.of(box=(0, 0, 11, 8)).check_inside(10, 8)
    with pytest.raises(PromptError, match="mask is 3×4 but the frame is 10×8"):
        Prompt.of(mask=np.ones((4, 3))).check_inside(10, 8)


def test_later_prompts_add_clicks_and_replace_boxes_and_masks() -> None:
    first = Prompt.of([(1, 1)], box=(0, 0, 4, 4))
    assert first.merged(Prompt.of([(2, 2, False)])) == Prompt.of([(1, 1), (2, 2, False)], box=(0, 0, 4, 4))
    assert first.merged(Prompt.of(box=(1, 1, 2, 2))) == Prompt.of([(1, 1)], box=(1, 1, 2, 2))
    mask = Prompt.of(mask=np.ones((4, 4)))
    assert first.merged(mask) == mask
    assert mask.merged(first) == first


def test_candidates_agree_and_know_the_best() -> None:
    iou = np.array([[0.1, 0.9, 0.3], [0.7, 0.2, 0.1]], np.float32)
    logits, pointer = np.zeros((2, 3, 4, 4), np.float32), np.zeros((2, 3, 8), np.float32)
    assert Candidates(logits, iou, pointer, np.zeros((2, 1), np.float32)).best.tolist() == [1, 0]
    with pytest.raises(MaskError, match="1 or 3"):
        Candidates(logits[:, :2], iou[:, :2], pointer[:, :2], np.zeros((2, 1), np.float32))
    with pytest.raises(MaskError, match="disagree"):
        Candidates(logits, iou[:1], pointer, np.zeros((2, 1), np.float32))


def test_masklets_sort_their_frames() -> None:
    masklet = Masklet(1, {5: Mask.empty(2, 2), 1: Mask.empty(2, 2)})
    assert list(masklet.masks) == [1, 5]
