"""Verification by another person, and how far people agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.journal import new_key, note
from masklet.annotate.masklets import get, masks
from masklet.annotate.project import Project
from masklet.annotate.records import REASONS, VERDICTS, Entry, Review, Task
from masklet.annotate.tasks import extend
from masklet.errors import ConfigError, ProjectError


def judge(
    project: Project,
    task: Task,
    verdict: str,
    *,
    reasons: Iterable[str] = (),
    words: str = "",
    seconds: float = 0.0,
) -> Entry:
    """Give a verdict on a task held for verification, and let go of it.

    verdict   satisfactory; unsatisfactory goes back to refinement; rejected is never asked about again
    reasons   of REASONS; anything but satisfactory needs one
    words     to the annotator, free
    seconds   that the review took
    raises    ConfigError for an unknown verdict or reason, ProjectError when the task is not held any more

    A second opinion that differs overrules: in doubt it is done again.
    """
    if task.duty != "verify":
        raise ProjectError(f"masklet {task.entry.id} was claimed to {task.duty}; claim it to verify")
    given = tuple(dict.fromkeys(reasons))
    check(verdict, given)
    who, key, at = project.person(task.person), new_key(), project.clock()
    table = schema.masklet

    def write(connection: Connection) -> None:
        extend(connection, task.entry.id, who, at, at)
        rounds = connection.execute(sa.select(table.c.rounds).where(table.c.id == task.entry.id)).scalar()
        connection.execute(
            sa.insert(schema.review).values(
                masklet_id=task.entry.id,
                round=rounds,
                person_id=who.id,
                verdict=verdict,
                reasons=list(given),
                note=words,
                at=at,
            )
        )
        connection.execute(sa.update(table).where(table.c.id == task.entry.id).values(status=verdict))
        connection.execute(sa.delete(schema.lease).where(schema.lease.c.masklet_id == task.entry.id))
        detail = {"verdict": verdict, "reasons": list(given)}
        note(
            connection,
            key,
            "verify",
            at=at,
            masklet=task.entry.id,
            person=who.id,
            seconds=seconds,
            detail=detail,
        )

    project.database.write(write)
    return get(project, task.entry.id)


def reviews(project: Project, masklet: int | None = None) -> tuple[Review, ...]:
    """All verdicts, or those on one masklet, in order."""
    table = schema.review
    query = sa.select(table, schema.person.c.name.label("name")).join(
        schema.person, schema.person.c.id == table.c.person_id
    )
    if masklet is not None:
        query = query.where(table.c.masklet_id == masklet)
    rows = project.database.read(lambda c: c.execute(query.order_by(table.c.at, table.c.person_id)).all())
    return tuple(
        Review(r.masklet_id, r.name, r.verdict, tuple(r.reasons), r.note, r.round, r.at) for r in rows
    )


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers of the same masklets agree.

    pairs   of verdicts on the same round of a masklet by two people
    same    share of pairs that agree, 0 to 1
    kappa   Cohen's: 1 is full agreement, 0 what chance gives; None when chance alone would always agree
    """

    pairs: int
    same: float | None
    kappa: float | None


def agreement(given: Iterable[Review]) -> Agreement:
    """Agreement over everything that two people judged. Who is "first" of a pair goes by name."""
    by_round: dict[tuple[int, int], list[Review]] = {}
    for review in given:
        by_round.setdefault((review.masklet, review.round), []).append(review)
    pairs: list[tuple[str, str]] = []
    for found in by_round.values():
        ordered = sorted(found, key=lambda r: r.person)
        pairs += [(a.verdict, b.verdict) for k, a in enumerate(ordered) for b in ordered[k + 1 :]]
    if not pairs:
        return Agreement(0, None, None)
    same = sum(a == b for a, b in pairs) / len(pairs)
    chance = sum(
        sum(a == v for a, _ in pairs) * sum(b == v for _, b in pairs) / len(pairs) ** 2 for v in VERDICTS
    )
    return Agreement(len(pairs), same, None if chance >= 1 else (same - chance) / (1 - chance))


def mask_agreement(project: Project, one: int, other: int) -> float:
    """Mean IoU of two masklets, over frames where both have a mask: two people's drawings of one object.

    raises   ProjectError when they have no frame in common
    """
    first, second = masks(project, one), masks(project, other)
    shared = sorted(first.keys() & second.keys())
    if not shared or get(project, one).video != get(project, other).video:
        raise ProjectError(f"masklets {one} and {other} have no frame in common")
    return sum(first[t].mask.iou(second[t].mask) for t in shared) / len(shared)


def check(verdict: str, reasons: Sequence[str]) -> None:
    """Raise ConfigError for an unknown verdict or reason, or where a reason is missing."""
    if verdict not in VERDICTS:
        raise ConfigError(f"verdict {verdict!r} is unknown; give {', '.join(VERDICTS)}")
    unknown = [reason for reason in reasons if reason not in REASONS]
    if unknown:
        raise ConfigError(f"reason {unknown[0]!r} is unknown; give {', '.join(REASONS)}")
    if verdict != "satisfactory" and not reasons:
        raise ConfigError(f"{verdict} needs a reason: {', '.join(REASONS)}")
