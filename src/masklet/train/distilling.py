"""A small image encoder learns what a large one sees: features first, then the masks made from them.

The student has the teacher's prompt encoder and mask decoder, which as a rule stay as they are (a decoder
that learns here forgets what tracking taught it). So a student whose
three maps equal the teacher's answers every prompt as the teacher does, and what maps of its size cannot
hold is learned where it matters: in the masks, with prompts in the loop (as in EdgeSAM, Zhou et al., 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.data.clicks import box_prompt, correction_click, first_click
from masklet.data.clips import Clip
from masklet.data.sampling import PromptPlan, sample_picture_plan
from masklet.model.sam2 import Decoded, Features, Prompts, Sam2
from masklet.train.losses import LossWeights, dice, focal, true_iou
from masklet.train.measured import Measured, Sample, mean_or_nan, pixels_of
from masklet.train.recipe import Distillation, Recipe
from masklet.train.rollout import chosen
from masklet.train.verbs import encode


class Distilling:
    """Losses of a student against its teacher, on pictures; see `Distillation` for what counts how much.

    teacher   a network with the same decoder, on the student's device; it is not changed
    """

    def __init__(self, model: Sam2, teacher: Sam2, recipe: Recipe) -> None:
        self.model = model
        # In training mode both answer with the plain single output, so that answers can be compared.
        self.teacher = teacher.train().requires_grad_(False)
        self.recipe = recipe
        self.settings = recipe.distillation if recipe.distillation is not None else Distillation()
        self.device = next(model.parameters()).device

    def prepare(self, clips: list[Clip]) -> Features:
        """The teacher's features of all frames, on its own grid."""
        pixels = pixels_of(clips, self.device)
        size = self.settings.teacher_size
        if size and size != pixels.shape[-1]:
            pixels = F.interpolate(pixels, (size, size), mode="bicubic", align_corners=False, antialias=True)
        with torch.no_grad():
            parts = [self.teacher.encode(one) for one in pixels.split(4)]
        return Features(
            torch.cat([part.stride16 for part in parts]),
            torch.cat([part.stride8 for part in parts]),
            torch.cat([part.stride4 for part in parts]),
        )

    def measure(
        self, clips: list[Clip], prepared: Features, rng: np.random.Generator, *, show: bool
    ) -> Measured:
        mine = encode(self.model, pixels_of(clips, self.device), recompute=self.recipe.recompute)
        loss = feature_error(mine, prepared, self.settings.features)
        if not self.settings.masks and not show:
            return Measured(loss)
        plan = sample_picture_plan(rng, mix=self.recipe.prompts)
        places = self.settings.places if plan.first == "click" else 0
        asked = _asked(rng, clips, self.recipe.objects, places, plan, self.device)
        if not asked.rows:
            return Measured(loss)
        if not self.settings.masks:
            with torch.no_grad():
                answers = self._answers(mine, prepared, asked, plan, rng)
        else:
            answers = self._answers(mine, prepared, asked, plan, rng)
            errors = [mask_error(ours, theirs, self.recipe.weights) for ours, theirs in answers]
            loss = loss + self.settings.masks * torch.stack(errors).mean()
        regions = [
            true_iou(_best(ours), (_sized(_best(theirs)[:, None], _best(ours))[:, 0] > 0).float()).mean()
            for ours, theirs in answers
        ]
        sample = _sample(clips, asked.rows, answers[-1]) if show else None
        return Measured(loss, region=mean_or_nan(regions), sample=sample)

    def _answers(
        self,
        mine: Features,
        theirs: Features,
        asked: Asked,
        plan: PromptPlan,
        rng: np.random.Generator,
    ) -> list[tuple[Decoded, Decoded]]:
        """Student's and teacher's answers to the same prompts, then to clicks where they differ."""
        index = torch.tensor(asked.rows, device=self.device)
        own = self.model.condition(_rows(mine, index), None)
        with torch.no_grad():
            other = self.teacher.condition(_rows(theirs, index), None)
        points, labels, size = asked.points, asked.labels, self.recipe.input_size
        pairs: list[tuple[Decoded, Decoded]] = []
        for number in range(1 + plan.correction_clicks):
            priors = [None, None] if not pairs else [_prior(one) for one in pairs[-1]]
            if pairs:
                new, signs = _difference(pairs[-1], size, rng, self.device)
                points, labels = torch.cat((points, new), dim=1), torch.cat((labels, signs), dim=1)
            multimask = number == 0 and plan.first == "click"
            with torch.no_grad():
                answer = self.teacher.decode(other, Prompts(points, labels, priors[1]), multimask=multimask)
            pairs.append(
                (self.model.decode(own, Prompts(points, labels, priors[0]), multimask=multimask), answer)
            )
        return pairs


