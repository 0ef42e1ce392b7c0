"""A project: a folder with a database, models, people and videos.

PROJECT/project.json   where the database is
PROJECT/project.db     the database, unless project.json names another one
PROJECT/models/        what was trained here
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.database import PATIENCE, Database
from masklet.annotate.records import ROLES, Person, Video
from masklet.errors import ConfigError, ProjectError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.video.protocol import FrameSource

FORMAT = 1


class Project:
    """An open project. Several processes and people may have it open at the same time.

    folder     of the project
    database   its store
    clock      gives seconds since 1970; leases and events go by it
    """

    def __init__(self, folder: Path, database: Database, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.database = database
        self.clock = clock

    @classmethod
    def create(cls, folder: str | Path, *, database: str | None = None, model: str = DEFAULT) -> Project:
        """Make a project; one that is there already is refused.

        database   URL of a PostgreSQL database for a team; None keeps a file in the folder
        model      that masklets are made with until a better one is adopted
        """
        folder = Path(folder)
        note = folder / "project.json"
        if note.exists():
            raise ProjectError(f"{folder} is a project already; use it, or name another folder")
        try:
            (folder / "models").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ProjectError(f"cannot make {folder}: {error.strerror or error}") from error
        store = _opened(folder, database, PATIENCE)
        store.migrate()
        project = cls(folder, store)
        if database is None or project.setting("model") is None:
            project.change_setting("model", model)
        # Last, and whole: a folder with this file is a project that works.
        part = note.with_suffix(".part")
        part.write_text(json.dumps({"format": FORMAT, "database": database}, indent=1), encoding="utf-8")
        os.replace(part, note)
        return project

    @classmethod
    def open(
        cls, folder: str | Path, *, clock: Callable[[], float] = time.time, patience: float = PATIENCE
    ) -> Project:
        """Open a project; raises ProjectError when the folder is none."""
        folder = Path(folder)
        note = folder / "project.json"
        try:
            content = json.loads(note.read_text(encoding="utf-8"))
            number, database = int(content["format"]), content["database"]
        except OSError as error:
            raise ProjectError(
                f"{folder} is no project; make one with `masklet annotate {folder} init`"
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise ProjectError(
                f"{note} is damaged ({error}); it names the format and the database"
            ) from error
        if number > FORMAT:
            raise ProjectError(f"{folder} was made by a newer masklet (format {number}); update masklet")
        store = _opened(folder, database, patience)
        store.migrate()
        return cls(folder, store, clock)

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── settings ─────────────────────────────────────────────────────────────────────────────────

    def setting(self, name: str) -> Any:
        """A setting's value, or None."""
        query = sa.select(schema.setting.c.value).where(schema.setting.c.name == name)
        return self.database.read(lambda c: c.execute(query).scalar())

    def change_setting(self, name: str, value: Any) -> None:
        table = schema.setting

        def change(connection: Connection) -> None:
            if not connection.execute(
                sa.update(table).where(table.c.name == name).values(value=value)
            ).rowcount:
                connection.execute(sa.insert(table).values(name=name, value=value))

        self.database.write(change)

    @property
    def model(self) -> str:
        """Name or path of the model that masklets are made with now."""
        found = str(self.setting("model") or DEFAULT)
        # Models trained here are kept relative to the project, so that it may be moved.
        inside = self.folder / found
        return str(inside.resolve()) if inside.is_file() else found

    # ── people ───────────────────────────────────────────────────────────────────────────────────

    def add_person(self, name: str, role: str = "annotator") -> Person:
        """Add somebody, or give them another role."""
        if role not in ROLES:
            raise ConfigError(f"role {role!r} is unknown; give {', '.join(ROLES)}")
        if not name.strip():
            raise ConfigError("a person needs a name")
        table = schema.person

        def add(connection: Connection) -> None:
            if not connection.execute(
                sa.update(table).where(table.c.name == name).values(role=role)
            ).rowcount:
                connection.execute(sa.insert(table).values(name=name, role=role))

        self.database.write(add)
        return self.person(name)

    def person(self, name: str) -> Person:
        """Somebody by name; raises ProjectError when nobody has it."""
        for one in self.people():
            if one.name == name:
                return one
        raise ProjectError(
            f"nobody here is called {name}; add them with `masklet annotate {self.folder} person {name}`"
        )

    def people(self) -> tuple[Person, ...]:
        rows = self.database.read(
            lambda c: c.execute(sa.select(schema.person).order_by(schema.person.c.id)).all()
        )
        return tuple(Person(r.id, r.name, r.role) for r in rows)

    # ── videos ───────────────────────────────────────────────────────────────────────────────────

    def add_video(self, path: str | Path, name: str | None = None) -> Video:
        """Add a video file or a folder of pictures; it stays where it is. One that is there is returned.

        raises   VideoError when it cannot be read, ProjectError when another one has its name, or it has
                 another name already: a video twice could be learned from and measured on
        """
        from masklet.video.source import open_source

        place = Path(path).expanduser().resolve()
        videos = self.videos()
        same = next((v for v in videos if Path(v.path) == place), None)
        if same is not None:
            if name is None or name == same.name:
                return same
            raise ProjectError(f"{place} is video {same.name} already; leave --name {name} out")
        name = name or (place.name if place.is_dir() else place.stem)
        other = next((v for v in videos if v.name == name), None)
        if other is not None:
            raise ProjectError(f"video {name} is {other.path}; give {place} another name: --name")
        source = open_source(place)
        try:
            values = {
                "name": name,
                "path": str(place),
                "width": source.width,
                "height": source.height,
                "frames": len(source),
                "rate": _rate(source),
                "held_out": False,
            }
        finally:
            source.close()
        self.database.write(lambda c: c.execute(sa.insert(schema.video).values(**values)) and None)
        return self.video(name)

    def video(self, name: str) -> Video:
        """A video by name; raises ProjectError when there is none."""
        found = next((v for v in self.videos() if v.name == name), None)
        if found is None:
            raise ProjectError(
                f"video {name} is not in the project; see `masklet annotate {self.folder} status`"
            )
        return found

    def videos(self) -> tuple[Video, ...]:
        rows = self.database.read(
            lambda c: c.execute(sa.select(schema.video).order_by(schema.video.c.id)).all()
        )
        return tuple(Video(**row._mapping) for row in rows)

    def remove_video(self, name: str, *, with_masklets: bool = False) -> int:
        """Take a video out of the project; its file stays where it is. Returns how many masklets went too.

        with_masklets   take its masklets too, with all that people did to them
        raises          ProjectError when there is none of that name, or it has masklets that are to stay
        """
        video = self.video(name)
        masklets = sa.select(sa.func.count()).where(schema.masklet.c.video_id == video.id)

        def write(connection: Connection) -> int:
            count = int(connection.execute(masklets).scalar_one())
            if count and not with_masklets:
                raise ProjectError(
                    f"video {name} has {count} masklet{'s' * (count > 1)}; "
                    "--with-masklets removes the work on them too"
                )
            connection.execute(sa.delete(schema.video).where(schema.video.c.id == video.id))
            return count

        return self.database.write(write)

    def hold_out(self, names: Iterable[str]) -> None:
        """Keep these videos for measuring, from now on."""
        table, chosen = schema.video, list(names)
        change = sa.update(table).where(table.c.name.in_(chosen)).values(held_out=True)
        self.database.write(lambda c: c.execute(change) and None)

    def source(self, video: Video) -> FrameSource:
        """The frames of a video, to be closed by the caller.

        raises   ProjectError when the file is gone or is another one now; its masklets stay as they are
        """
        from masklet.video.source import open_source

        if not Path(video.path).exists():
            raise ProjectError(
                f"video {video.name} is not at {video.path} any more; put it back (its masklets are safe)"
            )
        source = open_source(video.path)
        if (source.width, source.height, len(source)) != (video.width, video.height, video.frames):
            found = f"{len(source)} frames of {source.width}×{source.height}"
            source.close()
            raise ProjectError(
                f"{video.path} has {found}, but video {video.name} had {video.frames} of "
                f"{video.width}×{video.height}; put the old one back"
            )
        return source


def _rate(source: FrameSource) -> float | None:
    """Mean frames a second, by the frames' own times: what a file states about itself may be far off."""
    from masklet.video.file import VideoFile

    if isinstance(source, VideoFile) and len(source) > 1:
        seconds = float(source.times[-1])
        if seconds > 0:
            return (len(source) - 1) / seconds
    return None if source.rate is None else float(source.rate)


def _opened(folder: Path, database: str | None, patience: float) -> Database:
    return Database(database or f"sqlite:///{(folder / 'project.db').resolve()}", patience=patience)
