"""Masklets from unlabelled video: what moves as its pixels do survives, what does not is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, squares, truth
from masklet.data.pseudo import Flows, PseudoSettings, pseudo_clips
from masklet.errors import ConfigError
from masklet.predict.automatic import AutomaticOptions
from masklet.types import Mask

GRID = AutomaticOptions(points_per_side=12, predicted_iou=0, stability=0)
SETTINGS = PseudoSettings(frames=4, stride=2, every=6, area=(0.01, 0.1), sure=0, grid=GRID)


def textured(frames: int) -> tuple[np.ndarray, list[Mask]]:
    """A textured box that moves over another texture by 3 pixels a frame, and its masks."""
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (12, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    patch = rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(5, 0).repeat(5, 1)
    pictures, masks = [], []
    for t in range(frames):
        picture, mask = ground.copy(), np.zeros((96, 128), bool)
        picture[30:70, 20 + 3 * t : 60 + 3 * t] = patch
        mask[30:70, 20 + 3 * t : 60 + 3 * t] = True
        pictures.append(picture)
        masks.append(Mask.from_array(mask))
    return np.stack(pictures), masks


def test_flow_carries_a_mask_that_moves_with_its_pixels_and_no_other() -> None:
    frames, masks = textured(5)
    flows = Flows(frames)
    assert flows.least_iou(masks) > 0.85
    assert flows.least_iou([masks[0], masks[1], masks[0], masks[3], masks[4]]) < 0.85
    slipped = Mask.from_array(np.roll(masks[2].to_array(), 30, axis=1))
    assert flows.least_iou([masks[0], masks[1], slipped, masks[3], masks[4]]) < 0.3


def test_clips_hold_what_survived() -> None:
    source = ArraySource(squares(14, 2))
    clips = list(pseudo_clips(FakeEngine(), source, replace(SETTINGS, flow=0.0)))
    assert [clip.start for clip in clips] == [0, 6]
    for clip in clips:
        assert clip.frames.shape == (4, 96, 128, 3)
        assert clip.tried == 2
        for t, masks in enumerate(clip.labels):
            place = clip.start + 2 * t
            assert set(masks) == {1, 2}
            ious = [max(m.iou(Mask.from_array(truth(place, o))) for m in masks.values()) for o in (1, 2)]
            assert min(ious) > 0.7


def test_what_does_not_come_home_or_is_not_carried_is_left_out() -> None:
    vanishing = ArraySource(squares(8, 2, hidden=range(4, 8)))
    only = PseudoSettings(frames=4, stride=2, every=8, area=(0.01, 0.1), flow=0, sure=0, grid=GRID)
    (clip,) = pseudo_clips(FakeEngine(), vanishing, only)
    assert (clip.tried, [len(masks) for masks in clip.labels]) == (2, [1, 1, 1, 1])
    (clip,) = pseudo_clips(FakeEngine(), vanishing, replace(only, sure=1.0))
    assert clip.labels == []


def test_only_what_is_wanted_is_made_and_a_damaged_end_is_left_out() -> None:
    source = ArraySource(squares(14, 1), breaks_at=9)
    assert [clip.start for clip in pseudo_clips(FakeEngine(), source, SETTINGS)] == [0]
    assert list(pseudo_clips(FakeEngine(), source, SETTINGS, is_wanted=lambda start: start > 0)) == []


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="frames is 1; give at least 2"):
        PseudoSettings(frames=1)
    with pytest.raises(ConfigError, match=r"flow is 1.5; give a number from 0 to 1"):
        PseudoSettings(flow=1.5)
