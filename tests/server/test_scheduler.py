"""Whose turn it is: single steps in turn, questions first, and nobody starves."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from fakes import FakeEngine
from masklet.predict.segmenter import Segmenter
from masklet.server.problems import Refusal
from masklet.server.scheduler import QUESTIONS_IN_A_ROW, Scheduler

WAIT = 60


@pytest.fixture
def scheduler() -> Any:
    made = Scheduler([lambda: Segmenter(FakeEngine())])
    made.begin()
    yield made
    made.close(WAIT)


def held(scheduler: Scheduler) -> threading.Event:
    """Keep the worker busy until the event is set, so that what follows is queued."""
    begun, go_on = threading.Event(), threading.Event()

    def block(_: Segmenter) -> None:
        begun.set()
        go_on.wait(WAIT)

    scheduler.lane().ask(block, most=1)
    assert begun.wait(WAIT)
    return go_on


def test_runs_take_turns_step_by_step(scheduler: Scheduler) -> None:
    order: list[str] = []
    over = threading.Event()
    go_on = held(scheduler)

    def run(name: str, steps: int) -> Any:
        def step() -> bool:
            order.append(name)
            over.set() if len(order) == 9 else None
            return order.count(name) < steps

        return step

    for name in "abc":
        scheduler.lane().start(run(name, 3))
    go_on.set()
    assert over.wait(WAIT)
    assert order == list("abcabcabc")


def test_questions_go_first_but_a_run_is_not_starved(scheduler: Scheduler) -> None:
    order: list[str] = []
    go_on = held(scheduler)
    tracking, busy = scheduler.lane(), scheduler.lane()
    tracking.start(lambda: order.append("step") or len(order) < 100)
    answers = [busy.ask(lambda _: order.append("question"), most=99) for _ in range(12)]
    go_on.set()
    for answer in answers:
        answer.result(WAIT)
    tracking.stop()
    last = len(order) - 1 - order[::-1].index("question")
    asked = [k for k, what in enumerate(order[: last + 1]) if what == "question"]
    steps = order[:last].count("step")
    assert len(asked) == 12
    assert 12 // QUESTIONS_IN_A_ROW - 1 <= steps <= 12 // QUESTIONS_IN_A_ROW + 1


def test_sessions_that_ask_much_don_t_hold_up_one_that_asks_little(scheduler: Scheduler) -> None:
    order: list[str] = []
    go_on = held(scheduler)
    greedy, modest = scheduler.lane(), scheduler.lane()
    for _ in range(20):
        greedy.ask(lambda _: order.append("greedy"), most=99)
    answer = modest.ask(lambda _: order.append("modest"), most=99)
    go_on.set()
    answer.result(WAIT)
    assert order.index("modest") <= 1


def test_only_the_newest_hover_is_answered(scheduler: Scheduler) -> None:
    lane = scheduler.lane()
    go_on = held(scheduler)
    old, new = lane.ask_hover(lambda _: "old"), lane.ask_hover(lambda _: "new")
    go_on.set()
    assert new.result(WAIT) == "new"
    with pytest.raises(Refusal) as refused:
        old.result(WAIT)
    assert refused.value.code == "superseded"


def test_too_many_questions_are_refused(scheduler: Scheduler) -> None:
    lane = scheduler.lane()
    go_on = held(scheduler)
    lane.ask(lambda _: None, most=1)
    with pytest.raises(Refusal, match="slow down"):
        lane.ask(lambda _: None, most=1)
    go_on.set()


def test_a_question_that_fails_leaves_the_worker_alive(scheduler: Scheduler) -> None:
    lane = scheduler.lane()
    with pytest.raises(ZeroDivisionError):
        lane.ask(lambda _: 1 // 0, most=1).result(WAIT)
    lane.start(lambda: bool(1 // 0))
    assert lane.ask(lambda model: model.engine.name, most=1).result(WAIT) == "fake"
    assert scheduler.state == "ok"


def test_closing_answers_what_was_asked_and_takes_nothing_new(scheduler: Scheduler) -> None:
    lane = scheduler.lane()
    go_on = held(scheduler)
    answer = lane.ask(lambda _: "answered", most=1)
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    go_on.set()
    closing.join(WAIT)
    assert answer.result(WAIT) == "answered"
    with pytest.raises(Refusal) as refused:
        lane.ask(lambda _: None, most=1)
    assert refused.value.code == "draining"


def test_lanes_are_spread_over_the_workers() -> None:
    scheduler = Scheduler([lambda: Segmenter(FakeEngine())] * 2)
    lanes = [scheduler.lane() for _ in range(4)]
    assert [lanes.count(lane) for lane in lanes] == [1] * 4
    assert [sum(lane.worker is worker for lane in lanes) for worker in scheduler.workers] == [2, 2]
    scheduler.give_back(lanes[0])
    assert scheduler.lane().worker is lanes[0].worker


def test_a_model_that_cannot_be_opened_is_told() -> None:
    def load() -> Segmenter:
        raise ValueError("no weights there")

    scheduler = Scheduler([load])
    lane = scheduler.lane()
    answer = lane.ask(lambda _: None, most=1)
    scheduler.begin()
    with pytest.raises(Refusal, match="no weights there"):
        answer.result(WAIT)
    assert scheduler.state == "failed"
    with pytest.raises(Refusal, match="no weights there"):
        lane.ask(lambda _: None, most=1)
