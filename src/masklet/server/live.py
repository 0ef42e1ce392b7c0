"""A session in use: its lane, what is in memory of it, who watches it, and the run that goes on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from masklet.errors import MaskletError, SessionError
from masklet.predict.history import Preview
from masklet.predict.segmenter import Segmenter
from masklet.server.appearance import as_json as effects_json
from masklet.server.keeping import Keeper
from masklet.server.library import Library, video_json
from masklet.server.masks_json import rle_of
from masklet.server.objects import as_json
from masklet.server.problems import described
from masklet.server.records import Records, SittingRecord, VideoRecord
from masklet.server.runs import RunRequest, TrackingRun
from masklet.server.scheduler import Lane
from masklet.server.settings import Settings
from masklet.server.shared_frames import SharedFrames
from masklet.server.workspace import Change, Outcome, Workspace
from masklet.types import Mask

log = logging.getLogger(__name__)

PROGRESS_S = 0.5
"""Least time between two messages about a run's progress."""

Answer = dict[str, Any]
T = TypeVar("T")


class Watcher(Protocol):
    """Somebody who wants to know what happens; both may be called from any thread."""

    def tell(self, message: Answer) -> None: ...

    def show(self, frames: Iterable[int]) -> None:
        """These frames' masks are new."""
        ...


