"""Who may use the model next: worker threads that own one model each and take single steps, fairly.

Every session has a lane; a lane belongs to one worker for good, so a session is only ever touched by one
thread. A lane holds questions (a click, a change: short, somebody waits) and at most one run (tracking: a
step is one frame). Lanes take turns; questions go first, but after a few of them a run gets its step, so
that nobody's clicking stops anybody's tracking.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from masklet.predict.segmenter import Segmenter
from masklet.server.problems import Refusal

log = logging.getLogger(__name__)

QUESTIONS_IN_A_ROW = 4
"""After so many questions, a run that waits gets a step."""

Question = Callable[[Segmenter], Any]
RunStep = Callable[[], bool]
"""Does one step; returns whether it wants another."""


@dataclass(eq=False)
class Lane:
    """One session's place in the queue. Only the scheduler touches its fields.

    hover   the newest question whose answer only matters while it is the newest
    """

    worker: Worker
    questions: deque[tuple[Question, Future[Any]]] = field(default_factory=deque)
    hover: tuple[Question, Future[Any]] | None = None
    run: RunStep | None = None

    def ask(self, question: Question, *, most: int) -> Future[Any]:
        """Put a question; raises Refusal when `most` are waiting already."""
        with self.worker.changed:
            self.worker.check_open()
            if len(self.questions) >= most:
                raise Refusal("busy", f"{most} requests of this session are waiting; slow down")
            answer: Future[Any] = Future()
            self.questions.append((question, answer))
            self.worker.wake(self)
        return answer

    def ask_hover(self, question: Question) -> Future[Any]:
        """Put a question that replaces the one before it, if that still waits."""
        with self.worker.changed:
            self.worker.check_open()
            old, answer = self.hover, Future[Any]()
            self.hover = (question, answer)
            self.worker.wake(self)
        if old is not None and old[1].set_running_or_notify_cancel():
            old[1].set_exception(Refusal("superseded", "a newer preview was asked for"))
        return answer

    def start(self, run: RunStep) -> None:
        """Begin, or go on with, a run; there is none at the moment."""
        with self.worker.changed:
            self.worker.check_open()
            self.run = run
            self.worker.wake(self)

    def stop(self) -> None:
        """Take no further step of the run; one that has begun is finished."""
        with self.worker.changed:
            self.run = None


class Worker:
    """One thread with one model.

    load   opens the model, in the thread
    """

    def __init__(self, number: int, load: Callable[[], Segmenter]) -> None:
        self.changed = threading.Condition()
        self.model: Segmenter | None = None
        self.failure: str | None = None
        self.steps = self.answered = 0
        self._load = load
        self._asking: OrderedDict[Lane, None] = OrderedDict()
        self._running: OrderedDict[Lane, None] = OrderedDict()
        self._in_a_row = 0
        self._closed = False
        self._thread = threading.Thread(target=self._live, name=f"model-{number}", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive() and self.failure is None

    @property
    def load_factor(self) -> int:
        """How many lanes wait for it."""
        return len(self._asking) + len(self._running)

    def check_open(self) -> None:
        if self._closed:
            raise Refusal("draining", "the server is shutting down; try again in a moment")
        if self.failure is not None:
            raise Refusal("busy", f"the model could not be opened: {self.failure}")

    def wake(self, lane: Lane) -> None:
        """Note that a lane has work; called with `changed` held."""
        if lane.questions or lane.hover:
            self._asking.setdefault(lane)
        if lane.run is not None:
            self._running.setdefault(lane)
        self.changed.notify()

    def close(self, timeout: float | None = None) -> None:
        """Answer what was asked, take no further step of any run, and end the thread."""
        with self.changed:
            self._closed = True
            self.changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _live(self) -> None:
        try:
            self.model = self._load()
        except Exception as error:
            log.exception("a model could not be opened")
            self.failure = " ".join(str(error).split())
            self._refuse_all()
            return
        while True:
            with self.changed:
                task = self._next()
                while task is None:
                    if self._closed:
                        return
                    self.changed.wait()
                    task = self._next()
            try:
                task()
            except Exception:  # a task answers for itself; this keeps the thread whatever happens
                log.exception("a task of the model's thread failed")
            task = None  # what it held may be large

    def _next(self) -> Callable[[], None] | None:
        """What to do now; called with `changed` held."""
        run = None if self._closed else self._next_run()
        if run is not None and (not self._asking or self._in_a_row >= QUESTIONS_IN_A_ROW):
            self._in_a_row = 0
            self._running.move_to_end(run)
            return lambda: self._step(run)
        if not self._asking:
            return None
        lane, _ = self._asking.popitem(last=False)
        self._in_a_row += 1
        if lane.questions:
            question, answer = lane.questions.popleft()
        else:
            assert lane.hover is not None
            (question, answer), lane.hover = lane.hover, None
        if lane.questions or lane.hover:
            self._asking[lane] = None
        return lambda: self._answer(question, answer)

    def _next_run(self) -> Lane | None:
        while self._running:
            lane = next(iter(self._running))
            if lane.run is not None:
                return lane
            del self._running[lane]
        return None

    def _step(self, lane: Lane) -> None:
        run = lane.run
        if run is None:
            return
        self.steps += 1
        more = False
        try:
            more = run()
        finally:
            with self.changed:
                if not more and lane.run is run:
                    lane.run = None

    def _answer(self, question: Question, answer: Future[Any]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        self.answered += 1
        assert self.model is not None
        try:
            answer.set_result(question(self.model))
        except BaseException as error:
            answer.set_exception(error)

    def _refuse_all(self) -> None:
        with self.changed:
            lanes, self._asking = list(self._asking), OrderedDict()
            waiting = [q for lane in lanes for q in (*lane.questions, *([lane.hover] if lane.hover else []))]
            for lane in lanes:
                lane.questions.clear()
                lane.hover = None
        for _, answer in waiting:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(Refusal("busy", f"the model could not be opened: {self.failure}"))


class Scheduler:
    """All workers, and which of them gets a new lane."""

    def __init__(self, loads: Sequence[Callable[[], Segmenter]]) -> None:
        self.workers = [Worker(number, load) for number, load in enumerate(loads)]
        self._lanes = [0] * len(self.workers)

    def begin(self) -> None:
        for worker in self.workers:
            worker.begin()

    def lane(self) -> Lane:
        """A lane at the worker that has the fewest."""
        number = min(range(len(self.workers)), key=lambda n: self._lanes[n])
        self._lanes[number] += 1
        return Lane(self.workers[number])

    def give_back(self, lane: Lane) -> None:
        self._lanes[self.workers.index(lane.worker)] -= 1

    @property
    def state(self) -> str:
        """starting, ok or failed."""
        if any(worker.failure is not None for worker in self.workers):
            return "failed"
        if any(worker.model is None for worker in self.workers):
            return "starting"
        return "ok" if all(worker.is_alive for worker in self.workers) else "failed"

    def close(self, timeout: float | None = None) -> None:
        for worker in self.workers:
            worker.close(timeout)
