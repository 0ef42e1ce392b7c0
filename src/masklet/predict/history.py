"""What a user has asked of a video: the truth a session's results are derived from.

All values are immutable. A change makes a new `PromptLog`; `History` keeps the earlier ones, so undoing
is looking at one of them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from masklet.errors import SessionError
from masklet.predict.answer import Answer, answer_of
from masklet.types import Candidates, Mask, Prompt

KEPT_STEPS = 200
"""Steps that can be undone; older ones are forgotten so that a long session stays bounded."""


@dataclass(frozen=True, eq=False)
class PromptedFrame:
    """One object's prompt on one frame, and what the model made of it.

    prompt       everything given on this frame
    candidates   the model's answers, of one object; kept because memory is made from their logits
    masks        the candidates at the frame's size, as the user saw them
    chosen       which of them holds
    tracked      None when the frame was not tracked before; else whether it was tracked in reverse
    pinned       whether the user pinned what they saw
    """

    prompt: Prompt
    candidates: Candidates
    masks: tuple[Mask, ...]
    chosen: int
    tracked: bool | None = None
    pinned: bool = False

    @property
    def mask(self) -> Mask:
        return self.masks[self.chosen]

    @property
    def answer(self) -> Answer:
        return answer_of(self.candidates, 0, self.chosen)


@dataclass(frozen=True, eq=False)
class ObjectPrompts:
    """One object's prompts.

    lineage   one number for an object's whole life; an id that is removed and used anew gets another
    version   changes with every change of the prompts, and comes back when the change is undone
    frames    frame → prompt; never empty
    """

    lineage: int
    version: int
    frames: Mapping[int, PromptedFrame]

    def anchors(self, corrections_stay: bool) -> dict[int, PromptedFrame]:
        """The prompted frames that memory reads in slot 0 and that come out verbatim.

        corrections_stay   False: prompts on tracked frames are no anchors (SAM 2), unless they are
                           pinned or all that is left of the object
        """
        frames = dict(sorted(self.frames.items()))
        lasting = {t: p for t, p in frames.items() if corrections_stay or p.tracked is None or p.pinned}
        return lasting or frames


@dataclass(frozen=True, eq=False)
class PromptLog:
    """All prompts at one moment: object id → its prompts, in the order the objects were added."""

    objects: Mapping[int, ObjectPrompts] = field(default_factory=dict)

    def get(self, object_id: int, frame: int) -> PromptedFrame | None:
        known = self.objects.get(object_id)
        return known.frames.get(frame) if known else None

    def with_prompt(self, object_id: int, frame: int, given: PromptedFrame, serial: int) -> PromptLog:
        """This log with one prompt added or replaced. serial: a number not used before."""
        known = self.objects.get(object_id)
        lineage = known.lineage if known else serial
        frames = {**(known.frames if known else {}), frame: given}
        return PromptLog({**self.objects, object_id: ObjectPrompts(lineage, serial, frames)})

    def without_prompt(self, object_id: int, frame: int, serial: int) -> PromptLog:
        """This log less one prompt; an object's last prompt takes the object with it."""
        known = self.objects[object_id]
        frames = {t: given for t, given in known.frames.items() if t != frame}
        if not frames:
            return self.without_object(object_id)
        return PromptLog({**self.objects, object_id: replace(known, version=serial, frames=frames)})

    def without_object(self, object_id: int) -> PromptLog:
        return PromptLog({i: known for i, known in self.objects.items() if i != object_id})


@dataclass(frozen=True, eq=False)
class History:
    """The logs a session has been through, and which of them is now."""

    logs: tuple[PromptLog, ...] = (PromptLog(),)
    position: int = 0

    @property
    def now(self) -> PromptLog:
        return self.logs[self.position]

    def record(self, log: PromptLog) -> History:
        """A new step; what was undone before it is gone."""
        logs = (*self.logs[: self.position + 1], log)[-KEPT_STEPS - 1 :]
        return History(logs, len(logs) - 1)

    def undo(self) -> History:
        if self.position == 0:
            raise SessionError("there is nothing to undo")
        return replace(self, position=self.position - 1)

    def redo(self) -> History:
        if self.position == len(self.logs) - 1:
            raise SessionError("there is nothing to redo")
        return replace(self, position=self.position + 1)


@dataclass(frozen=True)
class Preview:
    """What a prompt gives at once.

    mask         the chosen candidate, at the frame's size
    candidates   all of them: three after a single click, else one
    iou          predicted IoU of each, 0 to 1
    chosen       index of the chosen one
    occlusion    occlusion score; > 0 is visible
    """

    frame: int
    object_id: int
    mask: Mask
    candidates: tuple[Mask, ...]
    iou: tuple[float, ...]
    chosen: int
    occlusion: float


def preview_of(frame: int, object_id: int, given: PromptedFrame) -> Preview:
    """A prompted frame as the user sees it."""
    iou = tuple(float(v) for v in given.candidates.iou[0])
    return Preview(frame, object_id, given.mask, given.masks, iou, given.chosen, given.answer.occlusion)
