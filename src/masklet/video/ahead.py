"""Reading ahead: the next frames are decoded on a thread of their own while this one is tracked."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from typing import Generic, TypeVar

from masklet.types import Frame
from masklet.video.protocol import FrameSource

T = TypeVar("T")

AHEAD = 4
"""Frames decoded before they are asked for: enough to hide a keyframe, small enough to hold."""


class ReadAhead(Generic[T]):
    """An iterator over another one, which a thread runs up to `ahead` items in front.

    open_frames   makes the iterator; called on the thread, as everything done to it is
    ahead         most items that wait

    Items come in the same order, and an exception in its place among them. `close` stops the thread
    after the item it is at and waits for that; a `with` block does it, or `contextlib.closing`.
    """

    def __init__(self, open_frames: Callable[[], Iterator[T]], ahead: int = AHEAD) -> None:
        self._open = open_frames
        self._ahead = ahead
        self._waiting: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        # A daemon: an iterator that nobody closed must not keep the program from ending.
        self._thread = threading.Thread(target=self._run, name="masklet read-ahead", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended or self._stopped)
            if self._waiting:
                item = self._waiting.popleft()
                self._changed.notify_all()
                return item
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        """Stop, and drop what waits; closing twice is fine."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._error = None
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> ReadAhead[T]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            frames = self._open()
            try:
                while self._has_room() and self._offer(frames):
                    pass
            finally:
                if (close := getattr(frames, "close", None)) is not None:
                    close()
        except BaseException as raised:  # it belongs to whoever asks for the next item
            error = raised
        with self._changed:
            self._ended = True
            self._error = None if self._stopped else error
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Wait for room; False once nobody wants more."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < self._ahead or self._stopped)
            return not self._stopped

    def _offer(self, frames: Iterator[T]) -> bool:
        """Decode one item and hand it over; False at the end."""
        try:
            item = next(frames)
        except StopIteration:
            return False
        with self._changed:
            if not self._stopped:
                self._waiting.append(item)
            self._changed.notify_all()
        return True


def frames_ahead(source: FrameSource, frames: range) -> Generator[Frame, None, None]:
    """The source's frames, read ahead where it says that it can be read from two threads at once.

    Such a source has the attribute `concurrent = True`. Of others the frames come as they are asked for.
    """

    def read() -> Iterator[Frame]:
        return source.read(frames.start, frames.stop, frames.step)

    if not getattr(source, "concurrent", False) or len(frames) < 2:
        yield from read()
        return
    with ReadAhead(read) as ahead:
        yield from ahead
