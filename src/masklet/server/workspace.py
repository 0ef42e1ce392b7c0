"""A session with its objects and its steps: what one change does, and how it is taken back.

A change is a JSON value, so what a client asks, what the log keeps and what a restart makes again are the
same thing. Everything here runs in the thread that owns the session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from masklet.annotate.rounds import build_on, recall
from masklet.errors import ConfigError, SessionError
from masklet.predict.history import KEPT_STEPS, Preview, PromptedFrame
from masklet.predict.session import VideoSession
from masklet.server import appearance
from masklet.server import objects as listed
from masklet.server.beginning import Beginning
from masklet.server.masks_json import mask_of
from masklet.server.objects import Objects
from masklet.types import FrameMasks, Mask, Prompt
from masklet.video.effects import Look

Change = Mapping[str, Any]


@dataclass(frozen=True)
class Step:
    """What undo takes back: objects and effects, each before and after, and how many of the session's own
    steps."""

    objects: tuple[Objects, Objects]
    effects: tuple[Look, Look]
    prompts: int


@dataclass(frozen=True)
class Outcome:
    """What a change did.

    frames   those whose masks may look different now
    """

    preview: Preview | None = None
    frames: frozenset[int] = frozenset()


PLAIN = Look()
"""No effects."""


class Workspace:
    """One session as the studio sees it.

    revision   the number of the last change
    touched    frames that have, or once had, masks
    fresh      frames tracked since the prompts last changed
    beginning  the masklet it goes on with, its one object; None for work that is nobody's task
    """

    def __init__(
        self,
        session: VideoSession,
        *,
        objects: Objects = (),
        effects: Look = PLAIN,
        revision: int = 0,
        most_objects: int = 64,
        beginning: Beginning | None = None,
    ) -> None:
        self.session = session
        self.beginning = beginning
        self.objects = objects
        self.effects = effects
        self.revision = revision
        self.most_objects = most_objects
        self.touched: set[int] = {t for m in session.masklets().values() for t in m.masks}
        self.touched.update(beginning.below if beginning else ())
        self.fresh: set[int] = set()
        self.outdated = self._outdated()
        self._done: list[Step] = []
        self._undone: list[Step] = []
        self._made = 0  # the session's own steps within the present one
        self.steps_made = 0  # undoable steps since it was opened, those taken back counted too
        self.moment = 0  # rises with everything that a checkpoint would hold

    @classmethod
    def begun(cls, session: VideoSession, beginning: Beginning, most_objects: int) -> Workspace:
        """The start of a sitting: the masklet as it is, with nothing to undo."""
        recall(session, beginning.number, beginning.kept)
        objects = (beginning.object,)
        return cls(session, objects=objects, most_objects=most_objects, beginning=beginning)

    @property
    def undo_steps(self) -> int:
        return len(self._done)

    @property
    def redo_steps(self) -> int:
        return len(self._undone)

    def apply(self, change: Change) -> Outcome:
        """Make one change, wholly or not at all; raises MaskletError when it cannot be made."""
        kind = change.get("kind")
        if kind not in _CHANGES:
            raise ConfigError(f"change {kind!r} is unknown; this server knows {', '.join(_CHANGES)}")
        if self.beginning is not None:
            self.beginning.check(change)
        earlier, ids, is_seen = self._answers(), set(self.session.objects), self.changes_masks(change)
        preview = _CHANGES[kind](self, change)
        self.revision += 1
        self.moment += 1
        if not is_seen:
            return Outcome()
        self.fresh.clear()
        self.outdated = self._outdated()
        now = self._answers()
        # Only these are sent: of a hundred prompted frames, a click changes one.
        frames = frozenset(t for i, t in earlier.keys() | now if earlier.get((i, t)) is not now.get((i, t)))
        self.touched |= frames
        if set(self.session.objects) - ids and kind in ("undo", "redo"):
            frames = frozenset(self.touched)  # objects are back with all their masks
        return Outcome(preview, frames)

    def changes_masks(self, change: Change) -> bool:
        """Whether a change, made now, may change a mask; names, colours and effects do not."""
        kind = change["kind"]
        steps = {"undo": self._done, "redo": self._undone}.get(kind)
        return steps[-1].prompts > 0 if steps else kind not in ("object", "effects")

    def tracked(self, frame: int) -> None:
        """Note that a run has passed a frame."""
        self.touched.add(frame)
        self.fresh.add(frame)
        self.moment += 1

    def settle(self) -> None:
        """Look again at what is outdated, after a run."""
        self.outdated = self._outdated()

    def outdated_on(self, frame: int) -> frozenset[int]:
        return frozenset() if frame in self.fresh else self.outdated

    def masks(self, frame: int) -> FrameMasks:
        """May be called from any thread."""
        found = self.session.masks(frame)
        return found if self.beginning is None else self.beginning.shown(found)

    def preview(self, change: Change) -> Preview:
        """What a prompt would give; nothing is kept."""
        given = self._prompt_of(change)
        with self.session.unkept():
            self._build_on(change, given)
            return self.session.preview(change["frame"], change["object"], given, replace=change["replace"])

    # ── changes ──────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _step(self) -> Iterator[None]:
        """One undoable step, whole or not at all."""
        objects, effects, self._made = self.objects, self.effects, 0
        try:
            yield
        except BaseException:
            for _ in range(self._made):
                self.session.undo()
            if self._made:
                self._undone.clear()  # the session can't redo what was overwritten
            self.objects, self.effects = objects, effects
            raise
        step = Step((objects, self.objects), (effects, self.effects), self._made)
        if objects != self.objects or effects != self.effects or self._made:
            self._undone.clear()
            self._done.append(step)
            self.steps_made += 1
            while sum(max(step.prompts, 1) for step in self._done) > KEPT_STEPS:
                del self._done[0]

    def _prompt(self, change: Change) -> Preview | None:
        with self._step():
            return self._give(change)

    def _masks(self, change: Change) -> Preview | None:
        preview = None
        with self._step():
            for object_id, mask in change["masks"].items():
                given = {"object": int(object_id), "frame": change["frame"], "mask": mask, "replace": True}
                preview = self._give(given)
        return preview

    def _give(self, change: Change) -> Preview:
        self.objects = listed.ensured(self.objects, change["object"], self.most_objects)
        given = self._prompt_of(change)
        if given.mask is not None and given.mask.is_empty:
            preview = self.session.pin(change["frame"], change["object"], given.mask)
        else:
            self._made += self._build_on(change, given)
            preview = self.session.prompt(
                change["frame"],
                change["object"],
                clicks=given.clicks,
                box=given.box,
                mask=given.mask,
                candidate=change.get("candidate"),
                replace=change.get("replace", False),
            )
        self._made += 1
        return preview

    def _build_on(self, change: Change, given: Prompt) -> bool:
        """Take up the mask of an earlier round that is corrected; returns whether there was one."""
        if self.beginning is None or given.mask is not None or change.get("replace", False):
            return False
        stored = self.beginning.below.get(change["frame"])
        return build_on(self.session, change["object"], change["frame"], stored)

    def _prompt_of(self, change: Change) -> Prompt:
        return prompt_of(change, self.session.source.width, self.session.source.height)

    def _choose(self, change: Change) -> Preview:
        with self._step():
            self.objects = listed.ensured(self.objects, change["object"], self.most_objects)
            preview = self.session.choose(change["frame"], change["object"], change["candidate"])
            self._made += 1
        return preview

    def _pin(self, change: Change) -> Preview:
        mask = change.get("mask")
        size = self.session.source.width, self.session.source.height
        with self._step():
            self.objects = listed.ensured(self.objects, change["object"], self.most_objects)
            preview = self.session.pin(
                change["frame"],
                change["object"],
                self._shown_below(change) if mask is None else mask_of(mask, *size),
            )
            self._made += 1
        return preview

    def _shown_below(self, change: Change) -> Mask | None:
        """The mask of an earlier round, where a frame shows it; None where the session has its own."""
        if self.beginning is None or change["object"] in self.session.masks(change["frame"]).masks:
            return None
        stored = self.beginning.below.get(change["frame"])
        return None if stored is None else stored.mask

    def _clear(self, change: Change) -> None:
        wanted = change.get("object"), change.get("frame")
        places = [
            (frame, object_id)
            for object_id, frames in self.session.prompts.items()
            for frame in frames
            if wanted[0] in (None, object_id) and wanted[1] in (None, frame)
        ]
        if not places:
            raise SessionError("there is no prompt to clear there")
        with self._step():
            for frame, object_id in places:
                self.objects = listed.ensured(self.objects, object_id, self.most_objects)
                self.session.clear(frame, object_id)
                self._made += 1

    def _add_object(self, change: Change) -> None:
        with self._step():
            self.objects = listed.added(
                self.objects, change["id"], self.most_objects, change.get("name"), change.get("colour")
            )

    def _change_object(self, change: Change) -> None:
        look = {key: change[key] for key in ("hidden", "locked") if key in change}
        if look:  # how it is looked at is no step of the work, and steps must not undo it
            for values in (self._done, self._undone):
                values[:] = [_looking(step, change["id"], look) for step in values]
            self.objects = listed.changed(self.objects, change["id"], look)
        words = {key: change[key] for key in ("name", "colour") if key in change}
        if words:
            with self._step():
                self.objects = listed.changed(self.objects, change["id"], words)

    def _set_effects(self, change: Change) -> None:
        with self._step():
            self.effects = appearance.checked(appearance.from_json(change["effects"]), self.objects)

    def _remove_object(self, change: Change) -> None:
        with self._step():
            self.objects = listed.without(self.objects, change["id"])
            self.effects = appearance.without(self.effects, change["id"])
            if change["id"] in self.session.objects:
                self.session.remove(change["id"])
                self._made += 1

    def _undo(self, _: Change) -> None:
        if not self._done:
            raise SessionError("there is nothing to undo")
        step = self._done.pop()
        for _time in range(step.prompts):
            self.session.undo()
        self.objects, self.effects = step.objects[0], step.effects[0]
        self._undone.append(step)

    def _redo(self, _: Change) -> None:
        if not self._undone:
            raise SessionError("there is nothing to redo")
        step = self._undone.pop()
        for _time in range(step.prompts):
            self.session.redo()
        self.objects, self.effects = step.objects[1], step.effects[1]
        self._done.append(step)

    def _outdated(self) -> frozenset[int]:
        found, beginning = self.session.outdated, self.beginning
        if beginning is None or beginning.number not in found:
            return found
        known = self.session.log.objects[beginning.number]
        # Nothing was changed yet, and nothing tracked: the masks are those that the project has.
        untouched = known.version == len(beginning.starting)
        if untouched and set(self.session.masklet(beginning.number).masks) == set(known.frames):
            return found - {beginning.number}
        return found

    def _answers(self) -> dict[tuple[int, int], PromptedFrame]:
        """(object, frame) → prompt with the model's answer; the same value as long as nothing changes it."""
        return {
            (object_id, frame): given
            for object_id, known in self.session.log.objects.items()
            for frame, given in known.frames.items()
        }


def prompt_of(change: Change, width: int, height: int) -> Prompt:
    """What a change gives, for a video of this size."""
    mask = change.get("mask")
    return Prompt.of(
        change.get("clicks") or (),
        change.get("box"),
        None if mask is None else mask_of(mask, width, height),
    )


def _looking(step: Step, object_id: int, look: Mapping[str, bool]) -> Step:
    def seen(objects: Objects) -> Objects:
        there = any(known.id == object_id for known in objects)
        return listed.changed(objects, object_id, look) if there else objects

    before, after = step.objects
    return Step((seen(before), seen(after)), step.effects, step.prompts)


_CHANGES: dict[str, Callable[[Workspace, Change], Preview | None]] = {
    "prompt": Workspace._prompt,
    "masks": Workspace._masks,
    "choose": Workspace._choose,
    "pin": Workspace._pin,
    "clear": Workspace._clear,
    "add_object": Workspace._add_object,
    "object": Workspace._change_object,
    "remove_object": Workspace._remove_object,
    "effects": Workspace._set_effects,
    "undo": Workspace._undo,
    "redo": Workspace._redo,
}
