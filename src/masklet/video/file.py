"""A video file as frames by index: any container PyAV opens, decoded as it is read."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from fractions import Fraction
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masklet.errors import DamagedVideoError, VideoError
from masklet.types import Frame
from masklet.video.decoded_frame import DecodedFrame, Shrinking
from masklet.video.decoding import Orientation, decode_all, opened
from masklet.video.frame_index import FrameIndex, scan
from masklet.video.positions import check_frame, check_range

if TYPE_CHECKING:
    from av import VideoFrame

log = logging.getLogger(__name__)

BACKWARD_BYTES = 128 * 2**20
"""Most memory that reading backwards holds in decoded frames (at least 8 frames)."""

PASSED_BYTES, PASSED = 24 * 2**20, 8
"""Most memory, and most frames, of those just decoded, to which a step back costs nothing."""

RETRIES = ((0, True), (1, False), (8, False))
"""Where to decode from when a frame does not come out: keyframes back, and whether with threads.

A seek may land late and some streams recover only after an earlier keyframe; FFmpeg's threads lose
the last whole pictures before a damaged one. A frame that fails all three is damaged.
"""


class VideoFile:
    """A stored video: MP4, MOV, MKV, WebM, AVI, MPEG-TS, GIF … with its own times and orientation.

    path      the file; sinks may copy its sound from there
    width, height   as shown, after the rotation that phones note in the file
    rate      mean frames a second as the file states it; each frame's `time` is exact
    sample_aspect   how wide a pixel is shown for its height; 1 unless the file says otherwise

    Opening decodes one frame. The first call that needs to know how many frames there are reads the
    file's packets once, without decoding them.

    A damaged file: `len()` counts the frames that are there whole, so that every index below it can
    be tried; `damage` says how the file breaks off (None for a whole file). Reading forward past the
    last one raises DamagedVideoError, after all of them were given. Damage in the middle is found
    when its frame is decoded and raises DamagedVideoError there; frames after it can be read again
    from the next keyframe on.
    """

    concurrent = True
    """`read` may run on another thread beside everything else here."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.name
        with opened(self.path) as (container, stream):
            with closing(decode_all(container, stream)) as frames:
                first = next((f for f in frames if not f.is_corrupt), None)
            if first is None:
                raise VideoError(f"{self.path} has no frame that can be decoded")
            self._orientation = Orientation.of(first)
            self._stored_size = (first.width, first.height)
            # A raw stream has no times to average; what stands there is FFmpeg's default of 25.
            timed = stream.start_time is not None and stream.average_rate
            rate = stream.average_rate if timed else stream.guessed_rate
            aspect = Fraction(stream.sample_aspect_ratio or 1)
        self.width, self.height = first.width, first.height
        if self._orientation.transpose:
            self.width, self.height = first.height, first.width
            aspect = 1 / aspect
        self.sample_aspect = aspect
        self.rate: Fraction | None = Fraction(rate) if rate else None
        self._shrink = Shrinking()
        self._lock = threading.Lock()
        self._cursor: _Cursor | None = None
        self._closed = False

    @cached_property
    def _index(self) -> FrameIndex:
        index = scan(self.path)
        if len(index) == 0:
            raise VideoError(f"{self.path} has no frame that can be decoded")
        if index.damage is not None:
            log.warning("%s breaks off: %s; %d frames can be read", self.path, index.damage, len(index))
        return index

    @property
    def damage(self) -> str | None:
        """How the file breaks off, in words; None when it is whole."""
        return self._index.damage

    @property
    def time_base(self) -> Fraction:
        """Seconds a tick: every frame's time is a multiple of it."""
        return self._index.time_base

    @property
    def times(self) -> np.ndarray:
        """float64 [N], seconds of every frame from the first one, without decoding any."""
        index = self._index
        return (index.pts - index.pts[0]) * float(index.time_base)

    def time(self, index: int) -> Fraction:
        """Seconds of a frame from the first one, exact, without decoding it."""
        return self._index.time(check_frame(index, len(self)))

    def __len__(self) -> int:
        return len(self._index)

    def __getitem__(self, index: int) -> Frame:
        self._check_open()
        if index == len(self) and self.damage is not None:
            raise self._broken_off()
        check_frame(index, len(self))
        with self._lock:
            if self._cursor is None or not self._cursor.is_near(index):
                self._drop_cursor()
                self._cursor = _Cursor(self, self._lead_in(index))
                with suppress(DamagedVideoError):  # perhaps of the frame before alone
                    return self._cursor.advance(index)
                self._cursor = _Cursor(self, index)
            return self._cursor.advance(index)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        """Frames of range(start, stop, step); a negative step reads backwards in decoded chunks."""
        self._check_open()
        wanted = check_range(start, stop, step, len(self))
        return self._read_forward(wanted) if step > 0 else self._read_backward(wanted)

    def rest(self) -> None:
        """Free what is kept for the next frame by index: the decoder, and frames just decoded."""
        with self._lock:
            self._drop_cursor()

    def close(self) -> None:
        """Let go of the file; frames already given stay valid."""
        with self._lock:
            self._drop_cursor()
            self._closed = True

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_forward(self, wanted: range) -> Iterator[Frame]:
        if wanted:
            with closing(self._decode(wanted[0], wanted[-1] + 1)) as decoded:
                for number, frame in decoded:
                    if number in wanted:
                        yield self._frame(number, frame)
        if wanted.stop == len(self) and self.damage is not None:
            raise self._broken_off()

    def _read_backward(self, wanted: range) -> Iterator[Frame]:
        limit = max(8, BACKWARD_BYTES // (self.width * self.height * 3))
        while wanted:
            low = self._chunk_start(wanted, limit)
            held = [
                self._frame(number, frame)
                for number, frame in self._decode(low, wanted[0] + 1)
                if number in wanted
            ]
            wanted = wanted[len(held) :]
            while held:
                yield held.pop()

    def _chunk_start(self, wanted: range, limit: int) -> int:
        """First frame of the chunk to decode: a keyframe if one is within the limit, so no work is wasted."""
        lowest = wanted[min(limit, len(wanted)) - 1]
        keyframes = np.searchsorted(self._index.pts, self._index.keyframes)
        within = keyframes[(keyframes >= lowest) & (keyframes <= wanted[0])]
        return int(within[0]) if len(within) else lowest

    def _lead_in(self, index: int) -> int:
        """Where to begin for a frame: one before it, which is decoded on the way, unless it is a keyframe."""
        found = self._index
        key = int(np.searchsorted(found.pts, found.keyframes[found.keyframe_before(index)]))
        return max(index - 1, min(key, index), 0)

    def _frame(self, number: int, frame: VideoFrame) -> Frame:
        if (frame.width, frame.height) != self._stored_size:
            raise VideoError(
                f"{self.path} changes its size at frame {number}: "
                f"{self._stored_size[0]}×{self._stored_size[1]} becomes {frame.width}×{frame.height}; "
                "split the video there"
            )
        return DecodedFrame(number, self._index.time(number), frame, self._orientation, self._shrink)

    def _decode(self, start: int, stop: int) -> Generator[tuple[int, VideoFrame], None, None]:
        """Decoded frames start … stop - 1 with their numbers, none missing; raises DamagedVideoError."""
        expected = start
        for keys_back, threaded in RETRIES:
            key = max(0, self._index.keyframe_before(expected) - keys_back)
            with closing(self._decode_from(key, threaded)) as decoded:
                for number, frame in decoded:
                    if number < expected:
                        continue
                    if number > expected or frame.is_corrupt:
                        break
                    yield number, frame
                    expected += 1
                    if expected == stop:
                        return
        raise self._damaged(expected)

    def _decode_from(self, key: int, threaded: bool) -> Generator[tuple[int, VideoFrame], None, None]:
        index = self._index
        with opened(self.path, threaded=threaded) as (container, stream):
            if not index.seekable:
                yield from enumerate(decode_all(container, stream))
                return
            if key > 0:
                container.seek(int(index.keyframes[key]), stream=stream, backward=True)
            for frame in decode_all(container, stream):
                if frame.pts is None:
                    continue
                number = int(np.searchsorted(index.pts, frame.pts))
                if number < len(index) and index.pts[number] == frame.pts:
                    yield number, frame

    def _damaged(self, number: int) -> DamagedVideoError:
        promised = self._index.promised or len(self)
        return DamagedVideoError(
            f"{self.path} is damaged at frame {number} of {max(promised, len(self))}; the frames before it "
            "are whole, re-encode or download the video again for the rest"
        )

    def _broken_off(self) -> DamagedVideoError:
        promised = self._index.promised
        of = f" of {promised}" if promised else ""
        return DamagedVideoError(
            f"{self.path} breaks off at frame {len(self)}{of} ({self.damage}); the {len(self)} frames "
            "before it are whole, copy or download the video again for the rest"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise VideoError(f"{self.path} is closed; open it again with VideoFile({str(self.path)!r})")

    def _drop_cursor(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None


class _Cursor:
    """Where reading by index stands: keeps the decoder running and the last frames at hand."""

    def __init__(self, video: VideoFile, start: int) -> None:
        self._video = video
        self._decoded = video._decode(start, len(video))
        self._next = start
        self._last: Frame | None = None
        most = PASSED_BYTES // (video.width * video.height * 3 // 2 or 1)
        self._passed: deque[tuple[int, VideoFrame]] = deque(maxlen=min(max(most, 1), PASSED))

    def is_near(self, index: int) -> bool:
        """Whether going on from here is cheaper than a seek: no keyframe lies between."""
        if any(number == index for number, _ in self._passed):
            return True
        keyframe_before = self._video._index.keyframe_before
        return index == self._next or (
            index > self._next and keyframe_before(index) == keyframe_before(self._next)
        )

    def advance(self, index: int) -> Frame:
        if self._last is not None and index == self._last.index:
            return self._last
        for number, frame in chain(tuple(self._passed), self._coming()):
            if number == index:
                self._last = self._video._frame(number, frame)
                return self._last
        raise self._video._damaged(self._next)

    def _coming(self) -> Iterator[tuple[int, VideoFrame]]:
        for number, frame in self._decoded:
            self._next = number + 1
            self._passed.append((number, frame))
            yield number, frame

    def close(self) -> None:
        self._decoded.close()
