"""Each metric held to its definition: slow and plain implementations, and properties."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from masklet.errors import MaskError
from masklet.evaluate.metrics import boundary, contour_accuracy, jaccard, jaccard_masks, tolerance_pixels
from masklet.evaluate.metrics.aggregate import decay, mean, recall, seen_unseen, statistics
from masklet.evaluate.metrics.calibration import (
    calibration,
    occlusion_accuracy,
    occlusion_auc,
    rank_correlation,
)
from masklet.types import Mask


def slow_jaccard(a: np.ndarray, b: np.ndarray) -> float:
    """|A ∩ B| / |A ∪ B|, pixel by pixel; 1 for two empty masks."""
    both = either = 0
    for one, two in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True):
        both += one and two
        either += one or two
    return both / either if either else 1.0


def slow_boundary(mask: np.ndarray) -> np.ndarray:
    """A pixel that differs from its right, lower or lower-right neighbour, where there is such a neighbour.

    In the last row only the right neighbour is asked, in the last column only the lower, in the corner none.
    """
    height, width = mask.shape
    found = np.zeros_like(mask)
    for y in range(height):
        for x in range(width):
            here = mask[y, x]
            right = x + 1 < width and here != mask[y, x + 1]
            below = y + 1 < height and here != mask[y + 1, x]
            across = x + 1 < width and y + 1 < height and here != mask[y + 1, x + 1]
            found[y, x] = right or below or across
    return found


def slow_contour(a: np.ndarray, b: np.ndarray, bound: float = 0.008) -> float:
    """Every pixel of each outline looks for one of the other within the radius."""
    radius = math.ceil(bound * math.hypot(*a.shape))
    one, two = (list(zip(*np.nonzero(slow_boundary(m)), strict=True)) for m in (a, b))
    if not one or not two:
        return float(not one and not two)

    def found(these: list, those: list) -> float:
        others = np.array(those)
        return sum(bool((((others - p) ** 2).sum(1) <= radius**2).any()) for p in these) / len(these)

    precision, recall_ = found(one, two), found(two, one)
    return 2 * precision * recall_ / (precision + recall_) if precision + recall_ else 0.0


def official_contour(a: np.ndarray, b: np.ndarray) -> float:
    """As the official code goes about it: dilate both outlines of the whole frame by a disc."""
    radius = math.ceil(0.008 * math.hypot(*a.shape))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = x**2 + y**2 <= radius**2
    one, two = boundary(a), boundary(b)
    if not one.any() or not two.any():
        return float(not one.any() and not two.any())
    precision = (one & ndimage.binary_dilation(two, disc)).sum() / one.sum()
    recall_ = (two & ndimage.binary_dilation(one, disc)).sum() / two.sum()
    return 2 * precision * recall_ / (precision + recall_) if precision + recall_ else 0.0


@st.composite
def masks(draw: st.DrawFn, count: int = 1, largest: int = 48) -> list[np.ndarray]:
    """Masks of one size: noise, blobs, rectangles cut by the frame, full and empty ones."""
    height, width = draw(st.integers(1, largest)), draw(st.integers(1, largest))
    result = []
    for _ in range(count):
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        kind = draw(st.sampled_from(["noise", "blob", "box", "empty", "full"]))
        if kind == "noise":
            mask = rng.random((height, width)) < rng.random()
        elif kind == "blob":
            mask = ndimage.gaussian_filter(rng.normal(size=(height, width)), 3) > 0.02
        elif kind == "box":
            (y0, y1), (x0, x1) = (
                sorted(rng.integers(-5, height + 5, 2)),
                sorted(rng.integers(-5, width + 5, 2)),
            )
            mask = np.zeros((height, width), bool)
            mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        else:
            mask = np.full((height, width), kind == "full")
        result.append(mask)
    return result


@given(masks(2))
@settings(deadline=None, max_examples=60)
def test_j_is_its_definition(pair: list[np.ndarray]) -> None:
    a, b = pair
    expected = slow_jaccard(a, b)
    assert abs(float(jaccard(a, b)) - expected) < 1e-9
    assert abs(jaccard_masks([Mask.from_array(a)], [Mask.from_array(b)])[0] - expected) < 1e-9


@given(masks(2))
@settings(deadline=None, max_examples=60)
def test_f_is_its_definition(pair: list[np.ndarray]) -> None:
    a, b = pair
    expected = slow_contour(a, b)
    assert abs(contour_accuracy(a, b) - expected) < 1e-9
    assert abs(contour_accuracy(Mask.from_array(a), Mask.from_array(b)) - expected) < 1e-9
    assert abs(contour_accuracy(a, Mask.from_array(b)) - expected) < 1e-9


@given(masks(1))
@settings(deadline=None, max_examples=40)
def test_the_outline_is_its_definition(one: list[np.ndarray]) -> None:
    np.testing.assert_array_equal(boundary(one[0]), slow_boundary(one[0]))


@pytest.mark.parametrize("size", [(480, 854), (240, 432)])
def test_f_agrees_with_the_official_way_at_real_sizes(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(size))
    height, width = size
    y, x = np.mgrid[:height, :width]
    for _ in range(2):
        cy, cx = rng.integers(0, height), rng.integers(0, width)
        a = ((y - cy) / (0.2 * height)) ** 2 + ((x - cx) / (0.1 * width)) ** 2 < 1
        b = np.roll(a, rng.integers(-30, 30, 2), (0, 1)) ^ (rng.random(size) < 1e-4)
        assert contour_accuracy(a, b) == pytest.approx(official_contour(a, b), abs=1e-9)
        assert 0 < contour_accuracy(a, b) < 1


def test_the_tolerance_is_the_official_one() -> None:
    assert [tolerance_pixels(*s) for s in ((480, 854), (1080, 1920), (240, 432))] == [8, 18, 4]


@given(masks(2))
@settings(deadline=None, max_examples=100)
def test_identity_symmetry_range(pair: list[np.ndarray]) -> None:
    a, b = pair
    assert float(jaccard(a, a)) == 1.0
    assert contour_accuracy(a, a) == 1.0
    assert float(jaccard(a, b)) == float(jaccard(b, a))
    assert contour_accuracy(a, b) == pytest.approx(contour_accuracy(b, a), abs=1e-12)
    assert 0 <= float(jaccard(a, b)) <= 1
    assert 0 <= contour_accuracy(a, b) <= 1


def test_disjoint_masks_score_nothing() -> None:
    a, b = np.zeros((2, 100, 100), bool)
    a[5:20, 5:20] = True
    b[60:90, 60:90] = True
    assert float(jaccard(a, b)) == 0.0
    assert contour_accuracy(a, b) == 0.0


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_scores_fall_as_the_error_grows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    side, shifts = int(rng.integers(20, 60)), range(0, 45, 3)
    true = np.zeros((150, 200), bool)
    true[40 : 40 + side, 40 : 40 + side] = True
    moved = [np.roll(true, shift, 1) for shift in shifts]
    j = [float(jaccard(m, true)) for m in moved]
    f = [contour_accuracy(m, true) for m in moved]
    assert all(a > b or a == b == 0 for a, b in pairwise(j))
    assert j[0] == f[0] == 1.0
    # a bound that grows finds more
    widths = [contour_accuracy(moved[5], true, bound=b) for b in (0.002, 0.008, 0.03, 0.1)]
    assert widths == sorted(widths)
    # the outline is lost step by step until the shifted one meets the next side
    near = [k for k, shift in enumerate(shifts) if shift < side / 2]
    assert all(f[a] >= f[b] - 1e-12 for a, b in pairwise(near))


def test_empty_masks_as_davis_has_them() -> None:
    empty, full = np.zeros((40, 50), bool), np.ones((40, 50), bool)
    some = empty.copy()
    some[10:20, 10:20] = True
    assert (float(jaccard(empty, empty)), contour_accuracy(empty, empty)) == (1.0, 1.0)
    assert (float(jaccard(empty, some)), contour_accuracy(empty, some)) == (0.0, 0.0)
    assert (float(jaccard(some, empty)), contour_accuracy(some, empty)) == (0.0, 0.0)
    # an object that fills the frame has no outline, so it agrees with nothing at all
    assert contour_accuracy(full, empty) == 1.0
    assert float(jaccard(full, empty)) == 0.0


def test_many_frames_at_once() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 4, 20, 30)) < 0.5
    found = jaccard(a, b)
    assert found.shape == (3, 4)
    assert found[2, 1] == pytest.approx(slow_jaccard(a[2, 1], b[2, 1]), abs=1e-12)


def test_sizes_that_differ_are_named() -> None:
    with pytest.raises(MaskError, match="3×2 and 3×4"):
        contour_accuracy(np.zeros((2, 3), bool), np.zeros((4, 3), bool))
    with pytest.raises(MaskError, match=r"\[2, 3\] and \[4, 3\]"):
        jaccard(np.zeros((2, 3), bool), np.zeros((4, 3), bool))
    with pytest.raises(MaskError, match="must be"):
        contour_accuracy(np.zeros(3, bool), np.zeros(3, bool))
    with pytest.raises(MaskError, match="2 predictions"):
        jaccard_masks([Mask.empty(1, 1)] * 2, [Mask.empty(1, 1)])


def test_at_least_five_times_faster_than_a_loop_over_frames() -> None:
    y, x = np.mgrid[:480, :854]
    true = [(y - 240) ** 2 + (x - 200 - 40 * t) ** 2 < 90**2 for t in range(2)]
    found = [np.roll(mask, (3, 5), (0, 1)) for mask in true]

    def seconds(measure: Callable[[], None], times: int) -> float:
        taken = []
        for _ in range(times):
            begin = time.perf_counter()
            measure()
            taken.append(time.perf_counter() - begin)
        return min(taken)

    def plain() -> None:
        for a, b in zip(found, true, strict=True):
            (a & b).sum() / (a | b).sum()
            official_contour(a, b)

    ours, theirs = [Mask.from_array(m) for m in found], [Mask.from_array(m) for m in true]

    def fast() -> None:
        jaccard_masks(ours, theirs)
        for a, b in zip(ours, theirs, strict=True):
            contour_accuracy(a, b)

    assert seconds(plain, 1) > 5 * seconds(fast, 3)


def test_recall_and_decay() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.5, 0.4, 0.51, 0.2, 0.1])
    assert recall(values) == 4 / 8  # 0.5 itself does not count
    # frames 1, 2.75 → 3, 4.5 → 5 (upwards), 6.25 → 6, 8; each part holds both its borders
    assert decay(values) == pytest.approx(values[0:3].mean() - values[5:8].mean())
    found = statistics(values)
    assert (found.mean, found.recall, found.decay) == (values.mean(), recall(values), decay(values))
    assert math.isnan(statistics([]).mean)
    assert decay([0.3]) == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=256))
def test_decay_is_the_official_one_up_to_256_frames(values: list[float]) -> None:
    array = np.array(values)
    borders = (np.round(np.linspace(1, len(array), 5) + 1e-10) - 1).astype(np.uint8)
    parts = [array[borders[i] : borders[i + 1] + 1] for i in range(4)]
    assert decay(array) == pytest.approx(parts[0].mean() - parts[3].mean(), abs=1e-12)


def test_decay_of_a_long_video_uses_its_end() -> None:
    assert decay(np.linspace(1, 0, 1000)) == pytest.approx(0.75, abs=0.01)


def test_g_is_the_mean_of_seen_and_unseen() -> None:
    scores = {"a": (0.9, 0.8), "b": (0.7, 0.6), "c": (0.5, 0.1)}
    found = seen_unseen(scores, {"a": True, "b": True, "c": False})
    assert (found.j_seen, found.f_seen, found.j_unseen, found.f_unseen) == pytest.approx((0.8, 0.7, 0.5, 0.1))
    assert found.g == pytest.approx((0.8 + 0.7 + 0.5 + 0.1) / 4)
    assert seen_unseen(scores, dict.fromkeys("abc", True)).g == pytest.approx(
        (mean([0.9, 0.7, 0.5]) + mean([0.8, 0.6, 0.1])) / 2
    )


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
@settings(deadline=None, max_examples=50)
def test_ranks_and_auc_agree_with_their_definitions(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 8, (2, count)).astype(float)
    expected = stats.spearmanr(a, b).statistic if np.ptp(a) and np.ptp(b) else math.nan
    np.testing.assert_allclose(rank_correlation(a, b), expected, atol=1e-9)
    visible = rng.random(count) < 0.5
    pairs = [(x > y) + 0.5 * (x == y) for x in a[visible] for y in a[~visible]]
    np.testing.assert_allclose(occlusion_auc(a, visible), np.mean(pairs) if pairs else math.nan, atol=1e-9)


def test_calibration() -> None:
    found = calibration([0.05, 0.95, 0.95, 1.0], [0.05, 0.9, 0.8, 1.0])
    assert found.counts == (1, 0, 0, 0, 0, 0, 0, 0, 0, 3)
    assert found.error == pytest.approx(3 / 4 * abs((0.95 + 0.95 + 1.0) / 3 - 0.9))
    assert calibration([0.5, 0.7], [0.5, 0.7]).error == pytest.approx(0)
    assert occlusion_accuracy([3.0, -1.0, 0.0, 2.0], [True, False, False, False]) == 3 / 4
    with pytest.raises(MaskError, match="one length"):
        calibration([0.5], [0.5, 0.6])
