"""Each metric held to its definition: slow and plain implementations, and properties."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats

from davis_reference import plain_contour, plain_region
from masklet.errors import MaskError
from masklet.evaluate.metrics import boundary, contour_accuracy, jaccard, region_and_contour, tolerance_pixels
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


def slow_contour(a: np.ndarray, b: np.ndarray, radius: int | None = None) -> float:
    """Every pixel of each outline looks for one of the other within the radius."""
    radius = math.ceil(0.008 * math.hypot(*a.shape)) if radius is None else radius
    one, two = (list(zip(*np.nonzero(slow_boundary(m)), strict=True)) for m in (a, b))
    if not one or not two:
        return float(not one and not two)

    def found(these: list, those: list) -> float:
        others = np.array(those)
        return sum(bool((((others - p) ** 2).sum(1) <= radius**2).any()) for p in these) / len(these)

    precision, recall_ = found(one, two), found(two, one)
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
    for one, two in ((a, b), (Mask.from_array(a), Mask.from_array(b))):
        region, contour = region_and_contour(one, two)
        assert abs(region - expected) < 1e-9
        assert contour == contour_accuracy(one, two)


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
        expected = plain_contour(a, b)
        assert contour_accuracy(a, b) == pytest.approx(expected, abs=1e-9)
        assert contour_accuracy(Mask.from_array(a), Mask.from_array(b)) == pytest.approx(expected, abs=1e-9)
        assert float(jaccard(a, b)) == pytest.approx(plain_region(a, b), abs=1e-9)
        assert 0 < expected < 1


def test_the_tolerance_is_the_official_one() -> None:
    assert [tolerance_pixels(*s) for s in ((480, 854), (1080, 1920), (240, 432))] == [8, 18, 4]
    assert tolerance_pixels(480, 854, bound=3) == 3  # from 1 on a bound is in pixels
    far = np.zeros((2, 100, 100), bool)
    far[0, 20:60, 20:60] = far[1, 20:60, 23:63] = True
    assert contour_accuracy(*far, bound=3) == 1.0 > contour_accuracy(*far, bound=2)


def test_a_match_lies_within_a_disc_not_a_square() -> None:
    """Two single pixels: (3, 3) apart is farther than 4 and nearer than 5."""
    one, two = np.zeros((2, 60, 60), bool)
    one[30, 30] = two[33, 33] = True
    found = [contour_accuracy(one, two, bound=r) for r in (1, 2, 3, 4, 5, 6)]
    assert found == sorted(found)
    assert found == pytest.approx([slow_contour(one, two, radius=r) for r in (1, 2, 3, 4, 5, 6)])
    assert 0 < found[2] < found[5] == 1.0


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


@given(masks(2), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=40)
def test_j_never_rises_as_the_error_grows(pair: list[np.ndarray], seed: int) -> None:
    """Errors that contain one another, of any shape: the larger, the lower J."""
    truth, spread = pair[0], np.random.default_rng(seed).random(pair[0].shape)
    scores = [float(jaccard(truth ^ (pair[1] & (spread < part)), truth)) for part in (0, 0.2, 0.5, 0.8, 1)]
    assert scores[0] == 1.0
    assert all(a >= b for a, b in pairwise(scores))


@given(masks(2))
@settings(deadline=None, max_examples=40)
def test_masks_without_a_common_pixel_have_j_0(pair: list[np.ndarray]) -> None:
    truth, other = pair[0], pair[1] & ~pair[0]
    assert float(jaccard(other, truth)) == float(not truth.any() and not other.any())


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
    with pytest.raises(MaskError, match="3×2 and 3×4"):
        region_and_contour(np.zeros((2, 3), bool), np.zeros((4, 3), bool))


def test_the_comparison_of_speed_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/evaluation.md names the figures of this program; how fast it is here is nobody's promise."""
    import davis_reference

    davis_reference.main(["1"])
    told = capsys.readouterr().out
    first = [line.split("  ")[0].split(":")[0] for line in told.splitlines()[:4]]
    assert first == ["every core", "ours", "loop, OpenCV", "loop, SciPy"]
    assert float(told.split()[-1]) < 1e-9


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
@settings(deadline=None)
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


@given(st.lists(st.tuples(st.floats(-0.2, 1.2), st.floats(0, 1)), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_calibration_error_is_its_definition(pairs: list[tuple[float, float]]) -> None:
    """The gap between mean prediction and mean truth in each tenth, weighted by how many are in it."""
    bins: dict[int, list[tuple[float, float]]] = {}
    for guess, real in pairs:
        guess = min(max(guess, 0.0), 1.0)
        bins.setdefault(min(int(guess * 10), 9), []).append((guess, real))
    gaps = [
        len(b) * abs(sum(g for g, _ in b) / len(b) - sum(r for _, r in b) / len(b)) for b in bins.values()
    ]
    guesses, reals = zip(*pairs, strict=True)
    found = calibration(guesses, reals)
    assert found.error == pytest.approx(sum(gaps) / len(pairs), abs=1e-9)
    assert sum(found.counts) == len(pairs)
    assert calibration(reals, reals).error == pytest.approx(0, abs=1e-9)


def test_calibration() -> None:
    found = calibration([0.05, 0.95, 0.95, 1.0], [0.05, 0.9, 0.8, 1.0])
    assert found.counts == (1, 0, 0, 0, 0, 0, 0, 0, 0, 3)
    assert found.error == pytest.approx(3 / 4 * abs((0.95 + 0.95 + 1.0) / 3 - 0.9))
    assert calibration([0.5, 0.7], [0.5, 0.7]).error == pytest.approx(0)
    assert occlusion_accuracy([3.0, -1.0, 0.0, 2.0], [True, False, False, False]) == 3 / 4
    with pytest.raises(MaskError, match="one length"):
        calibration([0.5], [0.5, 0.6])
