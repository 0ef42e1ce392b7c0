"""Everything in a video: found, followed both ways, picked up later, merged, cleaned."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, square_at, squares, truth
from masklet.errors import ConfigError, DamagedVideoError
from masklet.predict.automatic import AutomaticOptions
from masklet.predict.automatic_video import (
    GRIDS,
    VideoAutomaticOptions,
    key_frames,
    masklet_iou,
    segment_video,
)
from masklet.types import Mask

SEARCH = AutomaticOptions(points_per_side=12, predicted_iou=0.8, stability=0.3)


def options(**changes) -> VideoAutomaticOptions:
    return VideoAutomaticOptions(**{"picture": SEARCH, "interval": 4, "clean": 0, **changes})


def follows(masklet, object_id: int, frames) -> bool:
    """Whether a masklet is this square on these frames."""
    found = [masklet.masks[t].to_array() for t in frames]
    right = [truth(t, object_id) for t in frames]
    return all((a & b).sum() / max((a | b).sum(), 1) > 0.5 for a, b in zip(found, right, strict=True))


def test_every_object_is_followed_through_the_video() -> None:
    found = segment_video(FakeEngine(), ArraySource(squares(8, 2)), options())
    for object_id in (1, 2):
        assert sum(follows(m, object_id, range(8)) for m in found) == 1
    assert all(set(m.masks) == set(range(8)) for m in found)


def test_what_appears_later_is_found_and_followed_back_to_where_it_came() -> None:
    images = squares(10, 2)
    for t in range(3):  # the second square is not there yet
        x, y = square_at(t, 2)
        images[t] = images[t].copy()
        images[t][y : y + 20, x : x + 20] = 120
    found = segment_video(FakeEngine(), ArraySource(images), options())
    late = next(m for m in found if follows(m, 2, range(4, 10)))
    assert late.key == 4
    assert follows(late, 2, [3])  # tracked backwards from the key frame
    assert late.masks[0].is_empty
    assert 0 not in late.visible
    only_first = segment_video(FakeEngine(), ArraySource(images), options(interval=0))
    assert not any(follows(m, 2, range(4, 10)) for m in only_first)


def test_what_is_known_is_not_found_again() -> None:
    source = ArraySource(squares(9, 2))
    once = segment_video(FakeEngine(), source, options(interval=0))
    often = segment_video(FakeEngine(), source, options(interval=2))
    assert len(often) == len(once)


def test_options_drop_the_short_and_the_unsure() -> None:
    source = ArraySource(squares(6, 1))
    assert segment_video(FakeEngine(), source, options(least_iou=1.0)) == []
    flash = squares(6, 1, hidden=range(1, 6))
    kept = segment_video(FakeEngine(), ArraySource(flash), options(interval=0, least_frames=2))
    assert not any(follows(m, 1, [0]) for m in kept)
    assert len(segment_video(FakeEngine(), source, options(most=1, interval=0))) == 1


def test_frames_are_cleaned() -> None:
    images = squares(4, 1)
    for image in images:
        image[80:83, 100:103] = (230, 30, 30)  # a speck of the object's colour
    raw, clean = (
        segment_video(FakeEngine(256), ArraySource(images), options(clean=area, interval=0))
        for area in (0, 60)
    )
    speck = np.s_[78:85, 98:105]

    def specks(found) -> bool:
        red = next(m for m in found if follows(m, 1, [0]))
        return bool(red.masks[2].to_array()[speck].any())

    assert specks(raw)
    assert not specks(clean)


def test_steps_are_told() -> None:
    told: list[tuple[str, float, int]] = []
    segment_video(
        FakeEngine(), ArraySource(squares(8, 1)), options(), on_step=lambda *step: told.append(step)
    )
    assert told[0] == ("searching frame 0", 0, 2)
    assert told[-1] == ("done", 2, 2)
    parts = [done for _, done, _ in told]
    assert parts == sorted(parts)
    assert {0.5, 1.0} < set(parts)  # the search is one half, following what it found the other
    assert sum(0 < part < 0.5 for part in parts) > 1
    assert sum(what.startswith("following") and 0.5 < part < 1 for what, part, _ in told) > 5


def test_key_frames() -> None:
    assert list(key_frames(10, 4)) == [0, 4, 8]
    assert list(key_frames(10, 0)) == [0]


def test_iou_over_space_and_time() -> None:
    def mask(*columns: int) -> Mask:
        array = np.zeros((4, 10), bool)
        array[:, list(columns)] = True
        return Mask.from_array(array)

    one = {0: mask(0, 1), 1: mask(0, 1), 2: mask()}
    other = {0: mask(1, 2), 1: mask(0, 1), 2: mask(5)}
    # 4 + 8 + 0 pixels of 12 + 8 + 4
    assert masklet_iou(one, other) == pytest.approx(0.5)
    assert masklet_iou({0: mask()}, {0: mask()}) == 1
    assert masklet_iou(one, {7: mask(1)}) == 0


def test_the_papers_grids() -> None:
    full = GRIDS["full"]
    assert [full.side(layer) for layer in (0, 1, 2)] == [32, 16, 4]
    assert AutomaticOptions(points_per_side=32, crop_layers=2, crop_points_downscale=2).side(2) == 8


@pytest.mark.parametrize("bad", [{"interval": -1}, {"same": 1.5}, {"most": 0}])
def test_bad_options_are_refused(bad: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(bad))):
        VideoAutomaticOptions(**bad)


def test_grids_need_a_number_for_each_layer() -> None:
    with pytest.raises(ConfigError, match="crop_points"):
        AutomaticOptions(crop_layers=2, crop_points=(4,))


def test_a_video_that_breaks_off_gives_what_was_followed_until_there() -> None:
    source = ArraySource(squares(10, 2), breaks_at=6)
    with pytest.raises(DamagedVideoError):
        segment_video(FakeEngine(), source, options())
    told: list[DamagedVideoError] = []
    found = segment_video(FakeEngine(), source, options(), on_damage=told.append)
    assert "breaks off at frame 6" in str(told[0])
    for object_id in (1, 2):
        assert sum(follows(m, object_id, range(6)) for m in found) == 1
    assert all(set(m.masks) == set(range(6)) for m in found)


def test_stopping_keeps_what_was_followed_until_then() -> None:
    engine = FakeEngine()
    found = segment_video(
        engine, ArraySource(squares(10, 2)), options(), stopped=lambda: engine.calls["encode"] >= 5
    )
    assert engine.calls["encode"] == 5
    for object_id in (1, 2):
        assert sum(follows(m, object_id, range(4)) for m in found) == 1


def test_stopping_while_searching_gives_nothing_new() -> None:
    assert segment_video(FakeEngine(), ArraySource(squares(4, 2)), options(), stopped=lambda: True) == []
