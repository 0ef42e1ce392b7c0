"""Masks on their way to one browser: no more than it acknowledges, each frame at its newest, none lost."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable
from typing import Any

MOST_MESSAGES = 1000
"""JSON messages that may wait for a client that does not read; it is let go beyond that."""


class Feed:
    """What waits to be sent. `tell` and `show` may be called from any thread, the rest in the loop's.

    window   most mask messages under way without an acknowledgement
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, window: int) -> None:
        self._loop = loop
        self._window = window
        self._messages: deque[dict[str, Any]] = deque()
        self._frames: OrderedDict[int, None] = OrderedDict()
        self._under_way: deque[int] = deque()
        self._sequence = 0
        self._news = asyncio.Event()
        self.overrun = False

    def tell(self, message: dict[str, Any]) -> None:
        self._later(lambda: self._add_message(message))

    def show(self, frames: Iterable[int]) -> None:
        frames = tuple(frames)
        self._later(lambda: self._add_frames(frames))

    def acknowledge(self, sequence: int) -> None:
        """Everything up to this number has arrived."""
        while self._under_way and self._under_way[0] <= sequence:
            self._under_way.popleft()
        self._news.set()

    @property
    def waiting(self) -> int:
        """Frames that wait for acknowledgements."""
        return len(self._frames)

    async def next(self) -> dict[str, Any] | tuple[int, int]:
        """What to send: a JSON message, or (frame, sequence) when the window has room."""
        while True:
            if self._messages:
                return self._messages.popleft()
            if self._frames and len(self._under_way) < self._window:
                frame, _ = self._frames.popitem(last=False)
                self._sequence += 1
                self._under_way.append(self._sequence)
                return frame, self._sequence
            self._news.clear()
            await self._news.wait()

    def _add_message(self, message: dict[str, Any]) -> None:
        if message.get("type") in ("run", "session") and self._messages:
            # Only the newest state matters; a slow client must not gather old ones.
            kept = [m for m in self._messages if m.get("type") != message["type"]]
            self._messages = deque(kept)
        self._messages.append(message)
        self.overrun = self.overrun or len(self._messages) > MOST_MESSAGES
        self._news.set()

    def _add_frames(self, frames: tuple[int, ...]) -> None:
        for frame in frames:
            self._frames.pop(frame, None)  # what was to be sent of it is old: it goes to the end
            self._frames[frame] = None
        self._news.set()

    def _later(self, action: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(action)