class LiveSession:
    """One session. Its workspace is opened when it is first needed, and only in its lane's thread."""

    def __init__(
        self, session_id: str, settings: Settings, records: Records, library: Library, lane: Lane
    ) -> None:
        self.id = session_id
        self.lane = lane
        self.folder = settings.store / "sessions" / session_id
        self.video: VideoRecord = records.video(records.session(session_id).video)
        self.watchers: set[Watcher] = set()
        self.run: TrackingRun | None = None
        self.used = time.monotonic()
        self.admitted = False  # whether it counts as one in memory
        self.is_awake = False  # whether it was used since it was put to rest
        self.exports = 0  # going on
        self.sitting = records.sitting(session_id)
        self._settings = settings
        self._records = records
        self._library = library
        self._keeper = Keeper(records, session_id, self.folder, settings.limits.objects)
        self._workspace: Workspace | None = None
        self._source: SharedFrames | None = None
        self._runs = 0
        self._told = self._saved = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether nobody watches it and nothing goes on in it."""
        going_on = self.run is not None and self.run.goes_on
        return not (self.watchers or going_on or self.exports or self.lane.questions or self.lane.hover)

    @property
    def current(self) -> Workspace | None:
        """The workspace if it is in memory, for what may be read from any thread (`masks`)."""
        return self._workspace

    # ── asked from any thread ────────────────────────────────────────────────────────────────────

    def ask(self, do: Callable[[Workspace], T]) -> Future[T]:
        """Have something done with the workspace in its thread."""
        self.used = time.monotonic()
        return self.lane.ask(lambda model: do(self._opened(model)), most=self._settings.limits.questions)

    def change(self, change: Change) -> Future[tuple[Outcome, Answer]]:
        """Make one change; the answer comes when it would survive a crash. With the session after it."""
        return self.ask(lambda workspace: self._change(workspace, change))

    def state(self) -> Future[Answer]:
        return self.ask(self._state)

    def preview(self, change: Change) -> Future[Answer]:
        """What a prompt would give; only the newest one that waits is answered."""
        self.used = time.monotonic()
        return self.lane.ask_hover(lambda model: preview_json(self._opened(model).preview(change)))

    def track(self, request: RunRequest) -> Future[Answer]:
        return self.ask(lambda workspace: self._track(workspace, request))

    def steer(self, what: str) -> Future[Answer]:
        """pause, resume or cancel the run."""
        return self.ask(lambda _: self._steer(what))

    def workspace(self) -> Future[Workspace]:
        """The workspace, for what may be read from any thread (`masks`)."""
        return self.ask(lambda workspace: workspace)

    def rest(self) -> Future[None]:
        """Free what only makes the next answer quicker; the session stays in memory."""
        return self.lane.ask(lambda _: self._rest(), most=self._settings.limits.questions + 1)

    def unload(self) -> Future[None]:
        """Save it and free its memory, unless somebody came back in the meantime."""
        return self.lane.ask(lambda _: self._unload(), most=self._settings.limits.questions + 1)

    def save(self) -> Future[None]:
        """Save it, and end its run: what a server does before it goes."""
        return self.lane.ask(lambda _: self._save_all(), most=self._settings.limits.questions + 1)

    def discard(self) -> Future[None]:
        """Free its memory without saving: it is being deleted."""
        return self.lane.ask(lambda _: self._drop(), most=self._settings.limits.questions + 1)

    def tell(self, message: Answer) -> None:
        for watcher in list(self.watchers):
            watcher.tell(message)

    def show(self, frames: Iterable[int]) -> None:
        frames = sorted(frames)
        for watcher in list(self.watchers):
            watcher.show(frames)

    # ── in the lane's thread ─────────────────────────────────────────────────────────────────────

    def _opened(self, model: Segmenter) -> Workspace:
        self.is_awake = True
        if self._workspace is None:
            source = self._library.shared(self.video)
            try:
                self._workspace = self._keeper.open(model, source)
            except BaseException:
                source.close()
                raise
            self._source = source
            self._saved = time.monotonic()
            source.wake()  # while the person looks at the first picture
        return self._workspace

    def _change(self, workspace: Workspace, change: Change) -> tuple[Outcome, Answer]:
        before = workspace.revision
        if self.run is not None and self.run.goes_on and workspace.changes_masks(change):
            self._end_run("stopped", "the prompts were changed; track again")
        try:
            outcome = self._keeper.change(workspace, change)
        except BaseException:
            if workspace.revision != before:  # made, but not written down: what is on disk is the truth
                self._drop()
            raise
        state = self._state(workspace)
        self.tell({"type": "session", "session": state})
        self.show(outcome.frames)
        if outcome.preview is not None and self._source is not None:
            self._source.wake()  # it may have rested; who has clicked will track
        return outcome, state

    def _track(self, workspace: Workspace, request: RunRequest) -> Answer:
        if self.run is not None and self.run.goes_on:
            raise SessionError("a run is going on; cancel it first")
        run = TrackingRun(self._runs + 1, request, workspace)
        self._runs += 1
        self.run = run
        self.lane.start(self._step)
        return self._tell_run()

    def _step(self) -> bool:
        run, workspace = self.run, self._workspace
        if run is None or workspace is None or not run.goes_on:
            return False
        self.used = time.monotonic()
        frame = run.step()
        if frame is not None:
            self.show([frame])
        if not run.goes_on:
            self._checkpoint(workspace)
            self._tell_run()
            self.tell({"type": "session", "session": self._state(workspace)})
        elif self.used - self._told > PROGRESS_S:
            self._tell_run()
        if run.goes_on and self.used - self._saved > self._settings.checkpoint_s:
            self._checkpoint(workspace)
        return run.state == "running"

    def _steer(self, what: str) -> Answer:
        if self.run is None or not self.run.goes_on:
            raise SessionError(f"there is no run to {what}")
        if what == "cancel":
            self._end_run("cancelled")
        elif what == "pause" and self.run.state != "paused":
            self.run.state = "paused"
            self.lane.stop()
        elif what == "resume" and self.run.state == "paused":
            self.run.state = "queued"
            self.lane.start(self._step)
        return self._tell_run()

    def _end_run(self, state: str, message: str | None = None) -> None:
        assert self.run is not None
        self.lane.stop()
        self.run.end(state, message)
        self._checkpoint(self.run.workspace)
        self._tell_run()
        self.tell({"type": "session", "session": self._state(self.run.workspace)})

    def _tell_run(self) -> Answer:
        assert self.run is not None
        self._told = time.monotonic()
        state = self.run.as_json()
        self.tell({"type": "run", "run": state})
        return state

    def _checkpoint(self, workspace: Workspace) -> None:
        """Save; a store that is full is told and costs nobody the masks in memory."""
        self._saved = time.monotonic()
        try:
            if not self._keeper.is_saved(workspace):
                self._keeper.save(workspace)
        except MaskletError as error:
            log.error("session %s cannot be saved: %s", self.id, error)
            self.tell({"type": "error", "error": described(error)})

    def _save_all(self) -> None:
        if self._workspace is None:
            return
        if self.run is not None and self.run.goes_on:
            self._end_run("stopped", "the server is shutting down; track again")
        self._checkpoint(self._workspace)

    def _unload(self) -> None:
        if self._workspace is not None and self.is_idle:
            self._checkpoint(self._workspace)
            if self._keeper.is_saved(self._workspace):
                self._drop()
        if self._workspace is None:
            self.admitted = False

    def _rest(self) -> None:
        self.is_awake = False
        if self._workspace is not None and self._source is not None:
            self._workspace.session.rest()
            self._source.rest()

    def _drop(self) -> None:
        self.lane.stop()
        if self.run is not None and self.run.goes_on:
            self.run.end("stopped", "the session was closed")
        self.run = None
        if self._workspace is not None:
            self._workspace.session.close()
        if self._source is not None:
            self._source.close()
        self._workspace = self._source = None

    def _state(self, workspace: Workspace) -> Answer:
        record = self._records.session(self.id)
        run = self.run
        return {
            "id": self.id,
            "name": record.name,
            "video": video_json(self.video),
            "created": record.created,
            "used": record.used,
            "revision": workspace.revision,
            "objects": as_json(workspace.objects),
            "effects": effects_json(workspace.effects),
            "look": asdict(self._records.look(self.id)),
            "prompts": _prompts(workspace),
            "undo": workspace.undo_steps,
            "redo": workspace.redo_steps,
            "outdated": sorted(workspace.outdated),
            "covered": ranges(workspace.touched),
            "run": None if run is None else run.as_json(),
            "sitting": None if self.sitting is None else sitting_json(self.sitting),
        }


def ranges(frames: Iterable[int]) -> list[list[int]]:
    """Frames as half-open ranges: 0 1 2 5 → [[0, 3], [5, 6]]."""
    found: list[list[int]] = []
    for frame in sorted(frames):
        if found and found[-1][1] == frame:
            found[-1][1] += 1
        else:
            found.append([frame, frame + 1])
    return found


def sitting_json(sitting: SittingRecord) -> Answer:
    return {"project": sitting.project, "masklet": sitting.masklet, "person": sitting.person}


def preview_json(preview: Preview) -> Answer:
    """A prompt's answer as clients get it."""

    def one(mask: Mask, iou: float) -> Answer:
        return {"mask": rle_of(mask), "iou": round(iou, 6)}

    box = preview.mask.box
    return {
        "object": preview.object_id,
        "frame": preview.frame,
        "mask": rle_of(preview.mask),
        "candidates": [one(m, v) for m, v in zip(preview.candidates, preview.iou, strict=False)],
        "chosen": preview.chosen,
        "occlusion": round(preview.occlusion, 6),
        "iou": round(preview.iou[preview.chosen], 6),
        "area": preview.mask.area,
        "box": None if box is None else list(box),
    }


def _prompts(workspace: Workspace) -> list[Answer]:
    return [
        {
            "object": object_id,
            "frame": frame,
            "clicks": [[c.x, c.y, int(c.positive)] for c in given.prompt.clicks],
            "box": list(given.prompt.box.corners) if given.prompt.box else None,
            "mask": given.prompt.mask is not None,
            "pinned": given.pinned,
            "candidates": len(given.masks),
            "chosen": given.chosen,
        }
        for object_id, known in workspace.session.log.objects.items()
        for frame, given in sorted(known.frames.items())
    ]
