"""The ordinary task: follow objects through clips, and segment them in single pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from masklet.data.clips import Clip
from masklet.data.sampling import sample_picture_plan, sample_prompt_plan
from masklet.memory import MemoryPolicy
from masklet.model.sam2 import Features, Sam2
from masklet.train.losses import losses, true_iou
from masklet.train.measured import Measured, Sample, mean_or_nan, pixels_of
from masklet.train.recipe import Recipe
from masklet.train.rollout import Step, chosen, rollout
from masklet.train.unions import with_unions
from masklet.train.verbs import Recomputed, Verbs, encode


class Tracking:
    """SAM 2's training: prompts in the loop, losses on every decoding (paper, section 4 and appendix D)."""

    def __init__(self, model: Sam2, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.device = next(model.parameters()).device
        self.verbs: Verbs = Recomputed(model) if recipe.recompute else model
        self.policy = MemoryPolicy(slots=model.config.slots, pointers=model.config.pointer_limit)

    def prepare(self, clips: list[Clip]) -> Features | None:
        """All frames encoded in one batch, when what encodes them does not change between steps."""
        if self.recipe.learns_images:
            return None
        with torch.no_grad():
            return self.model.encode(pixels_of(clips, self.device))

    def measure(
        self, clips: list[Clip], prepared: Features | None, rng: np.random.Generator, *, show: bool
    ) -> Measured:
        features = prepared
        if features is None:
            features = encode(self.model, pixels_of(clips, self.device), recompute=self.recipe.recompute)
        owners, masks, backwards = pick_objects(rng, clips, self.recipe.objects)
        frames = frames_of(features, owners, len(masks), backwards)
        order = list(range(len(masks)))
        if self.recipe.shuffle and rng.random() < self.recipe.shuffle:
            order[1:] = 1 + rng.permutation(len(masks) - 1)
            frames, masks = [frames[t] for t in order], np.ascontiguousarray(masks[order])
        mix = self.recipe.prompts
        if len(masks) == 1:
            plan = sample_picture_plan(rng, mix=mix)
        else:
            plan = sample_prompt_plan(rng, frames=len(masks), mix=mix)
        if plan.first == "mask" and mix.unions:
            masks = with_unions(rng, owners, masks, mix.unions)
        steps = rollout(self.verbs, frames, masks, plan, self.policy, rng, self.recipe.slips)
        sample = _sample(clips, owners, steps, backwards, order) if show else None
        return self._score(steps, masks.shape[1], first=plan.first != "mask", sample=sample)

    def _score(self, steps: list[Step], objects: int, *, first: bool, sample: Sample | None) -> Measured:
        """Mean loss of the decodings that can learn, J of tracked visible objects, occlusion accuracy.

        first   the first frame was answered by the decoder, not given as a mask
        """
        single = all(step.frame == 0 for step in steps)
        scores_first = first and (single or self.recipe.learns_decoding)
        total = torch.zeros((), device=self.device)
        regions, rights, count = [], [], 0
        for step in steps:
            if step.frame == 0 and not scores_first:
                continue
            count += 1
            total = total + losses(step.decoded, step.target, self.recipe.weights).total(self.recipe.weights)
            visible = step.target.flatten(1).any(1)
            rights.append(((step.decoded.occlusion[:, 0] > 0) == visible).float().mean())
            if (single or not step.prompted) and visible.any():
                logits, _, _ = chosen(step.decoded)
                regions.append(true_iou(logits[:, 0].detach(), step.target)[visible].mean())
        loss = total / (max(1, count) * objects)
        return Measured(loss, mean_or_nan(regions), mean_or_nan(rights), sample)


def pick_objects(
    rng: np.random.Generator, clips: list[Clip], most: int
) -> tuple[list[int], np.ndarray, bool]:
    """Objects to train on: the clip each belongs to, masks [T, O, S, S], and whether time runs backwards."""
    backwards = bool(rng.random() < 0.5)
    owners: list[int] = []
    masks: list[np.ndarray] = []
    for index, clip in enumerate(clips):
        ordered = clip.masks[::-1] if backwards else clip.masks
        usable = np.flatnonzero(ordered[0].any(axis=(1, 2)))
        if not len(usable):
            continue
        picked = rng.permutation(usable)[:most]
        owners += [index] * len(picked)
        masks.append(ordered[:, picked])
    if not owners:
        # Every object left before the last frame: forwards, the first frame is never empty.
        return list(range(len(clips))), np.concatenate([c.masks[:, :1] for c in clips], axis=1), False
    return owners, np.ascontiguousarray(np.concatenate(masks, axis=1)), backwards


def frames_of(features: Features, owners: list[int], count: int, backwards: bool) -> list[Features]:
    """Features of a clip batch, frame by frame in the order of tracking, one row an object."""
    device = features.stride16.device
    result = []
    for t in range(count):
        place = count - 1 - t if backwards else t
        rows = torch.tensor([owner * count + place for owner in owners], device=device)
        result.append(Features(features.stride16[rows], features.stride8[rows], features.stride4[rows]))
    return result


def _sample(
    clips: list[Clip], owners: list[int], steps: list[Step], backwards: bool, order: list[int]
) -> Sample:
    """The first clip that has an object, with the last answer on every frame, as they were tracked."""
    clip = clips[owners[0]]
    mine = [number for number, owner in enumerate(owners) if owner == owners[0]]
    last: dict[int, Step] = {step.frame: step for step in steps}
    ordered = [last[frame] for frame in sorted(last)]
    return Sample(
        frames=(clip.frames[::-1] if backwards else clip.frames)[order],
        truth=np.stack([_bool(step.target[mine]) for step in ordered]),
        answers=np.stack([_bool(_shown(step)[mine]) for step in ordered]),
    )


def _shown(step: Step) -> Tensor:
    logits, _, occlusion = chosen(step.decoded)
    return (logits[:, 0] > 0) & (occlusion > 0)[:, :, None]


def _bool(masks: Tensor) -> np.ndarray:
    return masks.detach().bool().cpu().numpy()
