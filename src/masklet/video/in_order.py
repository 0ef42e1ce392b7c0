"""Results that come in any order, written in the order of the video."""

from __future__ import annotations

from masklet.errors import DamagedVideoError, SinkError
from masklet.types import Frame, FrameMasks
from masklet.video.protocol import FrameSource, MaskSink
from masklet.video.sink import Sink


class InOrder(Sink):
    """Puts an output that needs frames in order behind a propagation that also runs backwards.

    While frames come in order from frame `start`, they go straight through. From the first that does
    not, masks are kept (as RLE, small), and closing reads those frames from the source once more and
    writes them. A frame that comes again before it was written counts as its latest masks.

    A frame that was already passed on cannot be changed any more and raises SinkError: `start` is
    where the first frame will be.
    """

    def __init__(self, sink: MaskSink, source: FrameSource, *, start: int = 0) -> None:
        self._sink = sink
        self._source = source
        self._next = start
        self._kept: dict[int, FrameMasks] = {}

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        if frame.index == self._next and not self._kept:
            self._sink.write(frame, masks)
            self._next += 1
        elif frame.index >= self._next:
            self._kept[frame.index] = masks
        else:
            raise SinkError(
                f"frame {frame.index} is already written or before the start (next is {self._next}); "
                "write once the masks are final, or start at the first frame"
            )

    def close(self) -> None:
        kept, self._kept = dict(sorted(self._kept.items())), {}
        try:
            if kept:
                for frame in self._source.read(min(kept), max(kept) + 1):
                    if frame.index in kept:
                        self._sink.write(frame, kept.pop(frame.index))
        except DamagedVideoError:
            # The end of a cut-off video: whoever read it first was told already.
            if kept:
                raise
        finally:
            self._sink.close()
