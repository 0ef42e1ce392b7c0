"""Reading ahead gives what reading would give, in its order, and stops when told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fakes import ArraySource, FakeEngine, inside, squares
from masklet.errors import DamagedVideoError
from masklet.predict.session import VideoSession
from masklet.video.ahead import ReadAhead, frames_ahead

LONG = 30.0


def counting(made: list[int], stop: int, closed: threading.Event | None = None) -> Iterator[int]:
    try:
        for number in range(stop):
            made.append(number)
            yield number
    finally:
        if closed is not None:
            closed.set()


def test_everything_in_order() -> None:
    made: list[int] = []
    with ReadAhead(lambda: counting(made, 100), ahead=3) as ahead:
        for number, item in enumerate(ahead):
            assert item == number
            assert len(made) <= number + 1 + 3 + 1, "more is held than asked for"
    assert made == list(range(100))


def test_it_reads_on_while_nobody_asks() -> None:
    there = threading.Event()

    def numbers() -> Iterator[int]:
        yield 0
        yield 1
        there.set()  # asked for the third before the first was taken
        yield 2

    with ReadAhead(numbers, ahead=4) as ahead:
        assert there.wait(LONG)
        assert list(ahead) == [0, 1, 2]


def test_an_error_in_its_place() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise DamagedVideoError("the end is missing")

    with ReadAhead(broken) as ahead:
        assert next(ahead) == 1
        with pytest.raises(DamagedVideoError, match="the end is missing"):
            next(ahead)
        with pytest.raises(StopIteration):
            next(ahead)


def test_an_error_at_opening() -> None:
    def refuse() -> Iterator[int]:
        raise DamagedVideoError("nothing there")

    with ReadAhead(refuse) as ahead, pytest.raises(DamagedVideoError):
        next(ahead)


def test_closing_stops_the_thread_and_closes_what_it_read() -> None:
    closed = threading.Event()
    made: list[int] = []
    ahead = ReadAhead(lambda: counting(made, 10**9, closed), ahead=2)
    assert next(ahead) == 0
    ahead.close()
    assert closed.wait(LONG)
    assert len(made) <= 5
    with pytest.raises(StopIteration):
        next(ahead)
    ahead.close()


class Concurrent(ArraySource):
    """Says that it can be read from two threads, and remembers from which it was."""

    concurrent = True

    def __init__(self, *arguments, **more) -> None:
        super().__init__(*arguments, **more)
        self.threads: set[int] = set()

    def read(self, start: int, stop: int, step: int = 1):
        for frame in super().read(start, stop, step):
            self.threads.add(threading.get_ident())
            yield frame


@pytest.mark.parametrize("breaks_at", [None, 9])
def test_a_session_finds_the_same(breaks_at: int | None) -> None:
    found = []
    for kind in (ArraySource, Concurrent):
        source = kind(squares(12, 2), breaks_at=breaks_at)
        masks = {}
        with VideoSession(source, FakeEngine()) as session:
            session.prompt(5, 1, clicks=[inside(5, 1)])
            session.prompt(5, 2, clicks=[inside(5, 2)])
            try:
                for frame, answer in session.propagate():
                    masks[frame.index] = answer.masks
            except DamagedVideoError:
                masks[-1] = "damaged"
        found.append(masks)
    assert found[0] == found[1]
    assert len(found[0]) == (12 if breaks_at is None else 10)
    assert threading.get_ident() not in source.threads


def test_one_frame_needs_no_thread() -> None:
    source = Concurrent(squares(3))
    assert [frame.index for frame in frames_ahead(source, range(1, 2))] == [1]
    assert source.threads == {threading.get_ident()}


def test_an_abandoned_propagation_leaves_no_thread() -> None:
    source = Concurrent(squares(12, 1))
    with VideoSession(source, FakeEngine()) as session:
        session.prompt(0, 1, clicks=[inside(0, 1)])
        going = session.propagate()
        next(going)
        going.close()
    assert not [t for t in threading.enumerate() if t.name == "masklet read-ahead"]
