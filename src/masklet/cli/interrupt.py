"""Ctrl-C that lets the frame at hand finish, so that every output stays valid; SIGTERM is heard as Ctrl-C.

SIGTERM is how `timeout`, `docker stop`, systemd and SLURM end a program.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Ctrl-C or SIGTERM ended the work early; what was done is in its files. Not a KeyboardInterrupt, which
    libraries on the way up would take for theirs."""


class Interruption:
    """Whether Ctrl-C was pressed, or SIGTERM came."""

    def __init__(self) -> None:
        self.happened = False


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """While the block runs, SIGTERM is a KeyboardInterrupt, on whose way up half-written files go."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may take signals
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave_sigterm_to_the_server() -> None:
    """Take `sigterm_as_ctrl_c` back: the server ends its own way, and then as systemd expects."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def stopping_gently(stop: Callable[[], None]) -> Iterator[Interruption]:
    """While the block runs, the first Ctrl-C or SIGTERM calls `stop`; the second one interrupts at once."""
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen  # only the main thread may take signals
        return

    def first(number: int, frame: FrameType | None) -> None:
        seen.happened = True
        for each in before:
            signal.signal(each, signal.default_int_handler)
        stop()

    before = {each: signal.signal(each, first) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield seen
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
