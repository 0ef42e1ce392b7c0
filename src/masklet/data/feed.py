"""Batches of clips, made ahead by worker processes.

A batch is clips, or, with a share of them, single pictures (`StillShare`). Clip number n of a feed depends
on the seed and n alone: not on the number of workers, nor on where the feed was started. So a run can stop
after batch i and go on with `start=i + 1`.
"""

from __future__ import annotations

import multiprocessing
import queue
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import numpy as np

from masklet.data.clips import Clip
from masklet.data.mixing import ClipMaker
from masklet.data.problems import Problem, Problems
from masklet.errors import ConfigError, DataError

POLL_SECONDS = 0.5
"""How often a waiting feed looks whether its worker is still alive."""


@dataclass(frozen=True)
class StillShare:
    """Batches of single pictures among those of clips.

    maker   makes clips of one frame
    share   of all batches, 0 to 1; which ones they are depends on the seed and the batch's number
    batch   pictures a batch
    """

    maker: ClipMaker
    share: float
    batch: int


@dataclass(frozen=True)
class _Order:
    """What batches are made by, in every process alike."""

    maker: ClipMaker
    batch: int
    seed: int
    stills: StillShare | None

    def make(self, index: int) -> list[Clip]:
        stills = self.stills
        # A generator of its own: with or without stills, clip batches are the same.
        if stills is not None and np.random.default_rng([self.seed, index, 1]).random() < stills.share:
            return make_batch(stills.maker, self.seed, index, stills.batch)
        return make_batch(self.maker, self.seed, index, self.batch)

    def problems(self) -> list[Problem]:
        lists = [*self.maker.problems, *(self.stills.maker.problems if self.stills is not None else [])]
        return [problem for one in lists for problem in one]


class ClipFeed(Iterator[list[Clip]]):
    """An endless iterator of batches: lists of clips.

    synthesiser   makes the clips
    batch         clips a batch
    seed          with a clip's number, fixes the clip
    workers       processes that work ahead; 0 makes every batch when it is asked for
    start         number of the first batch
    ahead         batches each worker may have ready
    stills        batches of pictures among those of clips
    every, first  this feed gives batches first, first + every, … of all: one feed a process that trains
    `problems` collects what the workers could not use.
    Close it, or use it in a `with` statement. Workers also end with the process that started them.
    raises        DataError when a worker fails or dies; the message says why
    """

    def __init__(
        self,
        synthesiser: ClipMaker,
        *,
        batch: int,
        seed: int,
        workers: int = 0,
        start: int = 0,
        ahead: int = 4,
        stills: StillShare | None = None,
        every: int = 1,
        first: int = 0,
    ) -> None:
        for name, value, least in (
            ("batch", batch, 1),
            ("seed", seed, 0),
            ("workers", workers, 0),
            ("start", start, 0),
            ("ahead", ahead, 1),
            ("every", every, 1),
            ("first", first, 0),
        ):
            if value < least:
                raise ConfigError(f"{name} is {value}; give at least {least}")
        self.index = start
        self.problems = Problems()
        self._order = _Order(synthesiser, batch, seed, stills)
        self._every, self._first = every, first
        self._processes: list[Any] = []
        self._queues: list[Any] = []
        self._closed = False
        if workers:
            self._begin(workers, start, ahead)

    def __next__(self) -> list[Clip]:
        if self._closed:
            raise StopIteration
        if not self._processes:
            clips = self._order.make(self.index * self._every + self._first)
            self._learn(self._order.problems())
        else:
            clips = self._receive(self.index % len(self._processes))
        self.index += 1
        return clips

    def close(self) -> None:
        """End the workers. Harmless when called again."""
        self._closed = True
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
        for one in self._queues:
            one.close()
            one.cancel_join_thread()
        self._processes, self._queues = [], []

    def __enter__(self) -> ClipFeed:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, workers: int, start: int, ahead: int) -> None:
        # "spawn": a forked child of a process with threads (PyTorch, FFmpeg) may hang.
        context = multiprocessing.get_context("spawn")
        for number in range(workers):
            ready = context.Queue(maxsize=ahead)
            # Batch i comes from worker i mod n, so the order never depends on who is faster.
            first = start + (number - start) % workers
            process = context.Process(
                target=_work,
                args=(self._order, (self._every, self._first), first, workers, ready),
                daemon=True,
                name=f"clips-{number}",
            )
            process.start()
            self._processes.append(process)
            self._queues.append(ready)

    def _receive(self, worker: int) -> list[Clip]:
        while True:
            try:
                message = self._queues[worker].get(timeout=POLL_SECONDS)
            except queue.Empty:
                if not self._processes[worker].is_alive() and self._queues[worker].empty():
                    code = self._processes[worker].exitcode
                    self.close()
                    raise DataError(
                        f"clip worker {worker} ended with exit code {code} before batch {self.index}; "
                        "with workers=0 its error shows here"
                    ) from None
                continue
            if isinstance(message, str):
                self.close()
                raise DataError(f"clip worker {worker} failed at batch {self.index}: {message}")
            clips, problems = message
            self._learn(problems)
            return [_unpacked(clip) for clip in clips]

    def _learn(self, problems: list[Problem]) -> None:
        for problem in problems:
            self.problems.take(problem)


def make_batch(synthesiser: ClipMaker, seed: int, index: int, batch: int) -> list[Clip]:
    """Batch number `index`: clips index × batch … of the feed with this seed."""
    first = index * batch
    return [synthesiser.clip(np.random.default_rng([seed, number])) for number in range(first, first + batch)]


def _work(order: _Order, part: tuple[int, int], first: int, step: int, ready: Any) -> None:
    import signal

    import cv2

    # Ctrl-C reaches every process; the one that reads the feed decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    index = first
    every, offset = part
    told: set[Problem] = set()
    try:
        while True:
            clips = [_packed(clip) for clip in order.make(index * every + offset)]
            new = [problem for problem in order.problems() if problem not in told]
            if not _handed_over(ready, (clips, new)):
                return
            told.update(new)
            index += step
    except Exception as error:
        ready.put(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")


def _handed_over(ready: Any, message: tuple[list[_Packed], list[Problem]]) -> bool:
    """Wait for room in the queue; False when the reader was killed and will never make any."""
    parent = multiprocessing.parent_process()
    while True:
        try:
            ready.put(message, timeout=POLL_SECONDS)
        except queue.Full:
            if parent is not None and not parent.is_alive():
                ready.cancel_join_thread()
                return False
        else:
            return True


_Packed = tuple[np.ndarray, np.ndarray, tuple[int, ...]]


def _packed(clip: Clip) -> _Packed:
    """Eight mask pixels a byte: what goes through the pipe is mostly masks otherwise."""
    return clip.frames, np.packbits(clip.masks), clip.masks.shape


def _unpacked(packed: _Packed) -> Clip:
    frames, bits, shape = packed
    masks = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
    return Clip(frames, masks, np.asarray(masks.any(axis=(2, 3))))
