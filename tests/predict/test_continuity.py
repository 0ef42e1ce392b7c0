"""Candidates that go on from where the object was win over look-alikes elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.errors import ConfigError
from masklet.memory import MemoryBank, MemoryEntry
from masklet.predict.continuity import choose, expected
from masklet.predict.policy import TrackingPolicy

S = 32


def square(top: int, left: int, side: int = 6) -> np.ndarray:
    logits = np.full((S, S), -5, np.float32)
    logits[max(top, 0) : top + side, max(left, 0) : left + side] = 5
    return logits


def bank(**frames: np.ndarray | None) -> MemoryBank:
    """f3=logits: frame 3 was tracked like that."""
    made = MemoryBank()
    for name, logits in frames.items():
        made.write(int(name[1:]), MemoryEntry(None, np.zeros(4, np.float32), 1.0, logits))
    return made


def test_a_mask_is_moved_on_as_its_centre_moved() -> None:
    found = expected(bank(f3=square(4, 10), f4=square(6, 9)), 5)
    assert np.array_equal(found, square(8, 8) > 0)


def test_backwards_the_later_frames_say_where_it_should_be() -> None:
    found = expected(bank(f7=square(4, 10), f6=square(6, 9)), 5, reverse=True)
    assert np.array_equal(found, square(8, 8) > 0)


def test_what_leaves_the_frame_is_cut_off() -> None:
    found = expected(bank(f0=square(4, 24), f1=square(4, 26)), 2)
    assert np.array_equal(found, square(4, 28) > 0)


def test_a_jump_is_not_a_motion() -> None:
    found = expected(bank(f0=square(0, 0), f1=square(20, 20)), 2)
    assert np.array_equal(found, square(24, 24) > 0)  # an eighth of 32 at most


def test_one_frame_says_it_stays() -> None:
    assert np.array_equal(expected(bank(f1=square(3, 3)), 2), square(3, 3) > 0)


@pytest.mark.parametrize("last", [None, np.full((S, S), -5, np.float32)])
def test_without_the_object_on_the_frame_before_nothing_is_expected(last) -> None:
    assert expected(bank(f0=square(3, 3), f1=last), 2) is None
    assert expected(bank(f0=square(3, 3)), 2) is None


def test_the_look_alike_that_is_elsewhere_loses_unless_it_is_much_better() -> None:
    logits = np.stack([square(20, 20), square(4, 4), square(4, 4, 2)])
    where = square(4, 5) > 0
    iou = np.array([0.85, 0.8, 0.82], np.float32)
    assert choose(logits, iou, where, 0.2) == 1
    assert choose(logits, iou, where, 0) == 0
    assert choose(logits, iou, None, 0.2) == 0
    assert choose(logits, np.array([0.99, 0.5, 0.4], np.float32), where, 0.2) == 0


def test_sam_2s_own_behaviour_is_without_it() -> None:
    assert TrackingPolicy.sam2().continuity == 0
    with pytest.raises(ConfigError, match=r"tracking continuity is 1\.5; give a number from 0 to 1"):
        TrackingPolicy(continuity=1.5)
