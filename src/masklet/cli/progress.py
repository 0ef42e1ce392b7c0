"""Progress on stderr: a bar with frames a second and the time left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

REMEMBERED_SECONDS = 10.0
"""The rate is a mean over this long, so it follows a video whose objects come and go."""


class RateColumn(ProgressColumn):
    """Frames, or what else is counted, a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {self._unit}" if speed else f"– {self._unit}", style="cyan")


class Show(Protocol):
    """Call it with what is done (parts count), what there is in all, and what is being done now."""

    def __call__(self, done: float, total: int, what: str | None = None) -> None: ...


@contextmanager
def progress_bar(description: str, unit: str = "fps") -> Iterator[Show]:
    """Show a bar while the block runs; gives the function to call with (done, total).

    On a stderr that is no terminal only the finished line is written.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=REMEMBERED_SECONDS) as bar:
        task = bar.add_task(description, total=None)

        def show(done: float, total: int, what: str | None = None) -> None:
            bar.update(task, completed=done, total=total, description=what or description)

        yield show
