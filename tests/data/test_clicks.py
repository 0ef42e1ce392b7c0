from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import label

from masklet.data.clicks import (
    Correction,
    box_prompt,
    centre_click,
    correction_click,
    exact_box,
    first_click,
    telling_correction,
)
from masklet.errors import MaskError, PromptError

sides = st.tuples(st.integers(1, 12), st.integers(1, 12))
masks = sides.flatmap(lambda side: arrays(bool, side))
pairs = sides.flatmap(lambda side: st.tuples(arrays(bool, side), arrays(bool, side)))


def at(mask: np.ndarray, point: tuple[float, float]) -> bool:
    return bool(mask[int(point[1]), int(point[0])])


def edge_distances(mask: np.ndarray) -> np.ndarray:
    """Brute force: from each object pixel to the nearest pixel that is none, outside the picture included."""
    padded = np.pad(mask, 1)
    off = np.argwhere(~padded)
    result = np.zeros(mask.shape)
    for row, column in np.argwhere(mask):
        result[row, column] = np.sqrt(((off - (row + 1, column + 1)) ** 2).sum(axis=1)).min()
    return result


@given(masks.filter(lambda mask: mask.any()))
@settings(max_examples=60, deadline=None)
def test_centre_is_the_pixel_farthest_from_the_edge(mask: np.ndarray) -> None:
    x, y = centre_click(mask)
    distances = edge_distances(mask)
    assert mask[int(y), int(x)]
    assert distances[int(y), int(x)] == pytest.approx(distances.max())
    assert int(y) * mask.shape[1] + int(x) == int(np.isclose(distances, distances.max()).argmax())


@given(masks.filter(lambda mask: mask.any()), st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_first_click_and_box_lie_where_they_should(mask: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert at(mask, first_click(mask, rng))
    x0, y0, x1, y1 = box_prompt(mask, rng)
    height, width = mask.shape
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height
    exact = exact_box(mask)
    assert box_prompt(mask, rng, noise=0) == exact
    left, top, right, bottom = (int(value) for value in exact)
    assert mask[top:bottom, left:right].sum() == mask.sum()
    assert mask[top].any()
    assert mask[:, right - 1].any()


@given(pairs, st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_corrections_always_tell_the_truth_and_lie_in_the_error(
    pair: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    guess, truth = pair
    point, positive = correction_click(guess, truth, np.random.default_rng(seed), from_truth=0.0)
    assert at(truth, point) == positive
    if (guess ^ truth).any():
        assert at(guess ^ truth, point)
    found = telling_correction(guess, truth)
    if not (guess ^ truth).any():
        assert found is None
        return
    assert found is not None
    assert at(truth & ~guess if found.positive else guess & ~truth, (found.x, found.y))
    largest = max(
        int(np.bincount(label(wrong)[0].ravel())[1:].max(initial=0))
        for wrong in (truth & ~guess, guess & ~truth)
    )
    wrong = truth & ~guess if found.positive else guess & ~truth
    regions, _ = label(wrong)
    assert int((regions == regions[int(found.y), int(found.x)]).sum()) == largest


def test_telling_correction_takes_the_larger_region_and_missed_before_added() -> None:
    truth, guess = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    truth[2:7, 2:7] = True
    guess[10:17, 10:17] = True
    assert telling_correction(guess, truth) == Correction(13.0, 13.0, False)
    guess[10:17, 15:17] = False
    guess[15:17] = False  # now both regions have 25 pixels
    assert telling_correction(guess, truth) == Correction(4.0, 4.0, True)
    assert telling_correction(truth, truth) is None
    click = Correction(4.0, 4.0, True).as_click()
    assert (click.x, click.y, click.positive) == (4.0, 4.0, True)


def test_random_clicks_reach_every_wrong_pixel_equally() -> None:
    truth = np.zeros((4, 4), bool)
    truth[1, 1:3] = True
    guess = np.zeros((4, 4), bool)
    guess[3, 0:2] = True
    rng = np.random.default_rng(0)
    seen = [correction_click(guess, truth, rng, from_truth=0.0)[0] for _ in range(800)]
    counts = {point: seen.count(point) for point in set(seen)}
    assert set(counts) == {(1.0, 1.0), (2.0, 1.0), (0.0, 3.0), (1.0, 3.0)}
    assert min(counts.values()) > 140  # 200 each expected; five standard deviations are 61


def test_a_share_of_corrections_is_any_pixel_of_the_object() -> None:
    truth = np.zeros((10, 10), bool)
    truth[2:8, 2:8] = True
    guess = truth.copy()
    guess[0, 0] = True  # the only error
    rng = np.random.default_rng(0)
    positives = sum(correction_click(guess, truth, rng, from_truth=0.3)[1] for _ in range(600))
    assert 120 < positives < 240
    assert not any(correction_click(guess, truth, rng, from_truth=0.0)[1] for _ in range(50))


def test_nothing_wrong_still_gives_a_true_click() -> None:
    truth = np.zeros((5, 5), bool)
    point, positive = correction_click(truth, truth, np.random.default_rng(0))
    assert not positive
    assert not at(truth, point)
    truth[2, 3] = True
    assert correction_click(truth, truth, np.random.default_rng(0)) == ((3.0, 2.0), True)


def test_box_noise_is_a_tenth_of_the_side_and_limited() -> None:
    mask = np.zeros((600, 900), bool)
    mask[200:400, 300:600] = True
    rng = np.random.default_rng(1)
    boxes = np.array([box_prompt(mask, rng) for _ in range(400)])
    off = boxes - np.array([300, 200, 600, 400])
    assert np.abs(off).max() <= 20
    free = np.array([box_prompt(mask, rng, limit=1e9) for _ in range(400)]) - np.array([300, 200, 600, 400])
    assert free.std(axis=0) == pytest.approx([30, 20, 30, 20], rel=0.15)


def test_unusable_masks_are_named() -> None:
    rng = np.random.default_rng(0)
    empty = np.zeros((4, 4), bool)
    for ask in (lambda: first_click(empty, rng), lambda: centre_click(empty), lambda: box_prompt(empty, rng)):
        with pytest.raises(PromptError, match="empty mask"):
            ask()
    with pytest.raises(MaskError, match="uint8"):
        first_click(np.ones((4, 4), np.uint8), rng)
    with pytest.raises(MaskError, match="one size"):
        telling_correction(empty, np.zeros((4, 5), bool))
