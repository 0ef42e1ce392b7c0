"""Exports that wait, run and lie ready: made by a few threads beside the model's, so nobody's click waits."""

from __future__ import annotations

import logging
import secrets
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.server.exporting import ExportRequest, snapshot, write
from masklet.server.library import Library
from masklet.server.live import LiveSession
from masklet.server.problems import Refusal, described
from masklet.server.settings import Settings

log = logging.getLogger(__name__)

THREADS = 2
KEPT = 200
"""Finished exports that stay to be fetched; older ones are deleted."""

SNAPSHOTS = 3
"""How often to look again when the session changes while it is looked at."""


class Cancelled(Exception):
    """An export that nobody wants any more."""


@dataclass(eq=False)
class Export:
    """One export. state: queued, running, done, failed or cancelled; file: there when it is done."""

    id: str
    live: LiveSession
    request: ExportRequest
    folder: Path
    state: str = "queued"
    done: int = 0
    total: int = 0
    file: Path | None = None
    message: str | None = None
    unwanted: bool = False

    @property
    def goes_on(self) -> bool:
        return self.state in ("queued", "running")

    def as_json(self) -> dict[str, Any]:
        there = self.file is not None and self.state == "done"
        return {
            "id": self.id,
            "session": self.live.id,
            "format": self.request.format,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "name": self.file.name if self.file else None,
            "bytes": self.file.stat().st_size if there and self.file and self.file.exists() else None,
            "message": self.message,
        }


class ExportJobs:
    """All exports of a server."""

    def __init__(self, settings: Settings, library: Library) -> None:
        self._settings = settings
        self._library = library
        self._folder = settings.store / "exports"
        shutil.rmtree(self._folder, ignore_errors=True)  # of an earlier life: nobody knows them any more
        self._folder.mkdir(parents=True)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="export")
        self._lock = threading.Lock()
        self._exports: dict[str, Export] = {}

    def start(self, live: LiveSession, request: ExportRequest) -> Export:
        """Queue an export; raises Refusal when too many wait or the store is full."""
        self._library.check_room(0)
        with self._lock:
            if sum(e.goes_on for e in self._exports.values()) >= self._settings.limits.exports:
                raise Refusal("full", f"{self._settings.limits.exports} exports are going on; wait for one")
            export = Export(secrets.token_hex(8), live, request, self._folder / secrets.token_hex(8))
            self._exports[export.id] = export
            live.exports += 1
            old = [e for e in self._exports.values() if not e.goes_on][:-KEPT]
        for one in old:
            self.remove(one.id)
        self._pool.submit(self._run, export)
        return export

    def get(self, export_id: str) -> Export:
        export = self._exports.get(export_id)
        if export is None:
            raise Refusal("missing", f"there is no export {export_id}; make it again")
        return export

    def of(self, session_id: str) -> list[Export]:
        return [e for e in list(self._exports.values()) if e.live.id == session_id]

    def remove(self, export_id: str) -> None:
        """Cancel an export, or delete its file."""
        export = self.get(export_id)
        export.unwanted = True
        with self._lock:
            self._exports.pop(export_id, None)
        if not export.goes_on:
            shutil.rmtree(export.folder, ignore_errors=True)

    def close(self) -> None:
        """Stop all of them."""
        for export in list(self._exports.values()):
            export.unwanted = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, export: Export) -> None:
        try:
            self._tell(export, "running")
            export.file = self._write(export)
            self._tell(export, "done")
        except Cancelled:
            self._tell(export, "cancelled")
        except Exception as error:
            problem = described(error)
            if problem["code"] == "internal":
                log.exception("an export failed")
            export.message = problem["message"]
            self._tell(export, "failed")
        finally:
            if export.state != "done" or export.unwanted:
                shutil.rmtree(export.folder, ignore_errors=True)
            export.live.exports -= 1

    def _write(self, export: Export) -> Path:
        live, request = export.live, export.request
        facts = live.video.facts
        photo = facts["kind"] == "photo"
        sound = Path(live.video.file) if facts["sound"] else None
        workspace = live.workspace().result()
        for _ in range(SNAPSHOTS):  # in this thread, so that the model's is not kept from others
            revision = workspace.revision
            taken = snapshot(workspace, request, facts["name"], photo, sound)
            if workspace.revision == revision:
                break
        export.folder.mkdir(parents=True)
        source = self._library.open(live.video)
        try:
            return write(request, taken, source, export.folder, lambda n, of: self._progress(export, n, of))
        finally:
            source.close()

    def _progress(self, export: Export, done: int, total: int) -> None:
        if export.unwanted:
            raise Cancelled
        export.done, export.total = done, total
        if done % max(1, total // 50) == 0:
            export.live.tell({"type": "export", "export": export.as_json()})

    def _tell(self, export: Export, state: str) -> None:
        if export.unwanted and state != "cancelled":
            raise Cancelled
        export.state = state
        export.live.tell({"type": "export", "export": export.as_json()})
