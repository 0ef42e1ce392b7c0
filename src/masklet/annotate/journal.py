"""What happened: events of people and of the model, and the checkpoints that made masklets."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.project import Project
from masklet.annotate.records import Event
from masklet.evaluate import provenance


def new_key() -> str:
    """A name for an event that nobody else has."""
    return secrets.token_hex(16)


def note(
    connection: Connection,
    key: str,
    kind: str,
    *,
    at: float,
    masklet: int | None = None,
    person: int | None = None,
    frame: int | None = None,
    seconds: float = 0.0,
    clicks: int = 0,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an event down inside a transaction; one that is there already stays as it is."""
    table = schema.event
    if connection.execute(sa.select(table.c.id).where(table.c.key == key)).first() is not None:
        return
    connection.execute(
        sa.insert(table).values(
            key=key,
            kind=kind,
            masklet_id=masklet,
            person_id=person,
            frame=frame,
            seconds=seconds,
            clicks=clicks,
            at=at,
            detail=dict(detail or {}),
        )
    )


def record(project: Project, kind: str, **values: Any) -> None:
    """Write an event down on its own; values as `note` takes them."""
    key, at = new_key(), project.clock()
    project.database.write(lambda c: note(c, key, kind, at=at, **values))


def events(project: Project, masklet: int | None = None) -> tuple[Event, ...]:
    """Everything that happened, or all that happened to one masklet, in order."""
    table = schema.event
    query = (
        sa.select(table, schema.person.c.name.label("person"))
        .outerjoin(schema.person, schema.person.c.id == table.c.person_id)
        .order_by(table.c.id)
    )
    if masklet is not None:
        query = query.where(table.c.masklet_id == masklet)
    rows = project.database.read(lambda c: c.execute(query).all())
    return tuple(
        Event(r.kind, r.person, r.masklet_id, r.frame, r.seconds, r.clicks, r.at, r.detail) for r in rows
    )


def checkpoint(project: Project, model: str) -> int:
    """The id under which masklets remember a model: its name and the hash of its weights."""
    name, digest = _shown(project, model), weights_hash(model)
    table = schema.checkpoint
    wanted = sa.select(table.c.id).where(table.c.model == name, table.c.sha256 == digest)
    at = project.clock()

    def ensure(connection: Connection) -> int:
        found = connection.execute(wanted).scalar()
        if found is not None:
            return int(found)
        row = connection.execute(
            sa.insert(table).values(
                model=name, sha256=digest, parent_id=None, adopted=False, measured={}, at=at
            )
        )
        assert row.inserted_primary_key is not None
        return int(row.inserted_primary_key[0])

    try:
        return project.database.write(ensure)
    except sa.exc.IntegrityError:  # somebody else wrote it in this moment
        return project.database.write(ensure)


def note_training(
    project: Project, model: str, parent: int, measured: Mapping[str, Any], *, adopt: bool
) -> int:
    """Remember a trained model, what it was trained from and how it did; adopted, it is used from now on."""
    row = checkpoint(project, model)
    change = sa.update(schema.checkpoint).where(schema.checkpoint.c.id == row)
    shown = _shown(project, model)

    def write(connection: Connection) -> None:
        connection.execute(change.values(parent_id=parent, measured=dict(measured), adopted=adopt))
        if adopt:
            setting = schema.setting
            connection.execute(sa.update(setting).where(setting.c.name == "model").values(value=shown))

    project.database.write(write)
    return row


def weights_hash(model: str) -> str:
    """SHA-256 over a model's files; empty for one that has none on this machine."""
    files = provenance.checkpoint(model)["files"]
    if not files:
        return ""
    if len(files) == 1:
        return str(files[0]["sha256"])
    return hashlib.sha256("".join(file["sha256"] for file in files).encode()).hexdigest()


def _shown(project: Project, model: str) -> str:
    """A model trained in the project goes by its path within it."""
    try:
        return str(Path(model).resolve().relative_to(project.folder.resolve()))
    except ValueError:
        return model
