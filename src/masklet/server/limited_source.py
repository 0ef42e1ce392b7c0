"""A video whose file is never decoded here: a process with bounds does it, and hands the frames over."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fractions import Fraction
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from masklet.errors import DamagedVideoError, VideoError
from masklet.server.frame_passing import PassedFrame, Unfit, room, taken
from masklet.server.inspecting import most_pixels
from masklet.server.limited_process import Broken, LimitedProcess
from masklet.server.settings import Limits
from masklet.types import Frame
from masklet.video.decoded_frame import Shrinking
from masklet.video.folder import IMAGE_SUFFIXES, STILL_OR_MOVING
from masklet.video.positions import check_frame, check_range

CAN_LIMIT = os.name == "posix"
"""Whether this system lets a process be bound and handed an open file."""


class Side:
    """How large the pictures are that the network asked for last; what comes next is likely asked for so too.

    One for all videos of a server, whose models are the same.
    """

    def __init__(self) -> None:
        self.now: int | None = None


class LimitedSource:
    """A FrameSource over a decoding process; frames may be asked for from several threads.

    name    what the video is called; errors say it instead of the file's path
    about   width, height, frames and rate_exact of the file, where they are known: the process is then
            started when the first frame is needed

    A file that brings the process down, or keeps it busy for too long, costs the frame that was asked for:
    VideoError in one line. The next question is answered by a new process.
    """

    concurrent = True
    """`read` may run on another thread beside everything else here."""

    def __init__(
        self,
        path: Path,
        name: str,
        limits: Limits,
        about: Mapping[str, Any] | None = None,
        side: Side | None = None,
    ) -> None:
        self.name = name
        self._side = Side() if side is None else side
        self._path = path
        self._lock = threading.Lock()
        self._readers = count()
        self._left: list[int] = []  # readers that ended
        self._shrink = Shrinking()
        self._shared = _anonymous_file()
        self._closed = False
        self._process = LimitedProcess(path, self._shared, limits)
        try:
            known = about if about is not None else self._about
            self.width, self.height, self._frames = (int(known[n]) for n in ("width", "height", "frames"))
            # What kind of file it is was looked at when it came.
            photo = self._frames == 1 and path.suffix.lower() in IMAGE_SUFFIXES | STILL_OR_MOVING
            if self.width * self.height > most_pixels(limits, photo=photo) or self._frames > limits.frames:
                raise VideoError(f"{name} is larger than this server takes; make it smaller")
            rate = known["rate_exact"]
            self.rate = None if rate is None else Fraction(rate)
            self._memory = _grown(self._shared, max(room(self.width, self.height), 8 * self._frames))
        except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
            self._let_go()
            raise VideoError(f"{name} cannot be opened as a video; re-encode it and try again") from error
        except BaseException:
            self._let_go()
            raise

    def __len__(self) -> int:
        return self._frames

    def __getitem__(self, index: int) -> Frame:
        check_frame(index, len(self))
        frame = self._frame({"do": "frame", "index": int(index)}, f"frame {index} of {self.name}")
        assert frame is not None
        return frame

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        return self._read(check_range(start, stop, step, len(self)))

    def _read(self, wanted: range) -> Iterator[Frame]:
        reader = next(self._readers)
        try:
            for n in range(
                len(wanted) + 1
            ):  # the last question is answered by how the file breaks off, if it does
                left = wanted[n:]
                place = {"start": left.start, "stop": left.stop, "step": left.step}
                at = f"frame {left.start} of {self.name}"
                frame = self._frame({"do": "next", "reader": reader, **place}, at)
                if frame is None or n == len(wanted):
                    return
                yield frame
        finally:
            self._left.append(reader)  # told later: this may run in the middle of another question

    @cached_property
    def times(self) -> np.ndarray:
        """float64 [N], seconds of every frame; AttributeError for pictures, which have none."""
        with self._lock:
            told = self._asked({"do": "times"}, self.name)
            if told.get("count") != len(self):
                raise AttributeError(f"{self.name} has no times")
            return np.frombuffer(self._memory, np.float64, count=len(self)).copy()

    @property
    def time_base(self) -> Fraction | None:
        """Seconds a tick: every frame's time is a multiple of it."""
        base = self._about["time_base"]
        return None if base is None else Fraction(base)

    @property
    def sample_aspect(self) -> Fraction:
        """How wide a pixel is shown for its height."""
        return Fraction(self._about["sample_aspect"])

    @cached_property
    def _about(self) -> Mapping[str, Any]:
        with self._lock:
            return self._asked({"do": "about"}, self.name)

    def wake(self) -> None:
        """Start the process without waiting for it: frames will be wanted soon."""
        if self._lock.acquire(blocking=False):  # else it is at work
            try:
                if not self._closed:
                    with suppress(Broken):  # it is told when a frame is asked for
                        self._process.start()
            finally:
                self._lock.release()

    def rest(self) -> None:
        """End the process; the next frame starts another."""
        with self._lock:
            self._process.end()

    def close(self) -> None:
        """End the process for good; frames already given stay valid."""
        self._process.interrupt()  # nobody waits for a frame that hangs
        with self._lock:
            if not self._closed:
                self._let_go()
                del self._memory

    def _let_go(self) -> None:
        self._closed = True
        self._process.end()
        os.close(self._shared)

    def _frame(self, question: dict[str, Any], what: str) -> Frame | None:
        """The frame that answers a question; None when there are no more."""
        with self._lock:
            told = self._asked({**question, "side": self._side.now}, what)
            if question["do"] == "next" and told.get("end") is True:
                return None
            try:
                memory, size = memoryview(self._memory), (self.width, self.height)
                return taken(told, memory, size, self._shrink, self._small)
            except Unfit as error:
                self._process.end()
                raise VideoError(
                    f"{what} is none of the video that was opened ({error}); upload it again"
                ) from error

    def _small(self, index: int, side: int) -> np.ndarray | None:
        """A frame made small where it is decoded; None when there is nobody any more to do it."""
        self._side.now = side
        if self._closed:
            return None
        frame = self[index]
        small = frame.small if isinstance(frame, PassedFrame) else None
        return small if small is not None and len(small) == side else None

    def _asked(self, question: dict[str, Any], what: str) -> dict[str, Any]:
        if self._closed:
            raise VideoError(f"{self.name} is closed; open it again")
        left, self._left = self._left, []
        try:
            told = self._process.ask({**question, "left": left})
        except Broken as error:
            raise VideoError(f"{what} cannot be decoded: {error}; re-encode the video") from error
        if "error" in told:
            kind = DamagedVideoError if told.get("damaged") is True else VideoError
            raise kind(" ".join(str(told["error"]).replace(str(self._path), self.name).split()))
        return told


def _anonymous_file() -> int:
    """An open file without a name, in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _grown(file: int, size: int) -> mmap.mmap:
    """Give the file its size, for good: whoever reads memory that was taken away dies of it."""
    os.ftruncate(file, size)
    if hasattr(os, "memfd_create"):
        import fcntl

        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return mmap.mmap(file, size)
