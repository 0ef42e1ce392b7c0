"""Pictures: one object or many, again and again."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import FakeEngine, inside, squares, truth
from masklet.errors import MaskError, PromptError
from masklet.predict.image import ImageSession
from masklet.types import Mask, Prompt


def opened(objects: int = 3, *, second_look: bool = True) -> ImageSession:
    """Without a closer look; test_closer_look.py has that."""
    return ImageSession(FakeEngine(), squares(1, objects)[0], second_look=second_look, closer_look=False)


def right(mask: Mask, object_id: int) -> bool:
    return mask.iou(Mask.from_array(truth(0, object_id))) > 0.8


def test_a_click_gives_three_candidates_best_first() -> None:
    answer = opened().segment(clicks=[inside(0, 1)])
    assert len(answer) == len(answer.masks) == len(answer.logits) == 3
    assert list(answer.iou) == sorted(answer.iou, reverse=True)
    assert answer.best == answer.masks[0]
    assert right(answer.best, 1)
    assert answer.occlusion > 0
    areas = [m.area for m in answer.masks]
    assert [int((one > 0).sum()) for one in answer.logits] == sorted(
        ((one > 0).sum() for one in answer.logits), key=lambda a: sorted(areas).index(sorted(areas)[0])
    ) or len(set(areas)) == 3  # masks and logits are in the same order


def test_masks_and_logits_and_scores_are_sorted_together() -> None:
    answer = opened().segment(clicks=[inside(0, 1)])
    assert answer.iou == pytest.approx((0.9, 0.7, 0.6))
    big, small = answer.logits[1], answer.logits[2]  # the fake's 0.7 is the loosest, its 0.6 the tightest
    assert (big >= answer.logits[0]).all()
    assert (small <= answer.logits[0]).all()
    assert answer.masks[1].area >= answer.masks[0].area >= answer.masks[2].area


@pytest.mark.parametrize(("multimask", "count"), [(None, 3), (True, 3), (False, 1)])
def test_multimask_can_be_asked_for(multimask, count) -> None:
    assert len(opened().segment(clicks=[inside(0, 1)], multimask=multimask)) == count


def test_a_box_or_two_clicks_give_one() -> None:
    x, y = inside(0, 2)
    assert len(opened().segment(box=(x - 10, y - 10, x + 10, y + 10))) == 1
    assert right(opened().segment(box=(x - 10, y - 10, x + 10, y + 10)).best, 2)
    assert len(opened().segment(clicks=[(x, y), (1, 95, False)])) == 1


def test_the_picture_is_encoded_once() -> None:
    image = opened()
    for k in (1, 2, 3):
        image.segment(clicks=[inside(0, k)])
    assert image.engine.calls["encode"] == 1


def test_refining_adds_clicks_and_starts_from_the_answer() -> None:
    image = opened()
    first = image.segment(clicks=[inside(0, 1)])
    second = first.refine(clicks=[(100, 90, False)], candidate=1)
    assert [c.positive for c in second.prompt.clicks] == [True, False]
    assert np.array_equal(image.engine.priors[-1][0, 0], np.clip(first.logits[1], -32, 32))
    assert len(second) == 1
    with pytest.raises(PromptError, match="candidate 3 does not exist; there are 3"):
        first.refine(clicks=[(1, 1)], candidate=3)


@pytest.mark.parametrize("kind", ["mask", "array", "logits"])
def test_a_mask_to_start_from(kind) -> None:
    image = opened()
    mask = truth(0, 2)
    given = {
        "mask": Mask.from_array(mask),
        "array": mask,
        "logits": image.segment(clicks=[inside(0, 2)]).logits[0],
    }[kind]
    answer = image.segment(mask=given)
    assert right(answer.best, 2)
    assert answer.prompt is None
    assert right(answer.refine(clicks=[inside(0, 2)]).best, 2)
    assert right(image.segment(mask=given, clicks=[inside(0, 2)]).best, 2)


def test_many_prompts_at_once_are_as_many_alone() -> None:
    image = opened()
    x, y = inside(0, 3)
    prompts = [
        Prompt.of(clicks=[inside(0, 1)]),
        Prompt.of(box=(x - 10, y - 10, x + 10, y + 10)),
        Prompt.of(clicks=[inside(0, 2)]),
        Prompt.of(clicks=[inside(0, 1), (100, 90, False)]),
        Prompt.of(mask=truth(0, 2)),
        Prompt.of(clicks=[inside(0, 3)], box=(x - 10, y - 10, x + 10, y + 10)),
    ]
    together = image.segment_many(prompts)
    alone = [image.segment(clicks=p.clicks, box=p.box, mask=p.mask) for p in prompts]
    assert [a.masks for a in together] == [a.masks for a in alone]
    assert [a.iou for a in together] == [a.iou for a in alone]
    assert [a.prompt for a in together] == [a.prompt for a in alone]
    assert image.segment_many([]) == []


def test_alike_prompts_are_one_call_cut_at_the_batch() -> None:
    image = opened(second_look=False)
    image.segment_many([Prompt.of(clicks=[inside(0, 1)])] * 70)
    assert image.engine.calls["decode"] == 2


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (PromptError, r"click \(128, 3\) is outside the frame", {"clicks": [(128, 3)]}),
        (PromptError, "finite", {"clicks": [(float("inf"), 3)]}),
        (PromptError, "inside out", {"box": (9, 9, 3, 12)}),
        (PromptError, "needs a click", {}),
        (
            MaskError,
            "mask is 10×10 but the picture is 128×96; resize it, or give logits of 32×32",
            {"mask": np.ones((10, 10))},
        ),
        (MaskError, "finite", {"mask": np.full((32, 32), np.nan, np.float32)}),
        (PromptError, "empty", {"mask": np.zeros((96, 128), bool)}),
    ],
)
def test_bad_questions_are_refused(error, message, options) -> None:
    with pytest.raises(error, match=message):
        opened().segment(**options)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)]
)
def test_bad_pictures_are_refused(image) -> None:
    with pytest.raises(MaskError, match="a picture must be uint8"):
        ImageSession(FakeEngine(), image)