def feature_error(mine: Features, theirs: Features, weights: tuple[float, float, float]) -> Tensor:
    """Squared error of the maps at strides 16, 8 and 4 as a share of the teacher's variance, weighted.

    Zero for equal maps, about one for a map that knows only the channels' means. Maps of another size
    are brought to the student's.
    """
    total = mine.stride16.new_zeros((), dtype=torch.float32)
    for name, weight in zip(("stride16", "stride8", "stride4"), weights, strict=True):
        ours, goal = getattr(mine, name).float(), getattr(theirs, name).float()
        if goal.shape[-2:] != ours.shape[-2:]:
            goal = F.interpolate(goal, ours.shape[-2:], mode="bilinear", align_corners=False, antialias=True)
        spread = (goal - goal.mean((0, 2, 3), keepdim=True)).square().mean().clamp_min(1e-6)
        total = total + weight * (ours - goal).square().mean() / spread
    return total


def mask_error(mine: Decoded, theirs: Decoded, weights: LossWeights) -> Tensor:
    """Every candidate against the teacher's same candidate: focal and dice of the mask, and predicted IoU."""
    logits = mine.logits.float()
    goal = (_sized(theirs.logits.float(), logits) > 0).float()
    masks = weights.focal * focal(logits, goal, weights.focal_alpha, weights.focal_gamma)
    masks = masks + weights.dice * dice(logits, goal)
    ious = (mine.iou.float() - theirs.iou.float()).abs()
    return (masks + weights.iou * ious).mean()


@dataclass(frozen=True)
class Asked:
    """First prompts of a batch of pictures.

    rows     the frame each is about, a row of the features
    points   [O, P, 2] in 0 to 1, with labels [O, P]
    """

    rows: list[int]
    points: Tensor
    labels: Tensor


def _asked(
    rng: np.random.Generator,
    clips: list[Clip],
    objects: int,
    places: int,
    plan: PromptPlan,
    device: torch.device,
) -> Asked:
    """Prompts for some objects of every frame, and clicks on some places of it, whatever is there."""
    rows: list[int] = []
    points: list[np.ndarray] = []
    start = 0
    for clip in clips:
        size = clip.frames.shape[-2]
        for frame in range(len(clip.frames)):
            seen = np.flatnonzero(clip.masks[frame].any(axis=(1, 2)))
            for number in rng.permutation(seen)[:objects]:
                rows.append(start + frame)
                points.append(_first_prompt(clip.masks[frame, int(number)], plan, rng) / size)
            for _ in range(places):
                rows.append(start + frame)
                points.append(rng.random((1, 2)))
        start += len(clip.frames)
    labels = [1] if plan.first == "click" else [2, 3]
    count = len(rows)
    return Asked(
        rows,
        torch.from_numpy(np.array(points, np.float32).reshape(count, len(labels), 2)).to(device),
        torch.tensor([labels] * count, dtype=torch.int64, device=device).reshape(count, len(labels)),
    )


def _first_prompt(mask: np.ndarray, plan: PromptPlan, rng: np.random.Generator) -> np.ndarray:
    """Points [P, 2] in pixels that show this object: a click, or the corners of a box."""
    if plan.first == "click":
        return np.array([first_click(mask, rng)], np.float32)
    return np.asarray(box_prompt(mask, rng), np.float32).reshape(2, 2)


def _difference(
    pair: tuple[Decoded, Decoded], size: int, rng: np.random.Generator, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A click on every object where the student's answer is not the teacher's."""
    guesses, goals = (_full(_best(one), size) for one in pair)
    clicks = [correction_click(guess, goal, rng) for guess, goal in zip(guesses, goals, strict=True)]
    points = torch.tensor([[point] for point, _ in clicks], dtype=torch.float32, device=device) / size
    return points, torch.tensor([[int(positive)] for _, positive in clicks], device=device)


def _full(logits: Tensor, size: int) -> np.ndarray:
    shown = F.interpolate(logits[:, None], (size, size), mode="bilinear", align_corners=False)
    return (shown[:, 0] > 0).cpu().numpy()


def _best(decoded: Decoded) -> Tensor:
    """Logits [O, h, w] of the answer."""
    logits, _, _ = chosen(decoded)
    return logits[:, 0].detach().float()


def _prior(decoded: Decoded) -> Tensor:
    return _best(decoded)[:, None].clamp(-32, 32)


def _sized(logits: Tensor, like: Tensor) -> Tensor:
    if logits.shape[-2:] == like.shape[-2:]:
        return logits
    return F.interpolate(logits, like.shape[-2:], mode="bilinear", align_corners=False, antialias=True)


def _rows(features: Features, index: Tensor) -> Features:
    return Features(features.stride16[index], features.stride8[index], features.stride4[index])


def _sample(clips: list[Clip], rows: list[int], last: tuple[Decoded, Decoded]) -> Sample:
    """The first picture that has an object: the teacher's masks as the truth, and the student's."""
    frames = np.concatenate([clip.frames for clip in clips])
    mine = [number for number, row in enumerate(rows) if row == rows[0]]
    answers = _best(last[0])
    truth = _sized(_best(last[1])[:, None], answers)[:, 0]
    return Sample(
        frames=frames[rows[0] : rows[0] + 1],
        truth=(truth[mine] > 0)[None].cpu().numpy(),
        answers=(answers[mine] > 0)[None].cpu().numpy(),
    )
