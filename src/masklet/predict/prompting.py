"""From a user's prompt to candidates: the rules of SAM 2's interaction, without any state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from masklet.engine.protocol import Conditioned, Engine, ImageFeatures, MemoryReading, PromptBatch
from masklet.errors import PromptError
from masklet.geometry import prompt_points
from masklet.predict.resize import mask_to_square
from masklet.types import Candidates, Prompt

PRIOR_LIMIT = 32.0
"""Logits of an earlier answer are clamped to ±32 before they go in again (SAM 2)."""


def is_ambiguous(prompt: Prompt) -> bool:
    """Whether the model is asked for three candidates: at most one point. A box counts as two."""
    return len(prompt.clicks) + (2 if prompt.box is not None else 0) <= 1


def points_of(prompt: Prompt | None, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A prompt as unit coordinates float32 [P, 2] and labels int32 [P]; the box's corners come first.

    None, a question that only refines a prior, has no points.
    """
    if prompt is None:
        return np.zeros((0, 2), np.float32), np.zeros(0, np.int32)
    return prompt_points(prompt, width, height)


def batch_of(
    prompts: Sequence[Prompt | None], width: int, height: int, prior: np.ndarray | None = None
) -> PromptBatch:
    """Prompts with the same number of points as one batch.

    prior   float32 [O, 1, S/4, S/4] logits of earlier answers, or None
    """
    points, labels = zip(*(points_of(p, width, height) for p in prompts), strict=True)
    if prior is not None:
        prior = np.clip(prior, -PRIOR_LIMIT, PRIOR_LIMIT).astype(np.float32)
    return PromptBatch(np.stack(points), np.stack(labels), prior)


def whole_id(object_id: int) -> int:
    """The id as a plain int: numpy's would reach the user's JSON."""
    if isinstance(object_id, bool) or not isinstance(object_id, (int, np.integer)):
        raise PromptError(f"object id {object_id!r} must be a whole number")
    return int(object_id)


def check_prompt(prompt: Prompt, width: int, height: int) -> None:
    """Raise PromptError when the prompt cannot be used on a frame of this size."""
    prompt.check_inside(width, height)
    if prompt.mask is not None and prompt.mask.is_empty:
        raise PromptError("the mask prompt is empty; give at least one pixel, or pin the frame as absent")


def ask(
    engine: Engine,
    features: ImageFeatures,
    prompt: Prompt,
    width: int,
    height: int,
    *,
    reading: MemoryReading | None = None,
    prior: np.ndarray | None = None,
    second_look: bool = False,
) -> Candidates:
    """Candidates of one object for a checked prompt.

    reading       what the object remembers, when the frame was tracked; None for a first prompt
    prior         float32 [S/4, S/4] logits of the frame's earlier answer, or None
    second_look   without a prior, answer twice (see `look_again`)
    """
    if prompt.mask is not None:
        square = mask_to_square(prompt.mask, engine.input_size)
        return engine.decode_mask(features, square[None, None])
    conditioned = engine.condition(features, reading)
    return ask_conditioned(engine, conditioned, prompt, width, height, prior=prior, second_look=second_look)


def ask_conditioned(
    engine: Engine,
    conditioned: Conditioned,
    prompt: Prompt,
    width: int,
    height: int,
    *,
    prior: np.ndarray | None = None,
    second_look: bool = False,
) -> Candidates:
    """`ask` for clicks and boxes on features that have read their memory already."""
    batch = batch_of([prompt], width, height, None if prior is None else prior[None, None])
    candidates = engine.decode(conditioned, batch, multimask=is_ambiguous(prompt))
    return look_again(engine, conditioned, batch, candidates) if second_look else candidates


def look_again(engine: Engine, conditioned: Conditioned, batch: PromptBatch, first: Candidates) -> Candidates:
    """The best candidate of each object as the decoder sees it with its own first answer as the prior.

    The others, and all predicted IoUs and occlusion scores, stay what they are: the order of candidates too.
    A batch that has a prior, or no points, is answered already. See docs/decisions/second-look.md.
    """
    if batch.prior is not None or batch.points.shape[1] == 0:
        return first
    everyone, chosen = np.arange(len(first.iou)), first.best
    prior = np.clip(first.logits[everyone, chosen][:, None], -PRIOR_LIMIT, PRIOR_LIMIT).astype(np.float32)
    again = engine.decode(conditioned, replace(batch, prior=prior), multimask=False)
    # An object that the second answer no longer sees keeps the first.
    seen = (again.occlusion[:, 0] > 0) & (again.logits[:, 0] > 0).any(axis=(1, 2))
    rows, best = everyone[seen], chosen[seen]
    logits, pointer = first.logits.copy(), first.pointer.copy()
    logits[rows, best], pointer[rows, best] = again.logits[seen, 0], again.pointer[seen, 0]
    return replace(first, logits=logits, pointer=pointer)
