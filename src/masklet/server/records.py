"""What survives a restart: videos, sessions and every change made to them, in one SQLite file.

A change is written before it is answered. Masks and model answers are files beside it: a checkpoint says
up to which change its file reaches; later changes are made again on top of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from masklet.server.appearance import MaskLook
from masklet.server.problems import Refusal

_TABLES = MetaData()

_VIDEOS = Table(
    "videos",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("file", String, nullable=False),  # path; ours, never a client's
    Column("gallery", String),  # key in the gallery, or of a project's video; None for an upload
    Column("facts", Text, nullable=False),
    Column("created", String, nullable=False),
)
_SESSIONS = Table(
    "sessions",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("video", String, ForeignKey("videos.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", String, nullable=False),
    Column("created", String, nullable=False),
    Column("used", String, nullable=False),
    Column("summary", Text, nullable=False, default="{}"),
    Column("checkpoint", Text),  # {"file", "change", "objects"}
)
_LOOKS = Table(
    "looks",
    _TABLES,
    Column("session", String, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("opacity", Float, nullable=False),
    Column("outline", Boolean, nullable=False),
)
_CHANGES = Table(
    "changes",
    _TABLES,
    Column("session", String, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("change", Text, nullable=False),
    Column("made", String, nullable=False),
)
_SITTINGS = Table(
    "sittings",
    _TABLES,
    Column(
        "session", String, ForeignKey("sessions.id", ondelete="CASCADE"), primary_key=True
    ),  # in which it is drawn
    Column("project", String, nullable=False),  # key
    Column("masklet", Integer, nullable=False),
    Column("person", String, nullable=False),
    Column("since", Integer, nullable=False),
    Column("made", Boolean, nullable=False),
)


@dataclass(frozen=True)
class VideoRecord:
    """A video in the store. facts: what was found in the file (see library)."""

    id: str
    file: str
    gallery: str | None
    facts: Mapping[str, Any]
    created: str

    @property
    def uploaded(self) -> bool:
        """Whether its file is the store's own; one of the gallery or of a project stays where it is."""
        return self.gallery is None


@dataclass(frozen=True)
class SessionRecord:
    """A session in the store. summary: a few numbers for lists; checkpoint: see the module."""

    id: str
    video: str
    name: str
    created: str
    used: str
    summary: Mapping[str, Any]
    checkpoint: Mapping[str, Any] | None


@dataclass(frozen=True)
class SittingRecord:
    """A session in which a person draws a project's masklet.

    project   its key
    since     the last thing that had happened to the masklet when it was begun
    made      whether the masklet was made for this sitting
    """

    session: str
    project: str
    masklet: int
    person: str
    since: int
    made: bool


def now() -> str:
    """The time as ISO 8601 in UTC, to the microsecond, so that text sorts by time."""
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


