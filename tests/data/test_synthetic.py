from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from masklet.data.clips import Clip, ClipSettings
from masklet.data.datasets import ImagePool, LabelledImage
from masklet.data.light import LightSettings
from masklet.data.problems import Problems
from masklet.data.sheets import contact_sheet
from masklet.data.synthetic import ClipSynthesiser
from masklet.errors import ConfigError, DataError
from masklet.types import Mask

SMALL = ClipSettings(frames=4, size=64)
PLAIN = LightSettings(strength=0, drift=0, grey=0, defocus=0, coarse=0, noise=0, compression=0)


def clips(pool: ImagePool, settings: ClipSettings, count: int, seed: int = 0) -> list[Clip]:
    synthesiser = ClipSynthesiser(pool, settings)
    return [synthesiser.clip(np.random.default_rng([seed, n])) for n in range(count)]


@pytest.mark.parametrize(
    "settings",
    [
        replace(SMALL, scene=1.0, in_place=0.0),
        replace(SMALL, scene=0.0, in_place=1.0),
        replace(SMALL, scene=0.0, in_place=0.0),
        replace(SMALL, fast=1.0, cover=1.0, leave=1.0, obstacles=1.0, motion_blur=1.0, frames=8),
        replace(SMALL, frames=1, max_objects=1),
        replace(SMALL, sparse=1.0),
    ],
    ids=["scene", "in_place", "pasted", "eventful", "still", "sparse"],
)
def test_clips_keep_their_promises(pool: ImagePool, settings: ClipSettings) -> None:
    for clip in clips(pool, settings, 12):
        t, o, s = settings.frames, clip.masks.shape[1], settings.size
        assert clip.frames.shape == (t, s, s, 3)
        assert clip.frames.dtype == np.uint8
        assert clip.masks.shape == (t, o, s, s)
        assert clip.masks.dtype == bool
        assert 1 <= o <= settings.max_objects
        assert np.array_equal(clip.visible, clip.masks.any(axis=(2, 3)))
        assert clip.visible[0].all()
        assert (clip.masks[0].mean(axis=(1, 2)) >= settings.min_area).all()
        assert clip.frames.flags.c_contiguous
        assert clip.masks.flags.c_contiguous


def test_a_seed_fixes_a_clip_whatever_came_before(pool: ImagePool) -> None:
    synthesiser = ClipSynthesiser(pool, SMALL)
    first = [synthesiser.clip(np.random.default_rng(n)) for n in range(6)]
    for n in reversed(range(6)):
        again = synthesiser.clip(np.random.default_rng(n))
        assert np.array_equal(first[n].frames, again.frames)
        assert np.array_equal(first[n].masks, again.masks)
    assert not np.array_equal(first[0].frames, first[1].frames)


def test_frames_may_be_chosen_per_clip(pool: ImagePool) -> None:
    assert ClipSynthesiser(pool, SMALL).clip(np.random.default_rng(0), frames=7).frames.shape[0] == 7


def test_things_move_and_sometimes_vanish_and_come_back(pool: ImagePool) -> None:
    found = clips(pool, replace(SMALL, frames=8, cover=0.5, leave=0.5), 40)
    moved = [np.any(clip.masks[0] != clip.masks[-1]) for clip in found]
    assert np.mean(moved) > 0.9
    absent = [not clip.visible.all() for clip in found]
    assert 0.1 < np.mean(absent) < 0.95
    back = [
        bool(np.any(~clip.visible[t] & clip.visible[t + 1 :].any(axis=0)))
        for clip in found
        for t in range(clip.visible.shape[0] - 1)
    ]
    assert any(back)


def test_frames_of_sparse_clips_lie_farther_apart(pool: ImagePool) -> None:
    def share_kept(settings: ClipSettings) -> float:
        found = clips(pool, replace(settings, frames=6, leave=0, cover=0), 30)
        pairs = [
            (mask[t], mask[t + 1]) for clip in found for mask in clip.masks.swapaxes(0, 1) for t in range(5)
        ]
        return float(np.mean([(a & b).sum() / max(1, (a | b).sum()) for a, b in pairs]))

    assert share_kept(replace(SMALL, sparse=1.0)) < 0.9 * share_kept(SMALL)


