"""What was wrong with a data set, item by item: bad data is skipped and counted, never fatal or silent."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """One item that could not be used.

    item     what it was: a file or an annotation, by name
    reason   short and the same for all problems of a kind, so that they can be counted
    detail   the particulars
    """

    item: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.item}: {self.reason}" + (f" ({self.detail})" if self.detail else "")


class Problems:
    """A growing list of problems; the same item and reason is listed once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], Problem] = {}

    def add(self, item: str, reason: str, detail: str = "") -> None:
        """Note one; the first time it is also logged as a warning."""
        if (item, reason) not in self._seen:
            problem = Problem(item, reason, detail)
            self._seen[item, reason] = problem
            log.warning("skipped %s", problem)

    def take(self, problem: Problem) -> bool:
        """Note one that was found elsewhere, without logging it again; whether it is new."""
        new = (problem.item, problem.reason) not in self._seen
        self._seen.setdefault((problem.item, problem.reason), problem)
        return new

    def counts(self) -> dict[str, int]:
        """reason → how often."""
        return dict(Counter(problem.reason for problem in self._seen.values()))

    def __iter__(self) -> Iterator[Problem]:
        return iter(list(self._seen.values()))

    def __len__(self) -> int:
        return len(self._seen)

    def __str__(self) -> str:
        return ", ".join(f"{count} × {reason}" for reason, count in self.counts().items()) or "no problems"
