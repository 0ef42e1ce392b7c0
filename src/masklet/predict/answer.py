"""One object's answer on one frame, and how answers become the masks a user sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from masklet.predict.edges import Guide, sharp_patch
from masklet.predict.policy import TrackingPolicy
from masklet.predict.postprocess import NO_OBJECT, clean, separate_patches, settle_overlaps
from masklet.predict.resize import Patch, patch_mask, positive_patch
from masklet.types import Candidates, Frame, Mask


@dataclass(frozen=True, eq=False)
class Answer:
    """What the model says about one object on one frame.

    logits      float32 [S/4, S/4]; NO_OBJECT everywhere when the object is not visible
    iou         predicted IoU, 0 to 1
    pointer     float32 [C]
    occlusion   occlusion score; > 0 is visible
    """

    logits: np.ndarray
    iou: float
    pointer: np.ndarray
    occlusion: float


def answer_of(candidates: Candidates, row: int, choice: int | None = None) -> Answer:
    """Object `row`'s candidate `choice`, by default the one with the best predicted IoU."""
    if choice is None:
        choice = int(candidates.best[row])
    occlusion = float(candidates.occlusion[row, 0])
    logits = candidates.logits[row, choice]
    if occlusion <= 0:
        logits = np.full_like(logits, NO_OBJECT)
    return Answer(logits, float(candidates.iou[row, choice]), candidates.pointer[row, choice], occlusion)


def answer_mask(answer: Answer, frame: Frame, policy: TrackingPolicy) -> Mask:
    """One answer as a cleaned mask at the frame's size."""
    return patch_mask(answer_patch(answer, Guide(frame), policy), frame.height, frame.width)


def masks_of(
    answers: Mapping[int, Answer],
    frame: Frame,
    policy: TrackingPolicy,
    verbatim: Mapping[int, Mask] | None = None,
) -> dict[int, Mask]:
    """Masks at the frame's size: cleaned, exclusive when the policy says so.

    verbatim   masks of prompted objects on this frame: they win every contested pixel; not returned
    """
    guide = Guide(frame)
    patches = [answer_patch(answer, guide, policy) for answer in answers.values()]
    if policy.exclusive:
        patches = separate_patches(patches)
    masks = {i: patch_mask(p, frame.height, frame.width) for i, p in zip(answers, patches, strict=True)}
    if policy.exclusive and verbatim:
        everything = {**masks, **verbatim}
        rank = dict.fromkeys(everything, (0.0,))
        settled = settle_overlaps(everything, rank, frozenset(verbatim))
        masks = {i: settled[i] for i in masks}
    return masks


def answer_patch(answer: Answer, guide: Guide, policy: TrackingPolicy) -> Patch:
    """One answer, cleaned, as the part of the guide's frame that it covers."""
    logits = clean(answer.logits, holes=policy.fill_holes, specks=policy.remove_specks)
    if policy.sharp_edges:
        return sharp_patch(logits, guide)
    return positive_patch(logits, guide.frame.height, guide.frame.width)
