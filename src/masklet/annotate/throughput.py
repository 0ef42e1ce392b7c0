"""How much gets done: masklets handed in and verdicts given, day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import sqlalchemy as sa

from masklet.annotate import schema
from masklet.annotate.project import Project

DAYS = 14
"""How far back is looked, when nobody says."""


@dataclass(frozen=True)
class Day:
    """What people did on one day.

    day        as ISO 8601 writes it: 2026-11-24
    submitted  masklets that were handed in
    verdicts   verdict → how many were given
    """

    day: str
    submitted: int
    verdicts: Mapping[str, int]


def throughput(project: Project, *, days: int = DAYS, ahead: float = 0.0) -> tuple[Day, ...]:
    """The last days with today, oldest first; days without work are there too.

    ahead   seconds that the clocks of whoever asks are ahead of UTC: their midnight ends the day
    """
    zone = timezone(timedelta(seconds=ahead))
    today = datetime.fromtimestamp(project.clock(), zone).date()
    first = today - timedelta(days=days - 1)
    begins = datetime(first.year, first.month, first.day, tzinfo=zone).timestamp()
    table = schema.event
    query = sa.select(table.c.kind, table.c.at, table.c.detail).where(
        table.c.kind.in_(("submit", "verify")), table.c.at >= begins
    )
    submitted: Counter[str] = Counter()
    verdicts: dict[str, Counter[str]] = {}
    for row in project.database.read(lambda c: c.execute(query).all()):
        day = datetime.fromtimestamp(row.at, zone).date().isoformat()
        if row.kind == "submit":
            submitted[day] += 1
        else:
            verdicts.setdefault(day, Counter())[row.detail.get("verdict", "")] += 1
    dates = [(first + timedelta(days=n)).isoformat() for n in range(days)]
    return tuple(Day(date, submitted[date], dict(verdicts.get(date, {}))) for date in dates)
