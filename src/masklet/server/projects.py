"""The annotation projects that a server shows, each under a key that is made from its folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from masklet.annotate.project import Project
from masklet.annotate.records import Video
from masklet.errors import MissingExtraError, ProjectError
from masklet.server.library import Library
from masklet.server.problems import Refusal
from masklet.server.records import VideoRecord

PATIENCE = 8.0
"""Seconds to wait for a project's database before saying that it is away: somebody looks at the page."""


@dataclass(frozen=True)
class OpenProject:
    """A project under its key; its name is its folder's."""

    key: str
    project: Project

    @property
    def name(self) -> str:
        return self.project.folder.resolve().name

    def told(self, error: ProjectError) -> str:
        """What went wrong, without saying where things lie on this machine."""
        text = str(error).replace(self.project.database.shown_url, "of the project")
        for folder in (self.project.folder.resolve(), self.project.folder):
            text = text.replace(str(folder), self.name)
        return text


class Projects:
    """Opens projects and finds them again. Calls may come from any thread.

    raises   ProjectError for a folder that is no project
    """

    def __init__(self, folders: Iterable[Path], library: Library) -> None:
        self._library = library
        self._open: dict[str, OpenProject] = {}
        for folder in folders:
            key = _key(folder)
            if key not in self._open:
                self._open[key] = OpenProject(key, _project(folder))

    def all(self) -> tuple[OpenProject, ...]:
        """In the order they were named."""
        return tuple(self._open.values())

    def get(self, key: str) -> OpenProject:
        found = self._open.get(key)
        if found is None:
            raise Refusal("missing", f"there is no project {key[:40]}; start the server with its --project")
        return found

    def record(self, opened: OpenProject, video: Video) -> VideoRecord:
        """A project's video as one of the library's, so that its frames are shown as all others are.

        raises   ProjectError when it is another one now; Refusal when it is gone. Its masklets are safe.
        """
        place = Path(video.path)
        if not place.exists():
            raise Refusal(
                "missing", f"the file of video {video.name} is gone; put it back, its masks are safe"
            )
        origin = f"{opened.key}/{video.id}"
        known = self._library.known(origin, place)
        if known is not None:
            return known
        try:
            opened.project.source(video).close()  # complains when it is not what was annotated
        except ProjectError as error:
            raise ProjectError(str(error).replace(video.path, "the file")) from error
        return self._library.adopt(origin, place, video.name)

    def close(self) -> None:
        for opened in self._open.values():
            opened.project.close()


def _project(folder: Path) -> Project:
    try:
        return Project.open(folder, patience=PATIENCE)
    except ModuleNotFoundError as error:  # tables of an older masklet are brought up to date by Alembic
        raise MissingExtraError(
            "projects need SQLAlchemy and Alembic: pip install 'masklet[annotate]'"
        ) from error


def _key(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
