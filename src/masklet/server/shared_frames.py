"""Frames decoded lately, for everybody who looks at a video: what one has decoded, no other decodes again.

The page shows a frame before it is clicked on, and tracking has read a frame before the page shows it; to
each of them a frame of its own would cost the way from the last keyframe.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np

from masklet.types import Frame
from masklet.video.protocol import FrameSource

KEPT_BYTES = 64 * 2**20
PIXEL_BYTES = 4.5
"""Of a decoded frame: a byte and a half as the decoder gives it, three once it was asked for in RGB."""


class RecentFrames:
    """The frames of all videos that were decoded last. Calls may come from any thread."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[str, int], Frame] = OrderedDict()
        self._bytes = 0.0

    def get(self, video_id: str, index: int) -> Frame | None:
        with self._lock:
            found = self._frames.get((video_id, index))
            if found is not None:
                self._frames.move_to_end((video_id, index))
            return found

    def put(self, video_id: str, frame: Frame) -> None:
        with self._lock:
            if (video_id, frame.index) in self._frames:
                return
            self._frames[video_id, frame.index] = frame
            self._bytes += _size(frame)
            while self._bytes > self._most:
                self._bytes -= _size(self._frames.popitem(last=False)[1])

    def forget(self, video_id: str) -> None:
        """Let go of a video's frames."""
        with self._lock:
            for key in [k for k in self._frames if k[0] == video_id]:
                self._bytes -= _size(self._frames.pop(key))


class SharedFrames:
    """A video whose frames are looked for among the recent ones first, and put there.

    Frames may be asked for from several threads; one decodes at a time.
    """

    def __init__(self, source: FrameSource, video_id: str, recent: RecentFrames) -> None:
        self.name = source.name
        self.width, self.height, self.rate = source.width, source.height, source.rate
        self.concurrent: bool = getattr(source, "concurrent", False)
        self._source = source
        self._id = video_id
        self._recent = recent
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        return self._recent.get(self._id, index) or self._decoded(index)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        for frame in self._source.read(start, stop, step):
            self._recent.put(self._id, frame)
            yield frame

    @property
    def times(self) -> np.ndarray:
        """float64 [N], seconds of every frame; zeros for what has no time."""
        return getattr(self._source, "times", np.zeros(len(self)))

    def wake(self) -> None:
        """Get ready what the source needs for its next frame, if it needs anything."""
        if (wake := getattr(self._source, "wake", None)) is not None:
            wake()

    def rest(self) -> None:
        """Free what the source keeps for the next frame, if it keeps anything."""
        if (rest := getattr(self._source, "rest", None)) is not None:
            rest()

    def close(self) -> None:
        with self._lock:
            self._source.close()

    def _decoded(self, index: int) -> Frame:
        with self._lock:
            frame = self._recent.get(self._id, index)  # decoded while this one waited
            if frame is None:
                frame = self._source[index]
                self._recent.put(self._id, frame)
        return frame


def _size(frame: Frame) -> float:
    return frame.width * frame.height * PIXEL_BYTES