class Records:
    """The database. Calls may come from any thread; each is one transaction."""

    def __init__(self, path: Path) -> None:
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})
        event.listen(self._engine, "connect", _prepare)
        _TABLES.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            if "constraint failed" in reason:  # another program wrote there, or deleted it, in this moment
                raise Refusal(
                    "session", f"the store was changed from elsewhere ({reason}); open the session again"
                ) from error
            raise Refusal("full", f"the store cannot be written: {reason}; free some space") from error

    # ── videos ───────────────────────────────────────────────────────────────────────────────────

    def add_video(self, record: VideoRecord) -> None:
        with self._begin() as connection:
            connection.execute(
                _VIDEOS.insert().values(
                    id=record.id,
                    file=record.file,
                    gallery=record.gallery,
                    facts=json.dumps(dict(record.facts)),
                    created=record.created,
                )
            )

    def video(self, video_id: str) -> VideoRecord:
        with self._begin() as connection:
            row = connection.execute(select(_VIDEOS).where(_VIDEOS.c.id == video_id)).first()
        if row is None:
            raise Refusal("missing", f"there is no video {video_id}; it may have been deleted")
        return _video(row)

    def videos(self, gallery: str | None = None) -> list[VideoRecord]:
        """All, newest first; or those of one gallery key."""
        wanted = select(_VIDEOS).order_by(_VIDEOS.c.created.desc())
        if gallery is not None:
            wanted = wanted.where(_VIDEOS.c.gallery == gallery)
        with self._begin() as connection:
            return [_video(row) for row in connection.execute(wanted)]

    def drop_video(self, video_id: str) -> None:
        with self._begin() as connection:
            connection.execute(_VIDEOS.delete().where(_VIDEOS.c.id == video_id))

    # ── sessions ─────────────────────────────────────────────────────────────────────────────────

    def add_session(self, session_id: str, video: str, name: str, most: int) -> SessionRecord:
        """A new session; raises Refusal when there are `most` already."""
        moment = now()
        with self._begin() as connection:
            count = connection.execute(select(func.count()).select_from(_SESSIONS)).scalar_one()
            if count >= most:
                raise Refusal("full", f"the server keeps {most} sessions at most; delete one first")
            connection.execute(
                _SESSIONS.insert().values(id=session_id, video=video, name=name, created=moment, used=moment)
            )
        return SessionRecord(session_id, video, name, moment, moment, {}, None)

    def session(self, session_id: str) -> SessionRecord:
        with self._begin() as connection:
            row = connection.execute(select(_SESSIONS).where(_SESSIONS.c.id == session_id)).first()
        if row is None:
            raise Refusal("missing", f"there is no session {session_id}; it may have been deleted")
        return _session(row)

    def sessions(self, video: str | None = None) -> list[SessionRecord]:
        """All, or those of one video, last used first."""
        wanted = select(_SESSIONS).order_by(_SESSIONS.c.used.desc())
        if video is not None:
            wanted = wanted.where(_SESSIONS.c.video == video)
        with self._begin() as connection:
            return [_session(row) for row in connection.execute(wanted)]

    def sessions_exist(self) -> bool:
        """Whether there are any; also tells whether the database answers and can be written."""
        with self._begin() as connection:
            connection.exec_driver_sql("PRAGMA user_version = 1")
            return connection.execute(select(_SESSIONS.c.id).limit(1)).first() is not None

    def rename(self, session_id: str, name: str) -> None:
        with self._begin() as connection:
            connection.execute(_SESSIONS.update().where(_SESSIONS.c.id == session_id).values(name=name))

    def look(self, session_id: str) -> MaskLook:
        """How a session's masks are shown; as usual until somebody says otherwise."""
        wanted = select(_LOOKS.c.opacity, _LOOKS.c.outline).where(_LOOKS.c.session == session_id)
        with self._begin() as connection:
            row = connection.execute(wanted).first()
        return MaskLook() if row is None else MaskLook(row.opacity, row.outline)

    def set_look(self, session_id: str, look: MaskLook) -> None:
        values = asdict(look)
        with self._begin() as connection:
            connection.execute(
                insert(_LOOKS)
                .values(session=session_id, **values)
                .on_conflict_do_update(index_elements=["session"], set_=values)
            )

    def drop_session(self, session_id: str) -> None:
        with self._begin() as connection:
            connection.execute(_SESSIONS.delete().where(_SESSIONS.c.id == session_id))

    # ── sittings ─────────────────────────────────────────────────────────────────────────────────

    def add_sitting(self, record: SittingRecord) -> None:
        with self._begin() as connection:
            connection.execute(_SITTINGS.insert().values(**asdict(record)))

    def sitting(self, session_id: str) -> SittingRecord | None:
        """What a session is drawn for; None when it is nobody's task."""
        with self._begin() as connection:
            row = connection.execute(select(_SITTINGS).where(_SITTINGS.c.session == session_id)).first()
        return None if row is None else SittingRecord(**row._mapping)

    def sittings(self, project: str, masklet: int, person: str) -> list[SittingRecord]:
        """A person's on one masklet."""
        columns = _SITTINGS.c
        wanted = select(_SITTINGS).where(
            columns.project == project, columns.masklet == masklet, columns.person == person
        )
        with self._begin() as connection:
            return [SittingRecord(**row._mapping) for row in connection.execute(wanted)]

    # ── checkpoints and changes ──────────────────────────────────────────────────────────────────

    def checkpoint(self, session_id: str, checkpoint: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Note that a file holds everything up to a change."""
        values = {"checkpoint": json.dumps(dict(checkpoint)), "summary": json.dumps(dict(summary))}
        with self._begin() as connection:
            connection.execute(
                _SESSIONS.update().where(_SESSIONS.c.id == session_id).values(used=now(), **values)
            )

    def add_change(self, session_id: str, number: int, change: Mapping[str, Any]) -> None:
        """Write one change down; numbers count from 1 without a gap."""
        moment = now()
        with self._begin() as connection:
            connection.execute(
                _CHANGES.insert().values(
                    session=session_id, number=number, change=json.dumps(dict(change)), made=moment
                )
            )
            connection.execute(_SESSIONS.update().where(_SESSIONS.c.id == session_id).values(used=moment))

    def changes(self, session_id: str, after: int = 0) -> list[tuple[int, dict[str, Any]]]:
        """Changes with a number above `after`, in order."""
        wanted = (
            select(_CHANGES.c.number, _CHANGES.c.change)
            .where(_CHANGES.c.session == session_id, _CHANGES.c.number > after)
            .order_by(_CHANGES.c.number)
        )
        with self._begin() as connection:
            return [(number, json.loads(change)) for number, change in connection.execute(wanted)]

    def made_changes(self, session_id: str) -> list[tuple[float, dict[str, Any]]]:
        """Every change of a session since it began, with when it was made, in seconds since 1970."""
        wanted = (
            select(_CHANGES.c.made, _CHANGES.c.change)
            .where(_CHANGES.c.session == session_id)
            .order_by(_CHANGES.c.number)
        )
        with self._begin() as connection:
            rows = connection.execute(wanted).all()
        return [(datetime.fromisoformat(row.made).timestamp(), json.loads(row.change)) for row in rows]


def _prepare(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA journal_mode=WAL")  # readers don't wait for the writer
    cursor.execute("PRAGMA synchronous=FULL")  # an answered change survives a power cut too
    cursor.close()


def _video(row: Any) -> VideoRecord:
    return VideoRecord(row.id, row.file, row.gallery, json.loads(row.facts), row.created)


def _session(row: Any) -> SessionRecord:
    checkpoint = json.loads(row.checkpoint) if row.checkpoint else None
    return SessionRecord(
        row.id, row.video, row.name, row.created, row.used, json.loads(row.summary or "{}"), checkpoint
    )
