"""Objects that are looked for closely, and in the whole frame where that is not enough."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fakes import FakeEngine, inside, square_at, squares, stack, truth
from masklet.engine.protocol import Fovea
from masklet.predict.policy import TrackingPolicy
from masklet.predict.segmenter import Segmenter
from masklet.types import Mask

PLAIN = TrackingPolicy(sharp_edges=False, fill_holes=0)


class Foveal(FakeEngine):
    """Follows colours, in foveas too: there it sees nothing but what lies inside."""

    block = 4

    def __init__(self) -> None:
        super().__init__(256)  # 16 × 16 places of S/16
        self.looks: list[tuple[Fovea, ...]] = []
        self.remembered_at: list[Sequence[Sequence[Fovea]]] = []

    def condition(self, features, reading, foveas=None):
        seen, targets = super().condition(features, reading)
        if reading is not None:
            self.looks.append(tuple(foveas or ()))
        if not foveas:
            return seen, targets
        self.remembered_at.append(reading.foveas)
        return [features[one.scaled(4)] for one in foveas], targets

    def decode(self, conditioned, prompts, *, multimask):
        seen, targets = conditioned
        if not isinstance(seen, list):
            return super().decode(conditioned, prompts, multimask=multimask)
        return stack([self._one(part, targets[o], prompts, o, multimask) for o, part in enumerate(seen)])


def tracked(engine: FakeEngine, video, objects: int = 1, policy: TrackingPolicy = PLAIN):
    with Segmenter(engine).video(video, policy=policy) as session:
        for k in range(objects):
            session.prompt(0, k + 1, clicks=[inside(0, k + 1)])
        return {frame.index: masks for frame, masks in session.propagate()}


def test_a_small_object_is_looked_for_closely_all_the_way() -> None:
    engine = Foveal()
    masks = tracked(engine, squares(24))
    assert len(engine.looks) == 23
    assert all(len(look) == 1 and look[0].side <= 12 for look in engine.looks)
    assert engine.looks[0][0].left < engine.looks[-1][0].left, "the fovea goes with the object"
    for t in range(1, 24):
        assert masks[t].masks[1].iou(Mask.from_array(truth(t, 1))) > 0.8


def test_masks_are_those_of_whole_frames() -> None:
    video = squares(12, objects=3)
    near = tracked(Foveal(), video, 3)
    whole = tracked(FakeEngine(256), video, 3)
    for t, masks in near.items():
        for i, mask in masks.masks.items():
            assert mask.iou(whole[t].masks[i]) == 1.0, (t, i)


def test_objects_of_one_size_share_a_batch() -> None:
    engine = Foveal()
    tracked(engine, squares(6, objects=3), 3)
    assert all(len({fovea.side for fovea in look}) == 1 for look in engine.looks)
    assert len(engine.looks) < 5 * 3
    assert sum(len(look) for look in engine.looks) == 5 * 3


def test_what_is_read_was_somewhere_too() -> None:
    engine = Foveal()
    tracked(engine, squares(24))
    last = engine.remembered_at[-1]
    assert len(last) == len(engine.readings[-1].features)
    lefts = [objects[0].left for objects in last]
    x, _ = square_at(0, 1)
    assert abs(16 * (x + 10) / 128 - (lefts[0] + 4)) <= 4, "the prompted frame's where the object was there"
    assert lefts[0] < engine.looks[-1][0].left


def test_a_jump_is_found_in_the_whole_frame() -> None:
    video = squares(8)
    for t in (4, 5, 6, 7):
        video[t] = np.roll(video[t], 80, axis=1)
    engine = Foveal()
    masks = tracked(engine, video)
    # Frame 4 is looked at twice, closely and then whole; from there on the fovea is where the object is.
    assert [len(look) for look in engine.looks] == [1, 1, 1, 1, 0, 1, 1, 1]
    assert masks[4].masks[1].area > 0
    assert masks[7].masks[1].area > 0


def test_an_object_that_is_gone_is_looked_for_everywhere() -> None:
    engine = Foveal()
    masks = tracked(engine, squares(10, hidden=range(3, 6)))
    assert [len(look) for look in engine.looks] == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1]
    assert masks[4].masks[1].is_empty
    assert not masks[6].masks[1].is_empty


def test_a_policy_can_do_without() -> None:
    engine = Foveal()
    tracked(engine, squares(5), policy=TrackingPolicy.sam2())
    assert engine.looks == [()] * 4
