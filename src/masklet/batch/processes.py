"""Rows on one machine: worker processes that each hold one model and are handed one row after another.

A worker that dies or hangs costs the row it was at, and nothing else: another takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from masklet.batch.job import Job
from masklet.batch.ledger import Result, RowFiles
from masklet.batch.manifest import Row
from masklet.errors import MaskletError

LOOK_SECONDS = 0.5
"""How often the parent looks at its clock and at `stop` while nobody reports."""


@dataclass(eq=False)
class _Worker:
    """A process, the parent's end of its pipe, the row it is at and when that must be over."""

    process: Any
    pipe: Connection
    ready: bool = False
    files: RowFiles | None = None
    deadline: float | None = None

    def give(self, files: RowFiles) -> None:
        limit = files.job.time_limit
        self.files = files
        self.deadline = None if limit is None else time.monotonic() + limit
        with suppress(ConnectionError):  # it has just died, which the parent will hear
            self.pipe.send(files.row)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()


def run(rows: Sequence[Row], job: Job, stop: threading.Event, *, workers: int) -> Iterator[Result]:
    """Do every row; results come as they are done. Setting `stop` ends it, and what is done stays.

    raises   MaskletError when the model cannot be opened
    """
    if rows:
        yield from _Pool(rows, job, min(workers, len(rows))).results(stop)


class _Pool:
    def __init__(self, rows: Sequence[Row], job: Job, workers: int) -> None:
        self.job = job
        self.waiting = deque(RowFiles.of(job, row) for row in rows)
        self.deaths: Counter[str] = Counter()
        self.size = workers
        self.workers: list[_Worker] = []

    def results(self, stop: threading.Event) -> Iterator[Result]:
        try:
            while not stop.is_set() and (self.waiting or any(w.files for w in self.workers)):
                self._fill()
                for ready in wait([w.pipe for w in self.workers], timeout=self._patience()):
                    worker = next(w for w in self.workers if w.pipe is ready)
                    if (result := self._heard(worker)) is not None:
                        yield result
                for worker in list(self.workers):
                    if worker.files and worker.deadline is not None and time.monotonic() >= worker.deadline:
                        yield self._too_long(worker)
        finally:
            for worker in self.workers:
                worker.end()

    def _fill(self) -> None:
        """Rows for those who have none, and as many workers as there is work for."""
        for worker in self.workers:
            if worker.ready and worker.files is None and self.waiting:
                worker.give(self.waiting.popleft())
        idle = sum(1 for w in self.workers if w.files is None)
        while len(self.workers) < self.size and idle < len(self.waiting):
            self.workers.append(_started(self.job, self.size))
            idle += 1

    def _patience(self) -> float:
        deadlines = [w.deadline for w in self.workers if w.deadline is not None]
        left = min(deadlines, default=time.monotonic() + LOOK_SECONDS) - time.monotonic()
        return min(max(left, 0.0), LOOK_SECONDS)

    def _heard(self, worker: _Worker) -> Result | None:
        """What a worker says: that it is ready, that it cannot start, a result, or nothing any more."""
        try:
            kind, content = worker.pipe.recv()
        except (EOFError, OSError):
            return self._died(worker)
        if kind == "end":
            # A model that cannot be opened, outputs that cannot be written: no fault of a row.
            raise MaskletError(content)
        done = content if kind == "result" else None
        worker.ready, worker.files, worker.deadline = True, None, None
        return done

    def _died(self, worker: _Worker) -> Result | None:
        self.workers.remove(worker)
        worker.end()
        files, how = worker.files, _ending(worker.process.exitcode)
        if files is None:
            if worker.ready:
                return None
            raise MaskletError(
                f"a worker process died while it opened the model ({how}); try it in one process"
            )
        self.deaths[files.key] += 1
        times = self.deaths[files.key]
        if times <= self.job.retries:
            self.waiting.append(files)  # behind the others, which it may not take along
            return None
        return files.fail(died(how, times))

    def _too_long(self, worker: _Worker) -> Result:
        self.workers.remove(worker)
        worker.end()
        assert worker.files is not None
        return worker.files.fail(too_long(self.job.time_limit or 0.0))


def died(how: str, times: int) -> str:
    """What is said of a row whose worker died."""
    again = f", {times} times" if times > 1 else ""
    return f"its worker process died ({how}){again}; check the video, and the memory of the machine"


def too_long(limit: float) -> str:
    """What is said of a row that was stopped."""
    return f"it took longer than {limit:g} s; give more time with --time-limit, or a shorter range"


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        with suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def _started(job: Job, workers: int) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    threads = max(1, (os.cpu_count() or 1) // workers)
    process = context.Process(target=_serve, args=(job, threads, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _serve(job: Job, threads: int, pipe: Connection) -> None:
    """A worker: opens its model, then takes rows and gives results until the pipe ends."""
    from masklet.batch.whole import work

    # Ctrl-C reaches all processes of a terminal; what to do about it is the parent's to say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Processes that each use every core slow one another down; this must be set before torch is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with suppress(EOFError, ConnectionError):  # the parent has gone
        try:
            model = job.model.load()
            pipe.send(("ready", None))
            while True:
                pipe.send(("result", work(RowFiles.of(job, pipe.recv()), model)))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            pipe.send(
                ("end", str(error) if isinstance(error, MaskletError) else f"{type(error).__name__}: {error}")
            )
