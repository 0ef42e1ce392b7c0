"""Everything a server is, without HTTP: store, library, projects, models, sessions, exports."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any

from masklet.errors import ConfigError
from masklet.predict.segmenter import Segmenter
from masklet.server.export_jobs import ExportJobs
from masklet.server.keeping import from_file
from masklet.server.library import Library
from masklet.server.live import LiveSession
from masklet.server.objects import LONGEST_NAME
from masklet.server.pictures import Pictures
from masklet.server.problems import Refusal
from masklet.server.projects import Projects
from masklet.server.records import Records
from masklet.server.scheduler import Scheduler
from masklet.server.settings import Settings

log = logging.getLogger(__name__)

REST_S = 60.0
"""Seconds without use after which a session frees what only makes its next answer quicker."""

DRAIN_S = 20.0
"""How long to wait for sessions to be saved before going; SageMaker kills after 30 s."""


class Studio:
    """One server's things.

    loads   open a model each, in a thread of its own
    """

    def __init__(self, settings: Settings, loads: Sequence[Callable[[], Segmenter]]) -> None:
        if not loads:
            raise ConfigError("a server needs at least one worker")
        self.settings = settings
        settings.store.mkdir(parents=True, exist_ok=True)
        self.records = Records(settings.store / "masklet.sqlite")
        self.library = Library(settings, self.records)
        self.projects = Projects(settings.projects, self.library)
        self.pictures = Pictures(self.library, self.records)
        self.scheduler = Scheduler(loads)
        self.exports = ExportJobs(settings, self.library)
        self.draining = False
        self.started = time.monotonic()
        self._lock = threading.Lock()
        self._live: dict[str, LiveSession] = {}

    def begin(self) -> None:
        """Open the models; returns at once."""
        self.scheduler.begin()

    @property
    def state(self) -> str:
        """ok, starting, draining or failed."""
        return "draining" if self.draining else self.scheduler.state

    def model(self) -> Segmenter:
        """One of the models, for its name; raises Refusal until it is open."""
        for worker in self.scheduler.workers:
            if worker.model is not None:
                return worker.model
        failure = next((w.failure for w in self.scheduler.workers if w.failure), None)
        raise Refusal(
            "busy", f"the model could not be opened: {failure}" if failure else "the model is being opened"
        )

    @property
    def model_name(self) -> str | None:
        """What the models were opened by, else their own name; None until one is open."""
        if self.settings.model is not None:
            return self.settings.model
        return next((w.model.engine.name for w in self.scheduler.workers if w.model is not None), None)

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────

    def new_session(self, video_id: str, name: str | None = None) -> str:
        """Make a session for a video; returns its id."""
        video = self.records.video(video_id)
        session_id = secrets.token_hex(8)
        called = (name or str(video.facts["name"]))[:LONGEST_NAME]
        self.records.add_session(session_id, video_id, called, self.settings.limits.sessions)
        return session_id

    def restore(self, carried: Path, video_id: str, name: str | None) -> str:
        """A new session from work that was carried here in a file."""
        model = self.model()
        session_id = self.new_session(video_id, name)
        folder = self.settings.store / "sessions" / session_id
        try:
            source = self.library.open(self.records.video(video_id))
            with contextlib.closing(source):
                checkpoint = from_file(carried, folder, source, model, self.settings.limits.upload_bytes)
            self.records.checkpoint(session_id, checkpoint, {"objects": len(checkpoint["objects"])})
        except BaseException:
            self.records.drop_session(session_id)
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return session_id

    def live(self, session_id: str) -> LiveSession:
        """A session to work with; raises Refusal when there is none of that id, or no room for it."""
        if self.draining:
            raise Refusal("draining", "the server is shutting down; try again in a moment")
        with self._lock:
            live = self._live.get(session_id)
            if live is None:
                self.records.session(session_id)  # raises when there is none
                live = LiveSession(
                    session_id, self.settings, self.records, self.library, self.scheduler.lane()
                )
                self._live[session_id] = live
            if not live.admitted:
                self._make_room()
                live.admitted = True
            live.used = time.monotonic()
        return live

    def known(self, session_id: str) -> LiveSession | None:
        """A session if it is in use."""
        return self._live.get(session_id)

    def _make_room(self) -> None:
        admitted = [live for live in self._live.values() if live.admitted]
        if len(admitted) < self.settings.limits.live:
            return
        idle = sorted((live for live in admitted if live.is_idle), key=lambda live: live.used)
        if not idle:
            raise Refusal(
                "full", f"{len(admitted)} sessions are in use and there is room for no more; try again later"
            )
        idle[0].admitted = False
        idle[0].unload()

    def sweep(self) -> None:
        """Let sessions that nobody uses rest, and idle ones leave memory; called every few seconds."""
        now = time.monotonic()
        with self._lock:
            for live in self._live.values():
                unused = now - live.used
                if live.admitted and live.is_idle and unused > self.settings.limits.idle_s:
                    live.unload()
                elif live.is_awake and unused > REST_S:
                    live.rest()

    def delete_session(self, session_id: str, *, with_upload: bool = False) -> None:
        """Delete a session and all its files.

        with_upload   delete its video too, if it was uploaded and no other session needs it
        """
        video_id = self.records.session(session_id).video
        with self._lock:
            live = self._live.pop(session_id, None)
        if live is not None:
            live.tell({"type": "bye", "reason": "deleted"})
            for export in self.exports.of(session_id):
                self.exports.remove(export.id)
            live.discard().result()
            self.scheduler.give_back(live.lane)
        self.records.drop_session(session_id)
        shutil.rmtree(self.settings.store / "sessions" / session_id, ignore_errors=True)
        if with_upload and self.records.video(video_id).uploaded and not self.records.sessions(video_id):
            self.delete_video(video_id)

    def delete_video(self, video_id: str) -> None:
        """Delete a video and its sessions."""
        self.records.video(video_id)
        for record in self.records.sessions(video=video_id):
            self.delete_session(record.id)
        self.pictures.forget(video_id)
        self.library.remove(video_id)

    @property
    def live_sessions(self) -> list[LiveSession]:
        return list(self._live.values())

    def carried(self, name: str) -> Path:
        """A new path for work in a file that is made to be fetched, or read, once."""
        folder = self.settings.store / "carried"
        folder.mkdir(exist_ok=True)
        return folder / f"{name}-{secrets.token_hex(4)}.masklet"

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def drain(self) -> None:
        """Take no more work, save every session, end the threads."""
        if self.draining:
            return
        self.draining = True
        for live in self.live_sessions:
            live.tell({"type": "bye", "reason": "draining"})
        saving: list[Future[Any]] = []
        for live in self.live_sessions:
            with contextlib.suppress(Refusal):
                saving.append(live.save())
        late = wait(saving, timeout=DRAIN_S).not_done
        if late:
            log.error("%d sessions could not be saved in time; their prompts are safe", len(late))
        self.exports.close()
        for live in self.live_sessions:
            with contextlib.suppress(Refusal):
                live.discard()
        self.scheduler.close(timeout=DRAIN_S)
        self.pictures.close()
        self.projects.close()
        self.records.close()