class _Discs:
    """Pictures of one bright red disc on blue, so that a mask can be checked against the colours."""

    def __init__(self) -> None:
        self.problems = Problems()

    def __len__(self) -> int:
        return 4

    def read(self, index: int) -> LabelledImage:
        image = np.zeros((100, 100, 3), np.uint8)
        image[..., 2] = 200
        y, x = np.mgrid[0:100, 0:100]
        disc = (x - 45 - index) ** 2 + (y - 50) ** 2 < 18**2
        image[disc] = (230, 20, 0)
        return LabelledImage(image, (Mask.from_array(disc),), f"disc {index}", "discs")


@pytest.mark.parametrize("kind", [{"scene": 1.0, "in_place": 0.0}, {"scene": 0.0, "in_place": 1.0}])
def test_masks_fit_what_is_seen(kind: dict[str, Any]) -> None:
    quiet = {"obstacles": 0.0, "cover": 0.0, "leave": 0.0, "visitors": 0.0, "motion_blur": 0.0}
    settings = replace(SMALL, size=128, light=PLAIN, **quiet, **kind)
    for clip in clips(ImagePool([_Discs()]), settings, 12):
        red = clip.frames[..., 0].astype(int) > clip.frames[..., 2]
        mask = clip.masks[:, 0]
        agree = (red & mask).sum(axis=(1, 2)) / np.maximum((red | mask).sum(axis=(1, 2)), 1)
        # one pixel all around the smallest disc (radius about 13) is 15 % of it; the deformed picture
        # may show its own reflection at the border, never inside the mask
        assert (agree[clip.visible[:, 0]] > 0.75).all()
        inside = (red & mask).sum(axis=(1, 2)) / np.maximum(mask.sum(axis=(1, 2)), 1)
        assert (inside[clip.visible[:, 0]] > 0.9).all()


def test_unlabelled_copies_are_not_part_of_the_mask() -> None:
    settings = replace(
        SMALL,
        scene=0.0,
        in_place=0.0,
        max_objects=1,
        look_alike=1.0,
        distractors=0.0,
        obstacles=0.0,
        cover=0.0,
        light=PLAIN,
        object_size=(0.25, 0.3),
    )
    for clip in clips(ImagePool([_Discs()]), settings, 8):
        # a red disc is in the base picture too: the mask must be one disc, not all that is red
        assert clip.masks[0, 0].mean() < 0.13


def test_pool_without_objects_of_use_says_so() -> None:
    class Specks(_Discs):
        def read(self, index: int) -> LabelledImage:
            mask = np.zeros((100, 100), bool)
            mask[5, 5] = True
            return LabelledImage(np.zeros((100, 100, 3), np.uint8), (Mask.from_array(mask),), "speck")

    with pytest.raises(DataError, match="no clip could be made"):
        ClipSynthesiser(ImagePool([Specks()]), SMALL).clip(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"size": 8}, "size is 8"),
        ({"scene": 1.2}, "scene is 1.2"),
        ({"scene": 0.7, "in_place": 0.5}, "at most 1 together"),
        ({"object_size": (0.5, 0.2)}, "object_size"),
        ({"light": LightSettings(noise=-0.1)}, "noise is -0.1"),
    ],
)
def test_settings_out_of_range_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClipSettings(**change)


def test_contact_sheet_shows_every_frame(pool: ImagePool) -> None:
    (clip,) = clips(pool, SMALL, 1)
    sheet = contact_sheet(clip)
    assert sheet.shape == (128, 256, 3)
    assert np.array_equal(sheet[64:, :64], clip.frames[0])
    assert (sheet[:64, :64] != clip.frames[0]).any()
    assert contact_sheet(clip, plain=False).shape == (64, 256, 3)
