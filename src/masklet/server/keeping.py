"""Opening a session from disk and putting it back: the last checkpoint, and the changes made since.

Undo reaches back to the checkpoint a session was opened from. A step that goes further back could not be
made again from the log, so it gets a checkpoint of its own before it is answered.
"""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from masklet.errors import SessionError
from masklet.predict.segmenter import Segmenter
from masklet.predict.session import VideoSession
from masklet.server import appearance
from masklet.server.beginning import beginning_in
from masklet.server.objects import as_json, from_json
from masklet.server.problems import Refusal
from masklet.server.records import Records, SessionRecord
from masklet.server.workspace import PLAIN, Change, Outcome, Workspace
from masklet.video.effects import Look
from masklet.video.protocol import FrameSource

log = logging.getLogger(__name__)

WORK, OBJECTS, EFFECTS = "work.npz", "objects.json", "effects.json"


class Keeper:
    """Loads and saves one session's work; used in the thread that owns the session.

    folder   where its files are
    """

    def __init__(self, records: Records, session_id: str, folder: Path, most_objects: int) -> None:
        self._records = records
        self._id = session_id
        self._folder = folder
        self._most_objects = most_objects
        self._undoable = self._redoable = 0  # steps the log alone can make again
        self._saved = 0  # the workspace's moment at the last checkpoint

    def open(self, model: Segmenter, source: FrameSource) -> Workspace:
        """The session as it was when its last change was answered."""
        record = self._records.session(self._id)
        self._undoable = self._redoable = self._saved = 0
        workspace = self._from_checkpoint(record, model, source)
        for number, change in self._records.changes(self._id, after=workspace.revision):
            self._apply(workspace, change)
            if workspace.revision != number:
                raise SessionError(f"session {self._id} is damaged: change {workspace.revision} is missing")
        return workspace

    def _from_checkpoint(self, record: SessionRecord, model: Segmenter, source: FrameSource) -> Workspace:
        saved, beginning = record.checkpoint, beginning_in(self._folder)
        if saved is None:
            session = model.video(source)
            if beginning is not None:
                return Workspace.begun(session, beginning, self._most_objects)
            return Workspace(session, most_objects=self._most_objects)
        with _without_path(self._folder / saved["file"]) as file:
            session = model.resume(file, source)
        return Workspace(
            session,
            objects=from_json(saved["objects"]),
            effects=_effects(saved.get("effects")),
            revision=saved["change"],
            most_objects=self._most_objects,
            beginning=beginning,
        )

    def change(self, workspace: Workspace, change: Change) -> Outcome:
        """Make a change and write it down; when this returns, it survives a crash."""
        outcome, replayable = self._apply(workspace, change)
        if not replayable:
            self.save(workspace)
        self._records.add_change(self._id, workspace.revision, change)
        return outcome

    def _apply(self, workspace: Workspace, change: Change) -> tuple[Outcome, bool]:
        """Make a change; also whether the log alone could make it again."""
        steps, kind = workspace.steps_made, change["kind"]
        outcome = workspace.apply(change)
        if workspace.steps_made > steps:
            self._undoable, self._redoable = self._undoable + workspace.steps_made - steps, 0
        elif kind == "undo":
            if self._undoable == 0:
                return outcome, False
            self._undoable, self._redoable = self._undoable - 1, self._redoable + 1
        elif kind == "redo":
            if self._redoable == 0:
                return outcome, False
            self._undoable, self._redoable = self._undoable + 1, self._redoable - 1
        return outcome, True

    def save(self, workspace: Workspace) -> None:
        """Put everything into a checkpoint; what was saved before stays until it is there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        record = self._records.session(self._id)
        name = f"work-{workspace.revision}-{workspace.moment}.npz"
        workspace.session.save(self._folder / name)
        self._records.checkpoint(
            self._id,
            {
                "file": name,
                "change": workspace.revision,
                "objects": as_json(workspace.objects),
                "effects": appearance.as_json(workspace.effects),
            },
            {"objects": len(workspace.objects), "frames_covered": len(workspace.touched)},
        )
        self._undoable = self._redoable = 0
        earlier = record.checkpoint
        if earlier is not None and earlier["file"] != name:
            with suppress(OSError):
                (self._folder / earlier["file"]).unlink()
        self._saved = workspace.moment

    def is_saved(self, workspace: Workspace) -> bool:
        """Whether a checkpoint holds all of it."""
        return self._saved == workspace.moment


def to_file(workspace: Workspace, path: Path) -> None:
    """Write the work to one file that can be carried elsewhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    inner = path.with_suffix(".npz")
    workspace.session.save(inner)
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.write(inner, WORK)
            archive.writestr(OBJECTS, json.dumps(as_json(workspace.objects)))
            archive.writestr(EFFECTS, json.dumps(appearance.as_json(workspace.effects)))
    finally:
        inner.unlink(missing_ok=True)


def from_file(
    carried: Path, folder: Path, video: FrameSource, model: Segmenter, most_bytes: int
) -> Mapping[str, Any]:
    """Unpack a carried file into a session's folder; returns the checkpoint to note.

    raises SessionError when the file is damaged, or of another video or model
    """
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / "work-0-0.npz"
    try:
        with zipfile.ZipFile(carried) as archive:
            _check_unpacked(archive, most_bytes)
            objects = from_json(json.loads(archive.read(OBJECTS)))
            told = json.loads(archive.read(EFFECTS)) if EFFECTS in archive.namelist() else None
            effects = appearance.checked(_effects(told), objects)
            with archive.open(WORK) as packed, work.open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        with zipfile.ZipFile(work) as arrays:
            _check_unpacked(arrays, most_bytes)
        with _without_path(work):
            VideoSession.load(work, video, model.engine).close()
    except (zipfile.BadZipFile, AttributeError, KeyError, TypeError, ValueError) as error:
        raise SessionError("the file is not work saved by masklet, or is damaged") from error
    return {
        "file": work.name,
        "change": 0,
        "objects": as_json(objects),
        "effects": appearance.as_json(effects),
    }


def _effects(told: Mapping[str, Any] | None) -> Look:
    """Saved effects; none for work that was saved before effects were."""
    return PLAIN if told is None else appearance.from_json(told)


@contextmanager
def _without_path(file: Path) -> Iterator[Path]:
    """Errors about a file of ours, told without saying where it lies."""
    try:
        yield file
    except SessionError as error:
        raise SessionError(str(error).replace(str(file), "the saved work")) from error


def _check_unpacked(archive: zipfile.ZipFile, most_bytes: int) -> None:
    if sum(info.file_size for info in archive.infolist()) > most_bytes:
        raise Refusal("too_large", f"the saved work unpacks to more than {most_bytes} bytes")
