"""Segmenting one picture: clicks, a box or an earlier mask in, masks out, best first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures
from masklet.errors import MaskError, PromptError
from masklet.predict.closer import CloserLook
from masklet.predict.edges import Guide, sharp_patch
from masklet.predict.prompting import batch_of, is_ambiguous, look_again
from masklet.predict.resize import mask_to_logits, patch_mask
from masklet.types import Box, Candidates, Click, Frame, Mask, Prompt

BATCH = 64
"""Most prompts decoded in one call of the engine."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The answer to one prompt, candidates best first.

    masks       at the picture's size
    iou         predicted IoU of each, 0 to 1
    logits      float32 [M, S/4, S/4]; > 0 is the object
    prompt      what was asked; None when only a mask was given
    occlusion   occlusion score; > 0 is visible (a picture's masks don't depend on it)
    """

    masks: tuple[Mask, ...]
    iou: tuple[float, ...]
    logits: np.ndarray
    prompt: Prompt | None
    occlusion: float
    session: ImageSession = field(repr=False)

    @property
    def best(self) -> Mask:
        return self.masks[0]

    def __len__(self) -> int:
        return len(self.masks)

    def refine(
        self,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        candidate: int = 0,
        multimask: bool | None = None,
    ) -> Segmentation:
        """Ask again with more clicks, starting from one of the candidates."""
        if not 0 <= candidate < len(self):
            raise PromptError(f"candidate {candidate} does not exist; there are {len(self)}")
        later = Prompt.of(clicks, box)
        prompt = self.prompt.merged(later) if self.prompt else later
        prior = self.logits[candidate][None]
        closer = self.session.closer_look
        return self.session.ask([prompt], prior, multimask, closer_look=closer)[0]


class ImageSession:
    """One picture, encoded once, for any number of questions.

    second_look   clicks and boxes without an earlier answer are answered twice (see `look_again`)
    closer_look   in a picture larger than the input, `segment` and `refine` look at a small object once
                  more in a close-up (see `closer`): a better mask, for one more encoding of each close-up
    """

    def __init__(
        self, engine: Engine, image: np.ndarray, *, second_look: bool = True, closer_look: bool = True
    ) -> None:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise MaskError(f"a picture must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
        self.engine = engine
        self.image = image
        self.second_look = second_look
        self.closer_look = closer_look
        self._closer = CloserLook(engine, image)
        self.height, self.width = int(image.shape[0]), int(image.shape[1])

    @cached_property
    def features(self) -> ImageFeatures:
        """The encoded picture, made at the first question."""
        return self.engine.encode_image(self.image)

    @cached_property
    def guide(self) -> Guide:
        """What the masks' edges follow."""
        return Guide(Frame(0, Fraction(0), self.image.view()))  # a view: a frame is read-only

    def segment(
        self,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
        multimask: bool | None = None,
    ) -> Segmentation:
        """Masks of one object.

        clicks      (x, y) or (x, y, positive) in pixels
        box         (x0, y0, x1, y1) in pixels
        mask        what to start from: a mask of the picture's size, or logits [S/4, S/4] of an answer
        multimask   three candidates or one; None = three when there is at most one click and no box
        """
        clicks = tuple(clicks)
        prompt = Prompt.of(clicks, box) if clicks or box is not None or mask is None else None
        prior = None if mask is None else self._prior(mask)[None]
        return self.ask([prompt], prior, multimask, closer_look=self.closer_look)[0]

    def segment_many(
        self, prompts: Sequence[Prompt], *, multimask: bool | None = None, closer_look: bool = False
    ) -> list[Segmentation]:
        """Several objects at once, each as `segment` would answer it alone without a closer look.

        closer_look   look closer at each of them, too: a close-up to encode for every small object
        """
        result: list[Segmentation | None] = [None] * len(prompts)
        for places in self._alike(prompts):
            asked = [prompts[k] for k in places]
            masks = [p.mask for p in asked if p.mask is not None]
            bare = [None if p.mask is not None else p for p in asked]
            prior = np.stack([self._prior(m) for m in masks]) if masks else None
            answers = self.ask(bare, prior, multimask, closer_look=closer_look)
            for k, answer in zip(places, answers, strict=True):
                result[k] = answer
        return [answer for answer in result if answer is not None]

    def ask(
        self,
        prompts: Sequence[Prompt | None],
        prior: np.ndarray | None,
        multimask: bool | None,
        *,
        closer_look: bool = False,
    ) -> list[Segmentation]:
        """The answers to prompts with the same number of points.

        prior   float32 [O, S/4, S/4] logits to start from, or None
        """
        for prompt in prompts:
            if prompt is not None:
                prompt.check_inside(self.width, self.height)
        if multimask is None:
            multimask = prompts[0] is None or is_ambiguous(prompts[0])
        candidates = self.decode(prompts, prior, multimask, second_look=self.second_look)
        answers = [self._segmentation(candidates, row, prompt) for row, prompt in enumerate(prompts)]
        return [self._looked_closer(answer) for answer in answers] if closer_look else answers

    def decode(
        self,
        prompts: Sequence[Prompt | None],
        prior: np.ndarray | None,
        multimask: bool,
        *,
        second_look: bool = False,
    ) -> Candidates:
        """The engine's candidates for prompts with the same number of points; None is a bare prior."""
        batch = batch_of(prompts, self.width, self.height, None if prior is None else prior[:, None])
        conditioned = self.engine.condition(self.features, None)
        first = self.engine.decode(conditioned, batch, multimask=multimask)
        return look_again(self.engine, conditioned, batch, first) if second_look else first

    def _alike(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Places of prompts that can share a batch without padding, which would change answers."""
        groups: dict[tuple[int, bool, bool], list[int]] = {}
        for k, prompt in enumerate(prompts):
            points = len(prompt.clicks) + 2 * (prompt.box is not None)
            groups.setdefault((points, prompt.box is not None, prompt.mask is not None), []).append(k)
        return [group[i : i + BATCH] for group in groups.values() for i in range(0, len(group), BATCH)]

    def _segmentation(self, candidates: Candidates, row: int, prompt: Prompt | None) -> Segmentation:
        order = np.argsort(-candidates.iou[row], kind="stable")
        logits = candidates.logits[row][order]
        return Segmentation(
            masks=tuple(patch_mask(sharp_patch(one, self.guide), self.height, self.width) for one in logits),
            iou=tuple(float(v) for v in candidates.iou[row][order]),
            logits=logits,
            prompt=prompt,
            occlusion=float(candidates.occlusion[row, 0]),
            session=self,
        )

    def _looked_closer(self, answer: Segmentation) -> Segmentation:
        """The answer, its best candidate as a close-up around it shows it.

        Predicted IoUs and their order, the occlusion score and the other candidates stay.
        """
        if answer.prompt is None:
            return answer
        closer = self._closer(answer.prompt, answer.best, answer.logits[0], answer.iou[0])
        if closer is None:
            return answer
        patch = closer.placed(sharp_patch(closer.logits, closer.view.guide))
        return replace(
            answer,
            masks=(patch_mask(patch, self.height, self.width), *answer.masks[1:]),
            logits=np.concatenate((closer.whole[None], answer.logits[1:])),
        )

    def _prior(self, mask: Mask | np.ndarray) -> np.ndarray:
        """Logits [S/4, S/4] from what a caller gives to start from."""
        grid = self.engine.input_size // 4
        if isinstance(mask, np.ndarray):
            if np.issubdtype(mask.dtype, np.floating) and mask.shape == (grid, grid):
                if not np.isfinite(mask).all():
                    raise MaskError("logits to start from must be finite, got NaN or infinity")
                return mask.astype(np.float32)
            mask = Mask.from_array(mask)
        if (mask.height, mask.width) != (self.height, self.width):
            raise MaskError(
                f"mask is {mask.width}×{mask.height} but the picture is {self.width}×{self.height}; "
                f"resize it, or give logits of {grid}×{grid}"
            )
        if mask.is_empty:
            raise PromptError("the mask to start from is empty; give at least one pixel")
        return mask_to_logits(mask, grid)
