"""Running a protocol over many videos: in one process or several, resumable, and never stopped by one.

Each worker process loads its model once and is handed one name after another, so a worker that dies
loses one video and nothing else: another takes its place.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from masklet.errors import MaskletError
from masklet.evaluate.journal import Journal
from masklet.evaluate.results import SequenceScore

log = logging.getLogger(__name__)


class Work(Protocol):
    """What is done to one video. It is sent to the workers, so it must pickle until it is started."""

    def start(self, worker: int) -> None:
        """Load what is needed, once a process; `worker` counts the processes from 0."""
        ...

    def __call__(self, name: str) -> SequenceScore:
        """Measure one video."""
        ...


def run(
    names: Sequence[str], work: Work, *, processes: int = 1, journal: Journal | None = None
) -> Iterator[SequenceScore]:
    """Measure every video; scores come as they are done, those of an earlier run first.

    A video that fails gives a score with `error`. It is tried again when the run is repeated.
    """
    old = journal.rows if journal is not None else {}
    done = {name: SequenceScore.from_row(old[name]) for name in names if name in old}
    done = {name: score for name, score in done.items() if score.error is None}
    yield from done.values()
    left = [name for name in names if name not in done]
    results = _alone(left, work) if processes <= 1 or len(left) <= 1 else _together(left, work, processes)
    for score in results:
        if journal is not None:
            journal.add(score.name, score.to_row())
        yield score


def _alone(names: Sequence[str], work: Work) -> Iterator[SequenceScore]:
    if names:
        work.start(0)
    for name in names:
        yield _measure(work, name)


def _measure(work: Work, name: str) -> SequenceScore:
    try:
        return work(name)
    except MaskletError as error:
        return SequenceScore(name, error=str(error))
    except Exception as error:
        # One broken video must not cost the others; the trace goes to the log.
        log.exception("sequence %s failed", name)
        return SequenceScore(name, error=f"{type(error).__name__}: {error}")


def _together(names: Sequence[str], work: Work, processes: int) -> Iterator[SequenceScore]:
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(names))
    busy: dict[Connection, tuple[Any, int, str]] = {}
    threads = max(1, (os.cpu_count() or 1) // processes)

    def employ(number: int) -> None:
        """Start a worker and hand it its first video."""
        ours, theirs = context.Pipe()
        worker = context.Process(target=_serve, args=(work, number, threads, theirs), daemon=True)
        worker.start()
        theirs.close()
        busy[ours] = (worker, number, waiting.pop())
        ours.send(busy[ours][2])

    try:
        for number in range(min(processes, len(names))):
            employ(number)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                worker, number, name = busy.pop(ready)
                try:
                    row = ready.recv()
                except EOFError:
                    worker.join()
                    yield SequenceScore(name, error=f"its worker process died (exit code {worker.exitcode})")
                    if waiting:
                        employ(number)
                    continue
                if isinstance(row, str):
                    raise MaskletError(row)
                if waiting:
                    busy[ready] = (worker, number, waiting.pop())
                    ready.send(busy[ready][2])
                else:
                    ready.send(None)
                yield SequenceScore.from_row(row)
    finally:
        for worker, _, _ in busy.values():
            worker.terminate()


def _serve(work: Work, number: int, threads: int, pipe: Connection) -> None:
    """A worker: takes names and gives rows until it is sent None."""
    # Processes that each use every core slow one another down; this must be set before torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        try:
            work.start(number)
        except Exception as error:
            # A model that cannot be loaded is no fault of a video: the text tells the parent to stop.
            pipe.send(str(error) if isinstance(error, MaskletError) else f"{type(error).__name__}: {error}")
            return
        while (name := pipe.recv()) is not None:
            pipe.send(_measure(work, name).to_row())
    except (EOFError, KeyboardInterrupt):
        return
