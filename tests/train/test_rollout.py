"""A clip through the model: which frames are prompted, read, corrected and remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masklet.data.clips import Clip
from masklet.data.sampling import PromptPlan
from masklet.memory import MemoryPolicy
from masklet.model.sam2 import Features, Reading, Sam2
from masklet.train.losses import LossWeights, losses
from masklet.train.rollout import Step, chosen, rollout


class Watched:
    """Notes what the model was asked."""

    def __init__(self, model: Sam2, monkeypatch: pytest.MonkeyPatch) -> None:
        self.readings: list[Reading | None] = []
        self.binary: list[bool] = []
        self.remembered: list[torch.Tensor] = []
        condition, remember = model.condition, model.remember

        def conditioned(features: Features, reading: Reading | None) -> Features:
            self.readings.append(reading)
            return condition(features, reading)

        def remembered(features, logits, occlusion, *, binary):
            self.binary.append(binary)
            self.remembered.append(logits)
            return remember(features, logits, occlusion, binary=binary)

        monkeypatch.setattr(model, "condition", conditioned)
        monkeypatch.setattr(model, "remember", remembered)


def roll(model: Sam2, clip: Clip, plan: PromptPlan, seed: int = 0) -> list[Step]:
    model.train()
    pixels = torch.from_numpy(clip.frames).permute(0, 3, 1, 2).float() / 255 - 0.5
    with torch.no_grad():
        encoded = model.encode(pixels)
    objects = clip.masks.shape[1]
    rows = [[t] * objects for t in range(len(pixels))]
    frames = [Features(encoded.stride16[r], encoded.stride8[r], encoded.stride4[r]) for r in rows]
    policy = MemoryPolicy(slots=model.config.slots, pointers=model.config.pointer_limit)
    return rollout(model, frames, clip.masks, plan, policy, np.random.default_rng(seed))


@pytest.mark.parametrize(("first", "candidates"), [("mask", 1), ("click", 3), ("box", 1)])
def test_first_prompts(model: Sam2, clip, monkeypatch, first: str, candidates: int) -> None:
    watched = Watched(model, monkeypatch)
    steps = roll(model, clip(3), PromptPlan(first))
    assert [(s.frame, s.prompted) for s in steps] == [(0, True), (1, False), (2, False)]
    assert steps[0].decoded.logits.shape == (2, candidates, 16, 16)
    assert all(s.decoded.logits.shape == (2, 3, 16, 16) for s in steps[1:])
    assert watched.binary == [True, False]  # nobody reads the last frame
    # A mask is its own answer and reads nothing; clicks and boxes are decoded without memory.
    assert [r is None for r in watched.readings] == ([] if first == "mask" else [True]) + [False, False]
    second, third = watched.readings[-2:]
    assert (list(second.slots), list(second.distances)) == ([0], [1])
    assert (list(third.slots), sorted(third.distances)) == ([0, 1], [1, 2])
    assert third.pointers.shape == (2, 2, model.config.width)


def test_a_given_mask_is_the_first_answer(model: Sam2, clip) -> None:
    first = roll(model, clip(2), PromptPlan("mask"))[0]
    assert torch.equal((first.decoded.logits[:, 0] > 0).float(), first.target)


def test_targets_are_the_masks_at_a_quarter_of_the_size(model: Sam2, clip) -> None:
    made = clip(3)
    for step in roll(model, made, PromptPlan("mask")):
        assert np.array_equal(step.target.numpy() > 0, made.masks[step.frame][:, ::4, ::4])


def test_corrected_frames_are_clicked_and_count_as_prompted(model: Sam2, clip, monkeypatch) -> None:
    watched = Watched(model, monkeypatch)
    given: list[int] = []
    decode = model.decode
    monkeypatch.setattr(
        model, "decode", lambda seen, p, **k: (given.append(p.points.shape[1]), decode(seen, p, **k))[1]
    )
    steps = roll(model, clip(4), PromptPlan("click", corrected_frames=(1,), correction_clicks=2))
    assert [(s.frame, s.prompted) for s in steps] == [
        (0, True),
        (1, False),
        (1, True),
        (1, True),
        (2, False),
        (3, False),
    ]
    # Clicks add up, and as in use a frame's first one has three answers.
    assert given == [1, 0, 1, 2, 0, 0]
    assert [s.decoded.logits.shape[1] for s in steps] == [3, 3, 3, 1, 3, 3]
    assert watched.binary == [True, True, False]
    assert list(watched.readings[2].slots) == [0, 0]
    # What is remembered of the corrected frame is the last answer, not the first.
    last, _, occlusion = chosen(steps[3].decoded)
    expected = torch.where((occlusion > 0)[:, :, None, None], last, -1024.0)
    assert torch.equal(watched.remembered[1], expected)


def test_an_object_that_leaves(model: Sam2, clip, monkeypatch) -> None:
    watched = Watched(model, monkeypatch)
    plan = PromptPlan("mask", corrected_frames=(2,), correction_clicks=1)
    # The model believes that nothing is visible from now on.
    torch.nn.init.zeros_(model.mask_decoder.pred_obj_score_head.layers[-1].weight)
    torch.nn.init.constant_(model.mask_decoder.pred_obj_score_head.layers[-1].bias, -5.0)
    steps = roll(model, clip(3, leaves=1), plan)
    assert [bool(s.target[0].any()) for s in steps] == [True, False, False, False]
    assert all(s.target[1].any() for s in steps)
    assert (watched.remembered[0] > 0).flatten(1).any(1).all()
    assert len(watched.remembered) == 2
    assert (watched.remembered[1] == -1024).all()
    assert torch.equal(steps[1].decoded.pointers, model.no_object_pointer.expand(2, 3, -1))
    parts = losses(steps[1].decoded, steps[1].target, LossWeights())
    # one absent object (right at -5), one visible (wrong at -5)
    assert parts.occlusion.item() == pytest.approx(0.0067153 + 5.0067153, rel=1e-5)


def test_a_picture_alone_is_corrected_and_remembered_by_nobody(model: Sam2, clip, monkeypatch) -> None:
    watched = Watched(model, monkeypatch)
    steps = roll(model, clip(1), PromptPlan("box", corrected_frames=(0,), correction_clicks=2))
    assert [(s.frame, s.prompted) for s in steps] == [(0, True)] * 3
    assert watched.binary == []
    assert watched.readings == [None, None]


@pytest.mark.parametrize(("given", "answers"), [("click", [3, 1]), ("box", [1, 1]), ("mask", [1])])
def test_a_first_prompt_is_answered_twice_as_in_use(
    model: Sam2, clip, monkeypatch, given: str, answers: list[int]
) -> None:
    watched = Watched(model, monkeypatch)
    priors: list[torch.Tensor | None] = []
    decode = model.decode
    monkeypatch.setattr(
        model, "decode", lambda seen, p, **k: (priors.append(p.prior), decode(seen, p, **k))[1]
    )
    steps = roll(model, clip(2), PromptPlan(given, second_look=True))
    assert [s.decoded.logits.shape[1] for s in steps] == [*answers, 3]
    if given == "mask":
        return
    assert torch.equal(priors[1], chosen(steps[0].decoded)[0].detach().clamp(-32, 32))
    # The second answer is what is remembered.
    last, _, occlusion = chosen(steps[1].decoded)
    assert torch.equal(watched.remembered[0], torch.where((occlusion > 0)[:, :, None, None], last, -1024.0))


def test_gradients_reach_the_memory_of_earlier_frames(model: Sam2, clip) -> None:
    steps = roll(model, clip(3), PromptPlan("mask"))
    chosen(steps[-1].decoded)[0].sum().backward()
    for part in (
        "memory_encoder.out_proj.weight",
        "memory_attention.layers.0.self_attn.q_proj.weight",
        "memory_slot_embed",
        "pointer_proj.layers.0.weight",
    ):
        gradient = model.get_parameter(part).grad
        assert gradient is not None, part
        assert gradient.any(), part


def test_the_same_seed_draws_the_same_clicks(model: Sam2, clip) -> None:
    plan = PromptPlan("click", corrected_frames=(1,), correction_clicks=1)
    one, same, other = (roll(model, clip(2), plan, seed)[-1].decoded.logits for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
