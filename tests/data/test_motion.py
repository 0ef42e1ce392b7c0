from __future__ import annotations

import numpy as np
import pytest

from masklet.data import elastic
from masklet.data.light import LightSettings, filmed
from masklet.data.motion import View, away, camera, drift
from masklet.data.sprites import fill, is_whole, tidy


@pytest.mark.parametrize("seed", range(12))
def test_the_camera_looks_at_the_picture_and_at_its_focus(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = View(64, float(rng.choice([16 / 9, 1.0, 9 / 16])))
    focus = (float(rng.uniform(0, 300)), float(rng.uniform(0, 200)))
    lens = camera(
        rng, 8, view, (200, 300), focus=focus, speed=0.05, zoom=float(rng.uniform(1.5, 3)), shake=0.01
    ).matrices
    to_pixels = view.to_pixels()
    corners = np.array([[-0.5, 63.5, -0.5, 63.5], [-0.5, -0.5, 63.5, 63.5], [1.0] * 4])
    slack = 0.25 * 300  # a turned frame may not fit a picture; the border is then mirrored
    for matrix in lens:
        x, y = (np.linalg.inv(to_pixels @ matrix) @ corners)[:2]
        assert -slack < x.min() < x.max() < 300 + slack
        assert -slack < y.min() < y.max() < 200 + slack
        assert 0 <= x.mean() <= 300
        assert 0 <= y.mean() <= 200
    x, y = (to_pixels @ lens[0] @ np.array([*focus, 1.0]))[:2]
    assert -13 <= x <= 77
    assert -13 <= y <= 77


def test_motion_is_smooth_and_as_fast_as_asked() -> None:
    steps = []
    for seed in range(200):
        x, y = drift(np.random.default_rng(seed), 8, 0.05)
        assert (x[0], y[0]) == (0, 0)
        steps.append(np.hypot(np.diff(x), np.diff(y)))
    assert 0.02 < np.median(steps) < 0.09
    assert np.max(steps) < 0.25


@pytest.mark.parametrize("frames", [1, 2, 4, 8])
def test_what_goes_away_is_there_at_first_and_gone_for_a_while(frames: int) -> None:
    for seed in range(50):
        gone = away(np.random.default_rng(seed), frames)
        assert gone.shape == (frames,)
        assert gone[0] == pytest.approx(0, abs=1e-9)
        assert frames == 1 or gone.max() == pytest.approx(1)


@pytest.mark.parametrize("seed", range(15))
def test_deformation_never_folds_the_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((120, 160), bool)
    mask[30:80, 50:110] = True
    field = elastic.wobble(rng, 6, (120, 160), 0.02) + elastic.body_motion(rng, 6, mask, 0.2)
    cell = np.array([160 / elastic.GRID, 120 / elastic.GRID])
    # along each axis, what lies to the right must come from farther right
    assert (np.diff(field[..., 0], axis=2) > -cell[0]).all()
    assert (np.diff(field[..., 1], axis=1) > -cell[1]).all()
    assert np.abs(np.diff(field, axis=0)).max() > 0


def test_filling_a_hole_removes_the_object_and_keeps_the_rest() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(90, 110, (100, 140, 3)).astype(np.uint8)
    hole = np.zeros((100, 140), bool)
    hole[40:70, 50:90] = True
    image[hole] = (255, 0, 0)
    filled = fill(image, hole, rng)
    assert filled[hole][:, 0].max() < 200
    assert filled[hole].mean() == pytest.approx(100, abs=12)
    far = np.ones((100, 140), bool)
    far[25:85, 35:105] = False
    assert np.abs(filled[far].astype(int) - image[far]).max() <= 1


def test_specks_go_and_pieces_are_told_from_wholes() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:30, 10:30] = True
    assert is_whole(mask)
    mask[50, 50] = True
    assert tidy(mask).sum() == 400
    mask[40:58, 40:58] = True
    assert tidy(mask).sum() == 400 + 324
    assert not is_whole(mask)


def test_light_off_leaves_the_frames_alone_and_on_keeps_them_recognisable() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(60, 200, (3, 32, 32, 3)).astype(np.uint8)
    off = LightSettings(strength=0, drift=0, grey=0, defocus=0, coarse=0, noise=0, compression=0)
    # only the flicker is left of it, and that has no strength
    assert np.array_equal(filmed(rng, frames, off), frames)
    for seed in range(20):
        changed = filmed(np.random.default_rng(seed), frames, LightSettings())
        assert changed.shape == frames.shape
        assert changed.dtype == np.uint8
        assert 30 < changed.mean() < 230
