"""A closer look: an object that is small in its picture, seen once more in a close-up around it.

The model sees every picture at one size, so a close-up shows it the object larger. See
docs/decisions/closer-look.md.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures
from masklet.predict.close_ups import CloseUp, close_up_for, logits_back, logits_in, prompt_in
from masklet.predict.edges import Guide
from masklet.predict.prompting import batch_of
from masklet.predict.resize import Patch
from masklet.types import Frame, Mask, Prompt

TRUST = 0.05
"""A close-up's answer counts unless its predicted IoU is by more than this below the picture's."""

VIEWS = 4
"""Close-ups kept encoded: corrections of an answer mostly look at the one before."""


@dataclass(frozen=True, eq=False)
class View:
    """A close-up as the model sees it; `guide` is what masks' edges follow there."""

    part: CloseUp
    features: ImageFeatures
    guide: Guide


@dataclass(frozen=True, eq=False)
class Closer:
    """An answer from a close-up.

    view      where it was seen
    logits    float32 [S/4, S/4] of the close-up
    whole     float32 [S/4, S/4] of the picture, with these in it
    """

    view: View
    logits: np.ndarray
    whole: np.ndarray

    def placed(self, patch: Patch) -> Patch:
        """A patch of the close-up as one of the picture."""
        part = self.view.part
        return replace(patch, top=patch.top + part.top, left=patch.left + part.left)


class CloserLook:
    """Looks closer at one picture, uint8 [H, W, 3]."""

    def __init__(self, engine: Engine, image: np.ndarray) -> None:
        self._engine, self._image = engine, image
        self._views: OrderedDict[CloseUp, View] = OrderedDict()

    def __call__(self, prompt: Prompt, mask: Mask, logits: np.ndarray, iou: float) -> Closer | None:
        """What a close-up shows of an answer; None where the picture's own answer stays.

        mask, logits, iou   the answer: at the picture's size, float32 [S/4, S/4], predicted IoU
        """
        found, (height, width) = mask.box, self._image.shape[:2]
        if found is None:
            return None
        part = close_up_for(found, prompt, width, height, self._engine.input_size)
        inside = None if part is None else prompt_in(prompt, part)
        if part is None or inside is None:
            return None
        view = self._view(part)
        prior = logits_in(logits, part, width, height)
        batch = batch_of([inside], part.width, part.height, prior[None, None])
        conditioned = self._engine.condition(view.features, None)
        seen = self._engine.decode(conditioned, batch, multimask=False)
        closer = seen.logits[0, 0]
        if seen.iou[0, 0] < iou - TRUST or seen.occlusion[0, 0] <= 0 or not (closer > 0).any():
            return None
        return Closer(view, closer, logits_back(closer, logits, part, width, height))

    def _view(self, part: CloseUp) -> View:
        """The close-up, encoded now or lately."""
        view = self._views.pop(part, None) or self._encoded(part)
        self._views[part] = view
        while len(self._views) > VIEWS:
            self._views.popitem(last=False)
        return view

    def _encoded(self, part: CloseUp) -> View:
        picture = part.cut(self._image)
        # A view of it for the frame, which is read-only.
        return View(part, self._engine.encode_image(picture), Guide(Frame(0, Fraction(0), picture.view())))
