"""What drawing a masklet records, whoever drives it: `Work` as it goes, or a round handed in whole.

A round is everything a person did to a masklet from taking it up to handing it in. `Work` writes each prompt
when it is given. The studio draws in a session of its own, which is as safe, and hands the round in at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.journal import new_key, note
from masklet.annotate.masklets import Kept, get, masks, prompt_to, store_masks
from masklet.annotate.project import Project
from masklet.annotate.records import Entry, Task
from masklet.annotate.tasks import LEASE, extend
from masklet.errors import ProjectError
from masklet.types import Prompt

if TYPE_CHECKING:
    from masklet.predict.session import VideoSession


@dataclass(frozen=True)
class Given:
    """A prompt on a frame, and when it was given, in seconds since 1970."""

    frame: int
    prompt: Prompt
    at: float


@dataclass(frozen=True)
class Round:
    """What a person did to a masklet.

    edits     all prompts, those that were taken back too: they cost their time and clicks
    prompts   those that stand, in the order they were given
    cleared   frames whose earlier prompts, of this or another round, stand no more
    masks     frame → mask, where they are new
    gone      frames whose masks of an earlier round are none any more
    category  what the object is, where the person said it anew
    """

    edits: tuple[tuple[int, int, float], ...]
    prompts: tuple[Given, ...]
    cleared: frozenset[int]
    masks: Mapping[int, Kept]
    gone: frozenset[int] = frozenset()
    category: str | None = None


def hand_in(
    project: Project,
    task: Task,
    done: Round,
    *,
    key: str,
    since: int,
    checkpoint: int,
    seconds: float = 0.0,
    phase: int = 3,
    lease: float = LEASE,
) -> Entry:
    """Write a whole round into the store and hand the masklet in, all at once or not at all.

    key         of the round: handed in again under the same, it counts once
    since       what `latest` gave when the round was begun
    checkpoint  that made the masks
    seconds     of the person's time, over the whole round
    raises      ProjectError when somebody else holds the masklet, or changed it since, or it shows nothing;
                the store is as it was then
    """
    who, masklet_id, at = project.person(task.person), task.entry.id, project.clock()
    keys = [new_key() for _ in done.edits]
    if was_handed_in(project, key):
        return get(project, masklet_id)
    if not _shows_something(project, masklet_id, done):
        raise ProjectError(f"masklet {masklet_id} has no mask yet; prompt it first")

    def write(connection: Connection) -> None:
        if _is_noted(connection, key):
            return
        extend(connection, masklet_id, who, at, at + lease)
        if _latest(connection, masklet_id) != since:
            raise ProjectError(
                f"masklet {masklet_id} was changed by somebody since you began; take it up again as it is now"
            )
        for table, frames in ((schema.prompt, done.cleared), (schema.mask, done.gone)):
            connection.execute(
                sa.delete(table).where(table.c.masklet_id == masklet_id, table.c.frame.in_(sorted(frames)))
            )
        for given in done.prompts:
            write_prompt(connection, masklet_id, who.id, given)
        for name, (frame, clicks, moment) in zip(keys, done.edits, strict=True):
            note_prompt(connection, name, masklet_id, who.id, frame, clicks, moment, phase)
        if done.masks or done.gone:
            store_masks(connection, masklet_id, done.masks, checkpoint if done.masks else None)
        if done.category is not None:
            row = sa.update(schema.masklet).where(schema.masklet.c.id == masklet_id)
            connection.execute(row.values(category=done.category))
        submit(connection, masklet_id, who.id, key, at, phase, seconds)

    project.database.write(write)
    return get(project, masklet_id)


def latest(project: Project, masklet_id: int) -> int:
    """A number that rises with everything anybody does to a masklet; 0 before."""
    return project.database.read(lambda c: _latest(c, masklet_id))


def was_handed_in(project: Project, key: str) -> bool:
    """Whether the round of this key is in the store."""
    return project.database.read(lambda c: _is_noted(c, key))


# ── going on from what the store has ─────────────────────────────────────────────────────────────


def starting_frames(kept: Mapping[int, Kept]) -> tuple[int, ...]:
    """The frames whose masks a session starts from.

    Those that a person saw; where nobody saw any, the one of the largest mask. None without any mask.
    """
    visible = {t: one.mask for t, one in kept.items() if not one.mask.is_empty}
    if not visible:
        return ()
    seen = [t for t in visible if kept[t].prompted]
    absent = [t for t, one in kept.items() if one.prompted and one.mask.is_empty]
    return (*(seen or [max(visible, key=lambda t: visible[t].area)]), *absent)


def recall(session: VideoSession, number: int, kept: Mapping[int, Kept]) -> None:
    """Give a session the frames it starts from; they come out exactly as they were seen."""
    for t in starting_frames(kept):
        if kept[t].mask.is_empty:
            session.pin(t, number, kept[t].mask)
        else:
            session.prompt(t, number, mask=kept[t].mask)


def build_on(session: VideoSession, number: int, frame: int, stored: Kept | None) -> bool:
    """Before a correction: give the session the mask of an earlier sitting that the person sees there.

    returns   whether there was one that the session did not know
    """
    if stored is None or stored.mask.is_empty or frame in session.prompts.get(number, {}):
        return False
    if number in session.objects and number in session.masks(frame).masks:
        return False
    session.prompt(frame, number, mask=stored.mask)
    return True


# ── inside a transaction ─────────────────────────────────────────────────────────────────────────


def write_prompt(connection: Connection, masklet_id: int, person_id: int, given: Given) -> None:
    """A prompt after those that are there."""
    table = schema.prompt
    top = sa.select(sa.func.max(table.c.step)).where(table.c.masklet_id == masklet_id)
    step = connection.execute(top).scalar()
    connection.execute(
        sa.insert(table).values(
            masklet_id=masklet_id,
            step=0 if step is None else step + 1,
            frame=given.frame,
            content=prompt_to(given.prompt),
            person_id=person_id,
            at=given.at,
        )
    )


def note_prompt(
    connection: Connection,
    key: str,
    masklet_id: int,
    person_id: int,
    frame: int,
    clicks: int,
    at: float,
    phase: int,
    seconds: float = 0.0,
) -> None:
    """What a prompt cost: the statistics are made of these."""
    note(
        connection,
        key,
        "prompt",
        at=at,
        masklet=masklet_id,
        person=person_id,
        frame=frame,
        seconds=seconds,
        clicks=clicks,
        detail={"phase": phase},
    )


def submit(
    connection: Connection, masklet_id: int, person_id: int, key: str, at: float, phase: int, seconds: float
) -> None:
    """The masklet waits for verification, and nobody holds it."""
    table = schema.masklet
    row = sa.update(table).where(table.c.id == masklet_id)
    connection.execute(row.values(status="submitted", rounds=table.c.rounds + 1, phase=phase))
    connection.execute(sa.delete(schema.lease).where(schema.lease.c.masklet_id == masklet_id))
    note(connection, key, "submit", at=at, masklet=masklet_id, person=person_id, seconds=seconds)


def _latest(connection: Connection, masklet_id: int) -> int:
    table = schema.event
    query = sa.select(sa.func.max(table.c.id)).where(table.c.masklet_id == masklet_id)
    return int(connection.execute(query).scalar() or 0)


def _is_noted(connection: Connection, key: str) -> bool:
    table = schema.event
    return connection.execute(sa.select(table.c.id).where(table.c.key == key)).first() is not None


def _shows_something(project: Project, masklet_id: int, done: Round) -> bool:
    if any(not kept.mask.is_empty for kept in done.masks.values()):
        return True
    left = masks(project, masklet_id).items()
    return any(not kept.mask.is_empty for t, kept in left if t not in done.masks and t not in done.gone)
