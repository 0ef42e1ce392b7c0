"""How training goes, on stderr: a line that lives on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import Progress, TaskID, TextColumn

OVER = 20
"""Steps that the figures are means of; without a terminal, also the steps between two lines."""


class Measured(Protocol):
    """What a step measured (`masklet.train.loop.Report`)."""

    @property
    def loss(self) -> float: ...
    @property
    def region(self) -> float: ...
    @property
    def occlusion_accuracy(self) -> float: ...


class Means:
    """Means over the last steps; None where nothing was measured.

    Seconds are from one step to the next, so reading clips and encoding them count.
    """

    def __init__(self) -> None:
        self._last: deque[Measured] = deque(maxlen=OVER)
        self._times: deque[float] = deque([time.perf_counter()], maxlen=OVER + 1)

    def add(self, report: Measured) -> None:
        self._last.append(report)
        self._times.append(time.perf_counter())

    @property
    def loss(self) -> float | None:
        return self._mean(lambda report: report.loss)

    @property
    def region(self) -> float | None:
        return self._mean(lambda report: report.region)

    @property
    def occlusion_accuracy(self) -> float | None:
        return self._mean(lambda report: report.occlusion_accuracy)

    @property
    def seconds(self) -> float | None:
        gaps = len(self._times) - 1
        return (self._times[-1] - self._times[0]) / gaps if gaps else None

    def _mean(self, of: Callable[[Measured], float]) -> float | None:
        # A step without a visible tracked object has no J: it is NaN.
        values = [value for report in self._last if not math.isnan(value := of(report))]
        return sum(values) / len(values) if values else None

    def __str__(self) -> str:
        return (
            f"loss {_shown(self.loss)}  J {_shown(self.region)}  "
            f"occlusion {_shown(self.occlusion_accuracy)}  {_shown(self.seconds)} s/step"
        )


class TrainingLine:
    """Call it with the step and the means; `stopping` says that Ctrl-C was heard."""

    def __init__(self, bar: Progress, task: TaskID, steps: int) -> None:
        self._bar, self._task, self._steps = bar, task, steps
        self._stopping = False

    def __call__(self, step: int, means: Means) -> None:
        left = _clock((self._steps - step) * (means.seconds or 0.0)) + " left"
        line = f"step {step}/{self._steps}  {means}  {'stopping …' if self._stopping else left}"
        self._bar.update(self._task, completed=step, description=line)
        if not self._bar.console.is_terminal and (step % OVER == 0 or step == self._steps):
            self._bar.console.print(line, soft_wrap=True, highlight=False)

    def stopping(self) -> None:
        self._stopping = True
        self._bar.update(self._task, description="stopping when this batch is done …")


@contextmanager
def training_line(steps: int, first: int, *, quiet: bool = False) -> Iterator[TrainingLine]:
    """Show how it goes while the block runs, from step `first` to `steps`; fits 80 columns.

    quiet   show nothing: one of several processes speaks for all
    """
    console = Console(stderr=True, quiet=quiet)
    text = TextColumn("{task.description}")
    with Progress(text, console=console, disable=not console.is_terminal) as bar:
        yield TrainingLine(
            bar, bar.add_task("preparing the first clips …", total=steps, completed=first), steps
        )


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
