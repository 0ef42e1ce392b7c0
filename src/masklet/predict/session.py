"""Interactive segmentation of a stored video.

A session is a log of prompts (`History`, immutable) and what follows from it: memories, tracked masks.
Prompting answers at once; `propagate` carries the answers through the video. Changing a prompt never
touches what was tracked: it only makes it outdated until the next propagation.
"""

from __future__ import annotations

import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine
from masklet.errors import SessionError, UnknownObjectError
from masklet.predict.decide import Decision, follow_candidates
from masklet.predict.history import History, ObjectPrompts, Preview, PromptedFrame, PromptLog, preview_of
from masklet.predict.plan import Direction, plan
from masklet.predict.policy import TrackingPolicy
from masklet.predict.prompting import check_prompt, whole_id
from masklet.predict.propagate import Progress, propagate
from masklet.predict.recollection import Recollection, check_candidate
from masklet.predict.results import Tracks, frame_masks
from masklet.types import Box, Click, Frame, FrameMasks, Mask, Masklet, Prompt
from masklet.video.positions import check_frame
from masklet.video.protocol import FrameSource


class VideoSession:
    """Prompts and masklets of one video. Use it in a `with` block, or close it.

    source         the video; frames are read when they are needed
    engine         what computes
    policy         see TrackingPolicy
    close_source   whether closing the session closes the source
    """

    def __init__(
        self,
        source: FrameSource,
        engine: Engine,
        policy: TrackingPolicy | None = None,
        *,
        close_source: bool = False,
    ) -> None:
        if len(source) == 0:
            raise SessionError(f"{source.name} has no frames; give a video with at least one")
        self.source = source
        self.engine = engine
        self.policy = (policy or TrackingPolicy()).within(engine.slots)
        self._close_source = close_source
        self._closed = False
        self._cancelled = threading.Event()
        self._history = History()
        self._serial = 0
        # Derived from the log:
        self._tracks: Tracks = {}
        self._recollection = Recollection(source, engine, self.policy)

    # ── prompting ────────────────────────────────────────────────────────────────────────────────

    def prompt(
        self,
        frame: int,
        object_id: int = 1,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
        candidate: int | None = None,
        replace: bool = False,
    ) -> Preview:
        """Say where an object is on a frame and see the mask at once.

        clicks      (x, y) or (x, y, positive) in pixels; they add up with earlier ones on this frame
        box         (x0, y0, x1, y1) in pixels
        mask        bool [H, W] of the frame's size, instead of clicks and box; it comes out verbatim
        candidate   which of three candidates to take; None = the best predicted IoU
        replace     start this frame over instead of adding to its clicks
        raises      PromptError, MaskError, UnknownFrameError, SessionError; nothing has changed then
        """
        picture, prompted = self._answer(frame, object_id, Prompt.of(clicks, box, mask), candidate, replace)
        preview = self._prompt(frame, object_id, prompted)
        if prompted.tracked is not None and not self.policy.corrections_stay:
            self._recollection.keep_as_recent(picture, object_id, self.log, self._tracks, prompted)
        return preview

    def preview(self, frame: int, object_id: int, given: Prompt, *, replace: bool = False) -> Preview:
        """What `prompt` would answer, with nothing kept."""
        _, prompted = self._answer(frame, object_id, given, None, replace)
        return preview_of(frame, object_id, prompted)

    @contextmanager
    def unkept(self) -> Iterator[None]:
        """Prompts that are given inside are forgotten after, as if they had never been; undo is untouched."""
        before = self._history
        try:
            yield
        finally:
            self._history = before

    def choose(self, frame: int, object_id: int, candidate: int) -> Preview:
        """Take another of the candidates that a click gave."""
        prompted = self._prompted(frame, object_id)
        chosen = changed(prompted, chosen=check_candidate(candidate, prompted.candidates))
        return self._prompt(frame, object_id, chosen)

    def pin(self, frame: int, object_id: int, mask: Mask | np.ndarray | None = None) -> Preview:
        """Fix an object's mask on a frame: it becomes a prompted frame and comes out exactly so.

        mask   bool [H, W]; None = what `masks(frame)` shows now. An empty mask says "not here".
        """
        self._check(frame)
        self._known(object_id)
        if mask is None:
            prompted = self.log.get(object_id, frame)
            if prompted is not None and (self.policy.corrections_stay or prompted.tracked is None):
                return self._prompt(frame, object_id, changed(prompted, pinned=True))
            shown = self.masks(frame).masks
            if object_id not in shown:
                raise SessionError(f"object {object_id} has no mask on frame {frame}; propagate or give one")
            mask = shown[object_id]
        given = Prompt.of(mask=mask)
        picture = self.source[frame]
        given.check_inside(picture.width, picture.height)
        prompted = self._recollection.answer(self.log, self._tracks, picture, object_id, given, None, None)
        return self._prompt(frame, object_id, changed(prompted, pinned=True))

    def clear(self, frame: int, object_id: int) -> None:
        """Take back an object's prompt on a frame; with its last prompt the object goes too."""
        self._prompted(frame, object_id)
        self._serial += 1
        self._history = self._history.record(self.log.without_prompt(object_id, frame, self._serial))

    def remove(self, object_id: int) -> None:
        """Take an object out, with all its prompts and masks."""
        self._check()
        self._known(object_id)
        self._history = self._history.record(self.log.without_object(object_id))

    def undo(self) -> None:
        """Go back one step: a prompt, choice, pin, clearing or removal."""
        self._check()
        self._history = self._history.undo()

    def redo(self) -> None:
        """Do again what was undone."""
        self._check()
        self._history = self._history.redo()

    def decide(self, object_id: int, frames: int = 8) -> Decision:
        """Settle an ambiguous click by following its candidates for some frames; the winner is chosen.

        Follows forwards, or backwards from a prompt on the last frame. Undo takes the choice back.
        """
        self._check()
        if frames < 1:
            raise SessionError(f"deciding needs at least one frame to follow, not {frames}")
        known = self._known(object_id)
        ambiguous = [t for t, p in known.frames.items() if len(p.masks) > 1]
        if not ambiguous:
            raise SessionError(f"object {object_id} has no prompt with several candidates to decide between")
        t = min(ambiguous)
        reverse = t == len(self.source) - 1
        ahead = range(t - 1, max(t - 1 - frames, -1), -1) if reverse else range(t + 1, t + 1 + frames)
        ahead = range(ahead.start, min(ahead.stop, len(self.source)), ahead.step)
        if not ahead:
            raise SessionError("a video of one frame has nothing to follow; choose a candidate")
        recollection = self._recollection
        bank = recollection.prompted_banks(self.log, [object_id])[object_id]
        following = ((index, recollection.encode_index(index)) for index in ahead)
        decision = follow_candidates(
            self.engine,
            t,
            known.frames[t],
            recollection.encode_index(t),
            {frame: entry for frame, entry in bank.prompted.items() if frame != t},
            following,
            self.policy,
            reverse=reverse,
        )
        if decision.candidate != known.frames[t].chosen:
            self.choose(t, object_id, decision.candidate)
        return decision

    # ── propagating ──────────────────────────────────────────────────────────────────────────────

    def propagate(
        self,
        direction: Direction = "both",
        *,
        start: int | None = None,
        stop: int | None = None,
        limit: int | None = None,
        on_step: Progress | None = None,
    ) -> Iterator[tuple[Frame, FrameMasks]]:
        """Carry all objects through the video, yielding each frame with its masks as it is done.

        direction   "both": every frame once, in time's order; frames before the first prompts are
                    tracked before the first frame is yielded. "backward" yields in descending order.
        start       lowest frame touched; stop: the frame after the highest
        limit       most frames tracked in each direction
        on_step     progress, also of the steps that yield nothing

        Works on the prompts as they are now. Closing the generator, `cancel`, or an exception (a video
        that breaks off) stops it, and everything done until then stays.
        """
        self._check()
        log = self.log
        if not log.objects:
            raise SessionError("there is nothing to propagate; prompt an object first")
        firsts = [min(known.anchors(self.policy.corrections_stay)) for known in log.objects.values()]
        steps = plan(direction, firsts, len(self.source), start=start, stop=stop, limit=limit)
        self._cancelled.clear()

        def is_over() -> bool:
            return self._cancelled.is_set() or self._closed

        return propagate(self._recollection, log, self._tracks, steps, is_over=is_over, on_step=on_step)

    def cancel(self) -> None:
        """Stop a running propagation after the frame it is at; may be called from any thread."""
        self._cancelled.set()

    # ── results ──────────────────────────────────────────────────────────────────────────────────

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of the objects, in the order they were added."""
        return tuple(self.log.objects)

    @property
    def prompts(self) -> dict[int, dict[int, Prompt]]:
        """Object id → frame → prompt, as they stand."""
        return {
            i: {t: given.prompt for t, given in sorted(known.frames.items())}
            for i, known in self.log.objects.items()
        }

    @property
    def log(self) -> PromptLog:
        """Every prompt with the model's answer, as they stand; immutable."""
        return self._history.now

    @property
    def outdated(self) -> frozenset[int]:
        """Ids whose masks on other frames were tracked from other prompts than now, or not at all."""
        return frozenset(
            i
            for i, known in self.log.objects.items()
            if not (tracks := self._tracks.get(known.lineage))
            or any(t.version != known.version for f, t in tracks.items() if f not in known.frames)
        )

    def masks(self, frame: int) -> FrameMasks:
        """All objects' masks on a frame, as far as they are known; empty before propagation."""
        self._check(frame)
        return self._masks(self.log, frame)

    def masklet(self, object_id: int) -> Masklet:
        """One object's masks through the video."""
        self._check()
        known = self._known(object_id)
        prompted = known.anchors(self.policy.corrections_stay).keys()
        frames = sorted({*prompted, *self._tracks.get(known.lineage, {})})
        return Masklet(
            object_id, {t: self._masks(self.log, t)[object_id] for t in frames}, frozenset(prompted)
        )

    def masklets(self) -> dict[int, Masklet]:
        """All objects' masks through the video."""
        return {object_id: self.masklet(object_id) for object_id in self.objects}

    # ── keeping and closing ──────────────────────────────────────────────────────────────────────

    def save(self, path: str | Path, *, frames: Container[int] | None = None) -> None:
        """Write prompts and masklets to one file (see session_file); the undo steps are not kept.

        frames   keep what was tracked on these only, for handing a long video over; None: on all
        """
        from masklet.predict import session_file

        self._check()
        tracks = self._tracks
        if frames is not None:
            tracks = {i: {t: r for t, r in found.items() if t in frames} for i, found in tracks.items()}
        session_file.write(Path(path), self.source, self.engine, self.policy, self.log, tracks)

    @classmethod
    def load(
        cls,
        path: str | Path,
        source: FrameSource,
        engine: Engine,
        policy: TrackingPolicy | None = None,
        *,
        close_source: bool = False,
    ) -> VideoSession:
        """Go on with a saved session; the video must be the same, and the policy is the saved one."""
        from masklet.predict import session_file

        saved = session_file.read(Path(path), source, engine)
        session = cls(source, engine, policy or saved.policy, close_source=close_source)
        session._history = History((saved.log,), 0)
        session._tracks = saved.tracks
        # What is tracked may be of prompts that were undone; no later prompt may have their number.
        numbers = [n for known in saved.log.objects.values() for n in (known.lineage, known.version)]
        numbers += [tracked.version for found in saved.tracks.values() for tracked in found.values()]
        session._serial = max(numbers, default=0)
        return session

    def rest(self) -> None:
        """Free the encoded frames, which are kept for the next click on them and can be made again."""
        self._recollection.forget_frames()

    def close(self) -> None:
        """Free everything; a running propagation ends. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._cancelled.set()
        self._recollection.forget()
        self._tracks = {}
        if self._close_source:
            self.source.close()

    def __enter__(self) -> VideoSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── inside ───────────────────────────────────────────────────────────────────────────────────

    def _answer(
        self, frame: int, object_id: int, given: Prompt, candidate: int | None, replace: bool
    ) -> tuple[Frame, PromptedFrame]:
        """Check a prompt and ask the model; nothing is recorded."""
        self._check(frame)
        object_id = whole_id(object_id)
        picture = self.source[frame]
        check_prompt(given, picture.width, picture.height)
        earlier = None if replace else self.log.get(object_id, frame)
        prompted = self._recollection.answer(
            self.log, self._tracks, picture, object_id, given, earlier, candidate
        )
        return picture, prompted

    def _prompt(self, frame: int, object_id: int, given: PromptedFrame) -> Preview:
        """Record a prompt that has been answered."""
        frame, object_id = int(frame), whole_id(object_id)
        self._serial += 1
        self._history = self._history.record(self.log.with_prompt(object_id, frame, given, self._serial))
        return preview_of(frame, object_id, given)

    def _masks(self, log: PromptLog, frame: int) -> FrameMasks:
        return frame_masks(frame, log, self._tracks, self.policy)

    def _check(self, frame: int | None = None) -> None:
        """Raise when the session is closed, or the frame is outside the video."""
        if self._closed:
            raise SessionError("the session is closed; open the video again")
        if frame is not None:
            check_frame(frame, len(self.source))

    def _known(self, object_id: int) -> ObjectPrompts:
        if object_id not in self.log.objects:
            ids = ", ".join(str(i) for i in self.objects) or "none yet"
            raise UnknownObjectError(f"object {object_id} has no prompt; known objects: {ids}")
        return self.log.objects[object_id]

    def _prompted(self, frame: int, object_id: int) -> PromptedFrame:
        self._check(frame)
        known = self._known(object_id)
        if frame not in known.frames:
            frames = ", ".join(str(t) for t in sorted(known.frames))
            raise SessionError(
                f"object {object_id} has no prompt on frame {frame}; it has prompts on {frames}"
            )
        return known.frames[frame]
