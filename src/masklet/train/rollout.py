"""A clip goes through the model as a video would: prompt, read memory, decode, remember.

The same four verbs and the same reading rule as in use, with gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.data.clicks import box_prompt, correction_click, first_click
from masklet.data.sampling import PromptPlan
from masklet.memory import MemoryPolicy, select
from masklet.model.sam2 import Decoded, Features, Prompts, Reading
from masklet.train.damage import Slips, damage
from masklet.train.verbs import Verbs


@dataclass(frozen=True)
class Step:
    """One decoding of O objects on one frame, and what it should have been.

    target   float [O, S/4, S/4]
    """

    frame: int
    decoded: Decoded
    target: Tensor
    prompted: bool


@dataclass
class _Memories:
    """What the rollout remembers: per frame, batched over objects."""

    features: dict[int, Tensor]
    pointers: dict[int, Tensor]


def rollout(
    model: Verbs,
    frames: Sequence[Features],
    masks: np.ndarray,
    plan: PromptPlan,
    policy: MemoryPolicy,
    rng: np.random.Generator,
    slips: Slips = Slips(),  # noqa: B008 (frozen)
) -> list[Step]:
    """Track O objects through T frames.

    frames   T features of O images (one an object; objects of one clip share values)
    masks    bool [T, O, S, S], the first frame never empty
    plan     which frames are prompted, how, and which are corrected
    slips    how often memory fails on purpose
    """
    targets = _targets(masks, frames[0].stride16)
    memories = _Memories({}, {})
    prompted: set[int] = set()
    steps: list[Step] = []
    for t in range(len(frames)):
        clicks = _no_prompt(masks.shape[1], targets.device)
        if t == 0:
            step, clicks = _first(model, frames[0], masks[0], targets[0], plan, rng)
            prompted.add(0)
            again = plan.second_look and plan.first != "mask"
            # A picture alone is corrected on its only frame; in a clip the first frame is given.
            conditioned = model.condition(frames[0], None) if again or 0 in plan.corrected_frames else None
            if conditioned is not None and again:
                steps.append(step)
                step = _look_again(model, conditioned, step, clicks)
        else:
            forgetful = bool(slips.forget) and rng.random() < slips.forget
            reading = _reading(t, memories, prompted, policy, prompted_only=forgetful)
            conditioned = model.condition(frames[t], reading)
            decoded = model.decode(conditioned, clicks, multimask=True)
            step = Step(t, decoded, targets[t], False)
        steps.append(step)
        if conditioned is not None and t in plan.corrected_frames:
            for _ in range(plan.correction_clicks):
                step, clicks = _correct(model, conditioned, step, clicks, masks[t], rng)
                steps.append(step)
            prompted.add(t)
        if t + 1 < len(frames):  # nobody reads the last frame
            spoil = slips.damage if t not in prompted else 0.0
            _remember(model, frames[t], step, memories, binary=t in prompted, spoil=spoil, rng=rng)
    return steps


def _targets(masks: np.ndarray, like: Tensor) -> Tensor:
    """bool [T, O, S, S] → 0 / 1 float [T, O, S/4, S/4] by majority."""
    device = like.device
    full = torch.from_numpy(masks).to(device, torch.float32)
    return (F.avg_pool2d(full, 4) >= 0.5).float()


def _no_prompt(objects: int, device: torch.device) -> Prompts:
    return Prompts(
        torch.zeros(objects, 0, 2, device=device), torch.zeros(objects, 0, dtype=torch.long, device=device)
    )


def _first(
    model: Verbs,
    features: Features,
    masks: np.ndarray,
    target: Tensor,
    plan: PromptPlan,
    rng: np.random.Generator,
) -> tuple[Step, Prompts]:
    """The prompted first frame: a mask, a click or a box; and the points that were given."""
    if plan.first == "mask":
        full = torch.from_numpy(masks).to(target.device, torch.float32)[:, None]
        nothing = _no_prompt(len(masks), target.device)
        return Step(0, model.decode_mask(features, full), target, True), nothing
    size = masks.shape[-1]
    objects = range(masks.shape[0])
    if plan.first == "click":
        points = np.array([[first_click(masks[o], rng)] for o in objects], np.float32)
        labels = np.ones(points.shape[:2], np.int64)
    else:
        points = np.array([box_prompt(masks[o], rng) for o in objects], np.float32).reshape(-1, 2, 2)
        labels = np.tile(np.array([2, 3]), (len(masks), 1))
    prompts = Prompts(
        torch.from_numpy(points / size).to(target.device), torch.from_numpy(labels).to(target.device)
    )
    decoded = model.decode(model.condition(features, None), prompts, multimask=plan.first == "click")
    return Step(0, decoded, target, True), prompts


def _look_again(model: Verbs, conditioned: Features, step: Step, clicks: Prompts) -> Step:
    """The same prompt, now with the chosen answer as the prior: one candidate."""
    prompts = Prompts(clicks.points, clicks.labels, _prior(chosen(step.decoded)[0]))
    return Step(step.frame, model.decode(conditioned, prompts, multimask=False), step.target, True)


def _prior(logits: Tensor) -> Tensor:
    """An answer as it goes in again."""
    return logits.detach().float().clamp(-32, 32)


def _correct(
    model: Verbs,
    conditioned: Features,
    step: Step,
    earlier: Prompts,
    masks: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Step, Prompts]:
    """One more click in the error of each object: with those before it and the present answer, as in use.

    Also as in use, a single click is answered with three candidates, several with one.
    """
    logits, _, _ = chosen(step.decoded)
    shown = F.interpolate(logits.detach().float(), scale_factor=4.0, mode="bilinear", align_corners=False)
    guesses = (shown[:, 0] > 0).cpu().numpy()
    points, labels = [], []
    for guess, truth in zip(guesses, masks, strict=True):
        point, positive = correction_click(guess, truth, rng)
        points.append([point])
        labels.append([int(positive)])
    device = step.target.device
    new = torch.tensor(points, dtype=torch.float32, device=device) / masks.shape[-1]
    prompts = Prompts(
        torch.cat((earlier.points, new), dim=1),
        torch.cat((earlier.labels, torch.tensor(labels, device=device)), dim=1),
        _prior(logits),
    )
    decoded = model.decode(conditioned, prompts, multimask=prompts.points.shape[1] == 1)
    return Step(step.frame, decoded, step.target, True), prompts


def chosen(decoded: Decoded) -> tuple[Tensor, Tensor, Tensor]:
    """The candidate with the best predicted IoU: logits [O, 1, h, w], pointer [O, C], occlusion [O, 1]."""
    best = decoded.iou.argmax(dim=1)
    rows = torch.arange(len(best), device=best.device)
    return decoded.logits[rows, best][:, None], decoded.pointers[rows, best], decoded.occlusion


def _remember(
    model: Verbs,
    features: Features,
    step: Step,
    memories: _Memories,
    *,
    binary: bool,
    spoil: float,
    rng: np.random.Generator,
) -> None:
    logits, pointer, occlusion = chosen(step.decoded)
    # What is not visible is remembered as an empty mask, as in use.
    logits = torch.where((occlusion > 0)[:, :, None, None], logits.float(), -1024.0)
    if spoil:
        logits = damage(logits, spoil, rng)
    memories.features[step.frame] = model.remember(features, logits, occlusion, binary=binary)
    memories.pointers[step.frame] = pointer


def _reading(
    t: int, memories: _Memories, prompted: set[int], policy: MemoryPolicy, *, prompted_only: bool
) -> Reading:
    remembered = frozenset(prompted if prompted_only else memories.features)
    reading = select(t, frozenset(prompted), remembered, policy, reverse=False)
    return Reading(
        [memories.features[frame] for frame, _ in reading.memories],
        [slot for _, slot in reading.memories],
        torch.stack([memories.pointers[frame] for frame, _ in reading.pointers], dim=1),
        [distance for _, distance in reading.pointers],
    )
