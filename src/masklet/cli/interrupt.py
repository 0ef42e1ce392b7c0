"""Ctrl-C that lets the frame at hand finish, so that every output stays valid."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """Ctrl-C ended the work early; what was done is in its files. Not a KeyboardInterrupt, which
    libraries on the way up would take for theirs."""


class Interruption:
    """Whether Ctrl-C was pressed."""

    def __init__(self) -> None:
        self.happened = False


@contextmanager
def stopping_gently(stop: Callable[[], None]) -> Iterator[Interruption]:
    """While the block runs, the first Ctrl-C calls `stop`; the second one interrupts at once."""
    seen = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield seen  # only the main thread may take signals
        return

    def first(number: int, frame: FrameType | None) -> None:
        seen.happened = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        stop()

    before = signal.signal(signal.SIGINT, first)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
