"""A frame of which no more is made than is asked for: the whole picture, or a small one straight away."""

from __future__ import annotations

import threading
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from masklet.types import Frame
from masklet.video.decoding import Orientation, to_rgb

if TYPE_CHECKING:
    from av import VideoFrame


SMOOTH = 0x2 | 0x40000
"""FFmpeg's SWS_BILINEAR | SWS_ACCURATE_RND as a number: older versions of PyAV cannot name the second."""


class Shrinking:
    """Makes small RGB pictures straight from the colours a decoder gives; any thread may call it.

    One for a video: what FFmpeg prepares for its sizes and colours is prepared once.
    """

    def __init__(self) -> None:
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._lock = threading.Lock()

    def __call__(self, frame: VideoFrame, side: int) -> np.ndarray:
        """uint8 [side, side, 3], as stored; the aspect is not kept."""
        with self._lock:
            small = self._reformatter.reformat(frame, side, side, "rgb24", interpolation=SMOOTH, threads=1)
        return small.to_ndarray()


class DecodedFrame(Frame):
    """A frame as the decoder gave it: what is asked of it, the whole picture or a small one, is made then.

    A small picture does not take the way over the whole one, and differs from it made small by rounding and
    by how colours stored at half size are spread. Any thread may ask for either.
    """

    _decoded: VideoFrame
    _orientation: Orientation
    _shrink: Shrinking
    _lock: threading.Lock
    _image: np.ndarray | None

    def __init__(
        self, index: int, time: Fraction, decoded: VideoFrame, orientation: Orientation, shrink: Shrinking
    ) -> None:
        values = {"index": index, "time": time, "_decoded": decoded, "_orientation": orientation}
        # Past the lock that a frozen dataclass has on its fields.
        self.__dict__.update(values, _shrink=shrink, _lock=threading.Lock(), _image=None)

    @property
    def height(self) -> int:
        return int(self._decoded.width if self._orientation.transpose else self._decoded.height)

    @property
    def width(self) -> int:
        return int(self._decoded.height if self._orientation.transpose else self._decoded.width)

    @property
    def stored(self) -> tuple[VideoFrame, Orientation]:
        """As the decoder gave it, and how it is turned for showing."""
        return self._decoded, self._orientation

    @property
    def shrink(self) -> Shrinking:
        """What makes its small pictures."""
        return self._shrink

    @property
    def image(self) -> np.ndarray:  # type: ignore[override]
        with self._lock:
            if self._image is None:
                image = to_rgb(self._decoded, self._orientation)
                image.setflags(write=False)
                self.__dict__["_image"] = image
                return image
            return self._image

    def fitted(self, side: int) -> np.ndarray:
        if self._decoded.format.is_rgb:  # nothing to gain; a picture is seen as one that is no video
            return self.image
        small = self._shrink(self._decoded, side)
        return np.ascontiguousarray(self._orientation.apply(small))

    def resized(self, width: int, height: int) -> np.ndarray:
        """uint8 [height, width, 3], as shown: made small before it is made RGB, which costs half as much."""
        from av.video.reformatter import VideoReformatter

        if self._orientation.transpose:
            width, height = height, width
        # What prepares is not shared: the video's own `_shrink` is for the network, which must not wait.
        small = VideoReformatter().reformat(
            self._decoded, width, height, "rgb24", interpolation=SMOOTH, threads=1
        )
        return self._orientation.apply(small.to_ndarray())

    def at(self, index: int) -> DecodedFrame:
        return DecodedFrame(index, self.time, self._decoded, self._orientation, self._shrink)
