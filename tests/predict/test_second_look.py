"""A first click or box is answered twice: the second answer starts from the first."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares
from masklet.engine.protocol import PromptBatch
from masklet.predict.image import ImageSession
from masklet.predict.policy import TrackingPolicy
from masklet.predict.prompting import look_again
from masklet.predict.session import VideoSession
from masklet.predict.stream import Stream
from masklet.types import Candidates

POINTS = PromptBatch(np.zeros((3, 1, 2), np.float32), np.ones((3, 1), np.int32))


class Second(FakeEngine):
    """Answers a prior with 7 for object 0, with an empty mask for 1 and with absence for 2."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[PromptBatch, bool]] = []

    def decode(self, conditioned, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        self.asked.append((prompts, multimask))
        return answers(
            logits=[[7.0], [-7.0], [7.0]], iou=[[0.5]] * 3, pointer=9.0, occlusion=[[4.0], [4.0], [-4.0]]
        )


def answers(logits, iou, pointer: float, occlusion) -> Candidates:
    """Every logit of a candidate the same."""
    values = np.array(logits, np.float32)
    return Candidates(
        np.tile(values[:, :, None, None], (1, 1, 32, 32)),
        np.array(iou, np.float32),
        np.full((*values.shape, 4), pointer, np.float32),
        np.array(occlusion, np.float32),
    )


def first() -> Candidates:
    iou = [[0.9, 0.2, 0.3], [0.1, 0.8, 0.3], [0.1, 0.2, 0.7]]
    return answers(logits=[[100.0, 2.0, 3.0]] * 3, iou=iou, pointer=0.0, occlusion=[[1.0]] * 3)


def test_only_the_best_candidate_is_answered_anew_and_only_where_it_is_still_seen() -> None:
    engine, given = Second(), first()
    before = given.logits.copy()
    after = look_again(engine, None, POINTS, given)
    prompts, multimask = engine.asked[0]
    assert not multimask
    assert prompts.points is POINTS.points
    assert prompts.prior.shape == (3, 1, 32, 32)
    assert [float(p.max()) for p in prompts.prior] == [32.0, 2.0, 3.0]  # each one's best, clamped
    assert np.all(after.logits[0, 0] == 7)
    assert np.all(after.pointer[0, 0] == 9)
    after.logits[0, 0], after.pointer[0, 0] = before[0, 0], 0
    assert np.array_equal(after.logits, before)  # an empty or an absent second answer changes nothing
    assert not after.pointer.any()
    assert after.iou is given.iou
    assert after.occlusion is given.occlusion
    assert np.array_equal(given.logits, before)


@pytest.mark.parametrize(
    "batch",
    [replace(POINTS, prior=np.zeros((3, 1, 32, 32), np.float32)), PromptBatch.none(3)],
    ids=["prior", "no points"],
)
def test_what_has_a_prior_or_no_points_is_answered_once(batch: PromptBatch) -> None:
    engine, given = Second(), first()
    assert look_again(engine, None, batch, given) is given
    assert not engine.asked


@pytest.mark.parametrize("looks", [True, False])
def test_every_door_looks_twice_unless_told_otherwise(looks: bool) -> None:
    frames, policy = squares(2, 1), TrackingPolicy(second_look=looks)
    click = {"clicks": [inside(0, 1)]}

    image = ImageSession(FakeEngine(), frames[0], second_look=looks, closer_look=False)
    answer = image.segment(**click)
    session = VideoSession(ArraySource(frames), FakeEngine(), policy)
    preview = session.prompt(0, 1, **click)
    stream = Stream(FakeEngine(), policy=policy)
    stream.prompt(1, **click)
    streamed = stream.step(session.source[0])

    for engine in (image.engine, session.engine, stream.engine):
        assert [p is None for p in engine.priors] == [True, False][: 1 + looks]
    assert answer.best == preview.mask == streamed.masks[1]
    image.segment(box=(1, 1, 9, 9))
    assert len(image.engine.priors) == 2 * (1 + looks)


def test_sam_2_s_policy_looks_once() -> None:
    assert not TrackingPolicy.sam2().second_look
