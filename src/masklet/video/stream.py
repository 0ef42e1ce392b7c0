"""Frames that come once, in order: from any iterator, or from a stored video read like one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from masklet.errors import VideoError
from masklet.types import Frame
from masklet.video.arrays import check_image
from masklet.video.folder import UNTIMED_RATE
from masklet.video.protocol import FrameSource


class StreamOf:
    """Makes a FrameStream of an iterable of images (uint8 [H, W, 3] RGB) or frames, or of a FrameSource.

    rate   frames a second at which images without time are counted

    Nothing is kept: memory stays flat however long it runs. It can be read once; closing it closes
    what it reads from.
    """

    def __init__(
        self,
        frames: Iterable[np.ndarray] | Iterable[Frame] | FrameSource,
        *,
        rate: Fraction | int = UNTIMED_RATE,
    ) -> None:
        self._origin = frames
        self._rate = Fraction(rate)
        self._frames = self._count(_items(frames))

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """End the stream, and let go of what it reads from."""
        self._frames = iter(())
        close = getattr(self._origin, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> StreamOf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _count(self, items: Iterator[np.ndarray | Frame]) -> Iterator[Frame]:
        size = None
        for index, item in enumerate(items):
            frame = item.at(index) if isinstance(item, Frame) else frame_of(item, index, self._rate)
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise VideoError(
                    f"the stream changes its size at frame {index}: {size[0]}×{size[1]} becomes "
                    f"{frame.width}×{frame.height}; start a new stream there"
                )
            yield frame


def frame_of(image: Any, index: int, rate: Fraction = UNTIMED_RATE) -> Frame:
    """An image uint8 [H, W, 3] RGB as a frame; raises VideoError when it is none."""
    return Frame(index, index / rate, check_image(image, index))


def _items(frames: Any) -> Iterator[np.ndarray | Frame]:
    read = getattr(frames, "read", None)
    if read is not None and hasattr(frames, "__len__"):
        yield from read(0, len(frames))
    else:
        yield from frames
