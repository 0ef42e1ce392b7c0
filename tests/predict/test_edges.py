"""Edges that follow the picture."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from masklet.predict.edges import DETAIL, EVEN, REACH, SPECK, SURE, Guide, grown, sharp_patch
from masklet.predict.resize import positive_patch, upsample
from masklet.types import Frame


def frame(image: np.ndarray) -> Frame:
    return Frame(0, Fraction(0), image)


def drawn(logits: np.ndarray, guide: Guide) -> np.ndarray:
    whole = np.zeros((guide.frame.height, guide.frame.width), bool)
    patch = sharp_patch(logits, guide)
    whole[patch.top : patch.bottom, patch.left : patch.right] = patch.logits > 0
    return whole


def disc(height: int, width: int, radius: float) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.hypot(y - height / 2 + 3, x - width / 2 + 5) < radius


def coarse(truth: np.ndarray, side: int) -> np.ndarray:
    """Logits that know each grid place's share of the object, and no more."""
    rows = np.array_split(truth.astype(float), side, axis=0)
    share = np.array([[c.mean() for c in np.array_split(r, side, axis=1)] for r in rows])
    return (16 * share - 8).astype(np.float32)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def by_the_book(logits: np.ndarray, guide: Guide) -> np.ndarray:
    """Logits of the whole frame: the guided filter in plain loops, on the band; elsewhere bilinear."""
    side = len(logits)
    colour = guide.small(side) / 255
    goal = np.clip(logits, -SURE, SURE).astype(float)

    def around(values: np.ndarray, y: int, x: int) -> np.ndarray:
        steps = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1)]
        places = [(min(max(y + dy, 0), side - 1), min(max(x + dx, 0), side - 1)) for dy, dx in steps]
        return np.array([values[place] for place in places])

    single = np.zeros((side, side, 4))
    for y, x in np.ndindex(side, side):
        c, g = around(colour, y, x), around(goal, y, x)
        spread = np.cov(c.T, bias=True) + EVEN * np.eye(3)
        weights = np.linalg.solve(spread, ((c - c.mean(0)) * (g - g.mean())[:, None]).mean(0))
        single[y, x] = *weights, g.mean() - weights @ c.mean(0)
    fit = np.array([[around(single, y, x).mean(0) for x in range(side)] for y in range(side)])
    fit[..., 3] += DETAIL * (goal - (fit[..., :3] * colour).sum(2) - fit[..., 3])
    height, width = guide.frame.height, guide.frame.width
    fine = np.stack([upsample(fit[..., k].astype(np.float32), height, width) for k in range(4)], axis=2)
    sharp = (fine[..., :3] * (guide.frame.image / 255)).sum(2) + fine[..., 3]
    band = grown(logits > 0, REACH) & grown(logits <= 0, REACH)
    # A pixel is in the band when all places it lies between are: none of their shares is missing.
    whole = np.ones((height, width), bool)
    for y, x in np.ndindex(height, width):
        v, u = (max((p + 0.5) * side / n - 0.5, 0) for p, n in ((y, height), (x, width)))
        for row in (min(int(v), side - 1), min(int(v) + 1, side - 1)):
            for column in (min(int(u), side - 1), min(int(u) + 1, side - 1)):
                whole[y, x] &= band[row, column]
    plain = upsample(logits, height, width)
    drawn = np.where(whole, sharp, plain)
    odd = np.zeros((height, width), bool)
    for region in (drawn > 0, drawn <= 0):
        labels, count = ndimage.label(region, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            if (labels == number).sum() <= SPECK * height * width / side**2:
                odd |= labels == number
    return np.where(odd, plain, drawn)


def test_equals_the_filter_in_plain_loops() -> None:
    rng = np.random.default_rng(0)
    truth = disc(70, 90, 22)
    image = np.where(truth[..., None], (200, 90, 40), (40, 80, 160)) + rng.integers(-30, 30, (70, 90, 3))
    guide = Guide(frame(np.clip(image, 0, 255).astype(np.uint8)))
    logits = coarse(truth, 16) + rng.normal(0, 1.5, (16, 16)).astype(np.float32)
    expected = by_the_book(logits, guide)
    assert np.array_equal(drawn(logits, guide), expected > 0)
    patch = sharp_patch(logits, guide)
    part = expected[patch.top : patch.bottom, patch.left : patch.right]
    assert np.allclose(patch.logits, part, atol=1e-3)


def test_the_edge_moves_to_the_colours() -> None:
    truth = disc(240, 320, 70)
    rng = np.random.default_rng(1)
    image = np.where(truth[..., None], (190, 120, 60), (90, 110, 140)) + rng.integers(-8, 8, (240, 320, 3))
    guide = Guide(frame(image.astype(np.uint8)))
    logits = np.roll(coarse(truth, 24), 1, axis=1)  # the model is off by a place
    bilinear = upsample(logits, 240, 320) > 0
    assert iou(drawn(logits, guide), truth) > iou(bilinear, truth) + 0.03


def test_a_spot_of_colour_by_the_edge_makes_no_hole() -> None:
    truth = disc(240, 320, 70)
    image = np.where(truth[..., None], (190, 120, 60), (90, 110, 140)).astype(np.uint8)
    edge = int(np.flatnonzero(truth[118])[0])
    image[116:122, edge + 4 : edge + 10] = (60, 100, 180)
    made = drawn(coarse(truth, 24), Guide(frame(image)))
    assert made[116:122, edge + 4 : edge + 10].all()


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_an_even_picture_changes_little(colour: int) -> None:
    truth = disc(240, 320, 70)
    guide = Guide(frame(np.full((240, 320, 3), colour, np.uint8)))
    logits = coarse(truth, 24)
    assert iou(drawn(logits, guide), upsample(logits, 240, 320) > 0) > 0.97


def test_a_small_object_stays() -> None:
    logits = np.full((32, 32), -10, np.float32)
    logits[10, 12] = 1.0
    guide = Guide(frame(np.full((120, 160, 3), 90, np.uint8)))
    assert drawn(logits, guide).any()


def test_nothing_stays_nothing_and_everything_everything() -> None:
    guide = Guide(frame(np.zeros((60, 80, 3), np.uint8)))
    assert not drawn(np.full((16, 16), -1024, np.float32), guide).any()
    assert drawn(np.full((16, 16), 3, np.float32), guide).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 90), st.integers(5, 90))
def test_nothing_far_from_the_edge_changes(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    guide = Guide(frame(rng.integers(0, 256, (height, width, 3), np.uint8)))
    logits = rng.normal(-2, 4, (12, 12)).astype(np.float32)
    ours, plain = drawn(logits, guide), upsample(logits, height, width) > 0
    band = grown(logits > 0, REACH) & grown(logits <= 0, REACH)
    near = upsample(band.astype(np.float32), height, width) > 0
    assert np.array_equal(ours[~near], plain[~near])


def test_the_patch_reaches_as_far_as_an_edge_may_move() -> None:
    logits = np.full((16, 16), -8, np.float32)
    logits[6:9, 6:9] = 8
    patch = sharp_patch(logits, Guide(frame(np.zeros((160, 160, 3), np.uint8))))
    plain = positive_patch(logits, 160, 160)
    assert patch.top <= plain.top - 10
    assert patch.right >= plain.right + 10
