"""A person at work on one masklet: prompts are kept as they are given, masks as they are made.

Every prompt is in the store, with the mask it gave, before the caller sees the answer; a killed process
loses at most the prompt it was answering. Opened again, the work goes on from the masks of the prompted
frames, which come out exactly as they were seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.journal import checkpoint, new_key
from masklet.annotate.masklets import Kept, get, masks, put_masks, write_masks
from masklet.annotate.project import Project
from masklet.annotate.records import PHASES, Entry, Task
from masklet.annotate.rounds import Given, build_on, note_prompt, recall, submit, write_prompt
from masklet.annotate.tasks import LEASE, extend
from masklet.errors import ConfigError, ProjectError
from masklet.types import Box, Click, Frame, FrameMasks, Mask, Prompt

if TYPE_CHECKING:
    from masklet.predict.image import Segmentation
    from masklet.predict.plan import Direction
    from masklet.predict.segmenter import Segmenter

IDLE = 120.0
"""Seconds: a longer pause between two actions counts as this much; the person was elsewhere."""
EVERY = 16
"""Frames of a propagation written in one transaction."""


class Work:
    """One masklet under one person's hands. Use it in a `with` block, or close it; the task stays held.

    task        claimed to annotate
    model       name or path that `segmenter` was opened by: every masklet knows what made it
    phase       1: each frame drawn on its own; 2: frames drawn, then propagated; 3: clicks with memory
    stopwatch   gives seconds; the time between two actions is what the later one took
    """

    def __init__(
        self,
        project: Project,
        task: Task,
        segmenter: Segmenter,
        *,
        model: str | None = None,
        phase: int = 3,
        lease: float = LEASE,
        stopwatch: Callable[[], float] = time.monotonic,
    ) -> None:
        if phase not in PHASES:
            raise ConfigError(f"phase {phase} is unknown; give 1, 2 or 3")
        if task.duty != "annotate":
            raise ProjectError(f"masklet {task.entry.id} was claimed to {task.duty}; claim it to annotate")
        self.project, self.task, self.phase = project, task, phase
        self._segmenter, self._lease, self._stopwatch = segmenter, lease, stopwatch
        self._who = project.person(task.person)
        self._checkpoint = checkpoint(project, model or project.model)
        self._drawn: dict[int, Segmentation] = {}
        source = project.source(project.video(task.entry.video))
        self._open = ExitStack()
        self._open.callback(source.close)
        try:
            self.session = self._open.enter_context(segmenter.video(source))
            self._stored = masks(project, task.entry.id)
            if phase > 1:
                recall(self.session, task.entry.number, self._stored)
        except BaseException:
            self._open.close()
            raise
        self._last = stopwatch()

    @property
    def entry(self) -> Entry:
        """The masklet as the store has it now."""
        return get(self.project, self.task.entry.id)

    def masks(self) -> dict[int, Mask]:
        """What the store has: frame → mask."""
        return {frame: kept.mask for frame, kept in self._stored.items()}

    def prompt(
        self,
        frame: int,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
        seconds: float | None = None,
    ) -> Mask:
        """Say where the object is on a frame, or correct it; returns the mask, which is stored already.

        seconds   that the person took; None measures since the last action
        raises    as `VideoSession.prompt` does; ProjectError when somebody else holds the masklet now.
                  Nothing has changed then.
        """
        given = Prompt.of(clicks, box, mask)
        taken = self._taken(seconds)
        kept = self._drawn_mask(frame, given) if self.phase < 3 else self._corrected(frame, given)
        self._write_prompt(frame, given, kept, taken)
        self._stored[frame] = kept
        return kept.mask

    def clear(self, frame: int) -> None:
        """Take the prompts of a frame back, with its mask."""
        number, masklet_id = self.task.entry.number, self.task.entry.id
        if frame in self.session.prompts.get(number, {}):
            self.session.clear(frame, number)
        self._drawn.pop(frame, None)

        def write(connection: Connection) -> None:
            self._hold(connection)
            for table in (schema.prompt, schema.mask):
                connection.execute(
                    sa.delete(table).where(table.c.masklet_id == masklet_id, table.c.frame == frame)
                )

        self.project.database.write(write)
        self._stored.pop(frame, None)

    def propagate(self, direction: Direction = "both", **limits: Any) -> Iterator[tuple[Frame, FrameMasks]]:
        """Carry the masklet through the video; masks are stored as they come, limits as in VideoSession.

        raises   ProjectError in phase 1, where every frame is drawn on its own
        """
        if self.phase == 1:
            raise ProjectError("phase 1 draws every frame on its own; propagate in phase 2 or 3")
        number = self.task.entry.number
        waiting: dict[int, Kept] = {}
        started = self._stopwatch()
        try:
            for frame, found in self.session.propagate(direction, **limits):
                waiting[frame.index] = Kept(
                    found[number],
                    found.iou.get(number),
                    found.occlusion.get(number),
                    number in found.prompted,
                )
                if len(waiting) >= EVERY:
                    self._write_masks(waiting)
                    waiting = {}
                yield frame, found
        finally:
            self._write_masks(waiting)
            # Waiting for the model is no work of the person.
            self._last += self._stopwatch() - started

    def submit(self, seconds: float | None = None) -> Entry:
        """Hand the masklet in for verification, and let go of it."""
        if not any(not kept.mask.is_empty for kept in self._stored.values()):
            raise ProjectError(f"masklet {self.task.entry.id} has no mask yet; prompt it first")
        taken, key, at = self._taken(seconds), new_key(), self.project.clock()
        masklet_id = self.task.entry.id

        def write(connection: Connection) -> None:
            self._hold(connection)
            submit(connection, masklet_id, self._who.id, key, at, self.phase, taken)

        self.project.database.write(write)
        return self.entry

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── how a mask comes about ───────────────────────────────────────────────────────────────────

    def _corrected(self, frame: int, given: Prompt) -> Kept:
        """Phase 3: clicks go to the session, on top of what the frame shows."""
        number = self.task.entry.number
        if given.mask is None:
            build_on(self.session, number, frame, self._stored.get(frame))
        if given.mask is not None and given.mask.is_empty:
            preview = self.session.pin(frame, number, given.mask)
        else:
            preview = self.session.prompt(frame, number, clicks=given.clicks, box=given.box, mask=given.mask)
        return Kept(preview.mask, preview.iou[preview.chosen], preview.occlusion, True)

    def _drawn_mask(self, frame: int, given: Prompt) -> Kept:
        """Phases 1 and 2: the frame is segmented as a picture; in phase 2 the session gets the mask."""
        if given.mask is not None:
            kept = Kept(given.mask, None, None, True)
        else:
            answer = self._drawn.get(frame)
            if answer is not None:
                answer = answer.refine(clicks=given.clicks, box=given.box)
            else:
                picture = self._segmenter.image(self.session.source[frame].image)
                stored = self._stored.get(frame)
                start = stored.mask if stored is not None and stored.prompted else None
                answer = picture.segment(clicks=given.clicks, box=given.box, mask=start)
            self._drawn[frame] = answer
            kept = Kept(answer.best, answer.iou[0], answer.occlusion, True)
        if self.phase == 2 and not kept.mask.is_empty:
            self.session.prompt(frame, self.task.entry.number, mask=kept.mask)
        return kept

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _write_prompt(self, frame: int, given: Prompt, kept: Kept, seconds: float) -> None:
        key, at, masklet_id = new_key(), self.project.clock(), self.task.entry.id
        who, clicks = self._who.id, len(given.clicks)

        def write(connection: Connection) -> None:
            self._hold(connection)
            write_prompt(connection, masklet_id, who, Given(frame, given, at))
            write_masks(connection, masklet_id, {frame: kept})
            row = sa.update(schema.masklet).where(schema.masklet.c.id == masklet_id)
            connection.execute(row.values(checkpoint_id=self._checkpoint, phase=self.phase))
            note_prompt(connection, key, masklet_id, who, frame, clicks, at, self.phase, seconds)

        self.project.database.write(write)

    def _write_masks(self, found: dict[int, Kept]) -> None:
        if found:
            put_masks(self.project, self.task.entry.id, found, checkpoint=self._checkpoint, guard=self._hold)
            self._stored.update(found)

    def _hold(self, connection: Connection) -> None:
        now = self.project.clock()
        extend(connection, self.task.entry.id, self._who, now, now + self._lease)

    def _taken(self, seconds: float | None) -> float:
        now = self._stopwatch()
        passed, self._last = now - self._last, now
        return min(max(passed, 0.0), IDLE) if seconds is None else seconds
