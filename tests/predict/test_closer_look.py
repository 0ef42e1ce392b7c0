"""A small object is looked at once more in a close-up around it."""

from dataclasses import replace

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine
from masklet.engine.protocol import PromptBatch
from masklet.predict.close_ups import CloseUp, close_up_for, logits_back, logits_in, prompt_in
from masklet.predict.closer import VIEWS, CloserLook
from masklet.predict.image import ImageSession
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession
from masklet.types import Box, Candidates, Click, Mask, Prompt

SIZE = 128
WIDTH, HEIGHT = 1024, 768
CLICK = Prompt(clicks=(Click(300, 200),))


def dots() -> np.ndarray:
    """Grey, with a red disc of 40 pixels around (300, 200) and a blue one of 80 around (800, 600)."""
    picture = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    picture[disc(300, 200)] = (230, 30, 30)
    picture[disc(800, 600, 40)] = (30, 30, 230)
    return picture


def disc(x: int, y: int, radius: int = 20) -> np.ndarray:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


class Unsure(FakeEngine):
    """Says of every answer to a prior that its IoU is `iou`, and whether the object is there at all."""

    def __init__(self, iou: float, occlusion: float = 5.0) -> None:
        super().__init__(SIZE)
        self.iou, self.occlusion = iou, occlusion

    def decode(self, conditioned: tuple, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        found = super().decode(conditioned, prompts, multimask=multimask)
        if prompts.prior is None:
            return found
        return replace(
            found,
            iou=np.full_like(found.iou, self.iou),
            occlusion=np.full_like(found.occlusion, self.occlusion),
        )


def opened(engine: FakeEngine | None = None, **options: bool) -> ImageSession:
    return ImageSession(engine or FakeEngine(SIZE), dots(), second_look=False, **options)


# ── where ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "found", [(280, 180, 320, 220), (0, 0, 30, 60), (990, 700, 1024, 768), (100, 100, 400, 140)]
)
def test_the_close_up_holds_the_answer_with_room_around_it(found: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = found
    prompt = Prompt(clicks=(Click((x0 + x1) / 2, (y0 + y1) / 2),))
    part = close_up_for(found, prompt, WIDTH, HEIGHT, SIZE)
    assert part is not None
    longer = max(x1 - x0, y1 - y0)
    assert part.left <= max(0, x0 - longer / 8)
    assert part.right >= min(WIDTH, x1 + longer / 8)
    assert part.top <= max(0, y0 - longer / 8)
    assert part.bottom >= min(HEIGHT, y1 + longer / 8)
    assert 0 <= part.left < part.right <= WIDTH
    assert 0 <= part.top < part.bottom <= HEIGHT
    assert 1.9 * longer <= part.width <= 1.9 * 2**0.5 * longer + 2


def test_the_prompt_lies_in_it_too() -> None:
    far = Prompt(clicks=(Click(300, 200), Click(420, 200), Click(900, 700, positive=False)))
    part = close_up_for((280, 180, 320, 220), far, WIDTH, HEIGHT, SIZE)
    assert part.right > 420
    assert part.right < 900  # what is not the object needs no look
    boxed = close_up_for((280, 180, 320, 220), Prompt(box=Box(200, 100, 400, 300)), WIDTH, HEIGHT, SIZE)
    assert boxed.left < 200
    assert boxed.bottom > 300


def test_a_large_object_gets_none_and_a_tiny_one_no_blur() -> None:
    assert close_up_for((100, 100, 700, 700), CLICK, WIDTH, HEIGHT, SIZE) is None
    tiny = close_up_for((299, 199, 301, 201), CLICK, WIDTH, HEIGHT, SIZE)
    assert SIZE / 2.5 <= tiny.width <= SIZE / 2.5 * 2**0.5 + 2
    assert (
        close_up_for((3, 3, 5, 5), Prompt(clicks=(Click(4, 4),)), SIZE, 96, SIZE) is None
    )  # nothing to gain
    assert close_up_for((3, 3, 5, 5), Prompt(clicks=(Click(4, 4),)), SIZE + 1, 96, SIZE) is not None


def test_answers_that_differ_little_share_a_close_up() -> None:
    close_ups = {
        close_up_for((280 + d, 180, 320 + d, 220 + d), CLICK, WIDTH, HEIGHT, SIZE) for d in (0, 0.5, 1, 1.5)
    }
    assert len(close_ups) <= 2


# ── there and back ───────────────────────────────────────────────────────────────────────────────


def test_prompts_go_into_the_close_up() -> None:
    part = CloseUp(100, 50, 300, 200)
    given = Prompt(clicks=(Click(150, 60), Click(99, 60, positive=False)), box=Box(120, 40, 320, 90))
    assert prompt_in(given, part) == Prompt(clicks=(Click(50, 10),), box=Box(20, 0, 200, 40))
    assert prompt_in(Prompt(clicks=(Click(10, 10, positive=False),)), part) is None


def test_logits_go_there_and_back() -> None:
    side, part = 64, CloseUp(256, 192, 768, 576)
    rows, columns = np.mgrid[0:side, 0:side] + 0.5
    ramp = (columns / side * 10 - rows / side * 5).astype(np.float32)  # bilinear sampling is exact on it
    cut = logits_in(ramp, part, WIDTH, HEIGHT)
    assert cut.shape == (side, side)
    x = (part.left + columns / side * part.width) / WIDTH
    y = (part.top + rows / side * part.height) / HEIGHT
    assert np.allclose(cut, x * 10 - y * 5, atol=0.02)
    back = logits_back(cut + 1, ramp, part, WIDTH, HEIGHT)
    inner = (slice(16, 48), slice(16, 48))
    assert np.allclose(back[inner], ramp[inner] + 1, atol=0.15)
    back[inner] = ramp[inner]
    assert np.array_equal(back, ramp)
    narrow = CloseUp(5, 5, 9, 9)  # holds no grid place whole
    assert logits_back(cut, ramp, narrow, WIDTH, HEIGHT) is ramp


# ── looking ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("prompt", [{"clicks": [(300, 200)]}, {"box": (278, 178, 322, 222)}])
def test_the_mask_gets_better_and_the_rest_stays(prompt: dict) -> None:
    true = Mask.from_array(disc(300, 200))
    plain, closer = opened(closer_look=False).segment(**prompt), opened().segment(**prompt)
    assert closer.best.iou(true) > plain.best.iou(true)
    assert closer.best.iou(true) > 0.95
    assert (closer.iou, closer.occlusion, closer.masks[1:]) == (plain.iou, plain.occlusion, plain.masks[1:])
    assert np.array_equal(closer.logits[1:], plain.logits[1:])
    assert not np.array_equal(closer.logits[0], plain.logits[0])
    assert closer.logits[0].shape == (SIZE // 4, SIZE // 4)


def test_corrections_look_closer_at_the_same_close_up() -> None:
    picture = opened()
    answer = picture.segment(clicks=[(300, 200)])
    assert picture.engine.calls["encode"] == 2
    better = answer.refine(clicks=[(305, 205)])
    assert picture.engine.calls["encode"] == 2
    assert better.best.iou(Mask.from_array(disc(300, 200))) > 0.95


@pytest.mark.parametrize("engine", [Unsure(0.8), Unsure(0.9, occlusion=-1.0)], ids=["unsure", "absent"])
def test_an_answer_that_is_no_surer_there_changes_nothing(engine: Unsure) -> None:
    first = opened(closer_look=False).segment(clicks=[(300, 200)])
    closer = opened(engine).segment(clicks=[(300, 200)])
    assert engine.calls["encode"] == 2
    assert closer.masks == first.masks
    assert np.array_equal(closer.logits, first.logits)


def test_many_at_once_look_closer_only_when_told() -> None:
    prompts = [CLICK, Prompt(clicks=(Click(800, 600),))]
    picture = opened()
    plain = picture.segment_many(prompts)
    assert picture.engine.calls["encode"] == 1
    assert [a.masks for a in plain] == [
        opened(closer_look=False).segment(clicks=p.clicks).masks for p in prompts
    ]
    closer = picture.segment_many(prompts, closer_look=True)
    assert picture.engine.calls["encode"] == 3
    assert [a.masks for a in closer] == [opened().segment(clicks=p.clicks).masks for p in prompts]


def test_a_mask_to_start_from_without_a_prompt_is_not_looked_at() -> None:
    picture = opened()
    picture.segment(mask=disc(300, 200))
    assert picture.engine.calls["encode"] == 1


def test_few_close_ups_are_kept() -> None:
    engine = FakeEngine(SIZE)
    look = CloserLook(engine, dots())
    for k in range(VIEWS + 3):
        look._view(CloseUp(k, 0, k + 50, 50))
    assert len(look._views) == VIEWS
    look._view(CloseUp(VIEWS + 2, 0, VIEWS + 52, 50))
    assert engine.calls["encode"] == VIEWS + 3


# ── in a session ─────────────────────────────────────────────────────────────────────────────────


def test_a_photo_in_a_session_is_answered_as_a_picture_is() -> None:
    picture = opened()
    for prompt in ({"clicks": [(300, 200)]}, {"box": (760, 560, 840, 640)}):
        policy = TrackingPolicy(second_look=False, fill_holes=0)
        session = VideoSession(ArraySource([dots()]), FakeEngine(SIZE), policy)
        preview, answer = session.prompt(0, 1, **prompt), picture.segment(**prompt)
        assert preview.mask == answer.best
        better = session.prompt(0, 1, clicks=[(305, 205)] if "clicks" in prompt else [(805, 605)])
        again = answer.refine(clicks=[(305, 205)] if "clicks" in prompt else [(805, 605)])
        assert better.mask == again.best


def test_frames_of_videos_are_seen_whole_and_photos_when_told() -> None:
    for frames, policy in (
        ([dots(), dots()], TrackingPolicy()),
        ([dots()], TrackingPolicy(closer_look=False)),
        ([dots()], TrackingPolicy.sam2()),
    ):
        session = VideoSession(ArraySource(frames), FakeEngine(SIZE), policy)
        session.prompt(0, 1, clicks=[(300, 200)])
        assert session.engine.calls["encode"] == 1


def test_another_candidate_is_looked_at_when_it_is_chosen() -> None:
    session = VideoSession(ArraySource([dots()]), FakeEngine(SIZE))
    first = session.prompt(0, 1, clicks=[(300, 200)])
    second = session.prompt(0, 2, clicks=[(300, 200)], candidate=1)
    assert second.chosen == 1
    assert first.candidates[1] != second.candidates[1]
    assert first.candidates[2] == second.candidates[2]
