"""What frames come from and what masks go to, as the predictors see them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

from masklet.types import Frame, FrameMasks


class FrameSource(Protocol):
    """A stored video: frames by index, read lazily, never all in memory."""

    name: str
    width: int
    height: int
    rate: Fraction | None
    """Mean frames a second; None for pictures without time."""

    def __len__(self) -> int:
        """Number of frames (counted, not guessed)."""
        ...

    def __getitem__(self, index: int) -> Frame:
        """One frame; raises UnknownFrameError outside the video. Going back costs a seek."""
        ...

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        """Frames start, start + step, … before stop; step -1 reads backwards (in decoded chunks)."""
        ...

    def close(self) -> None: ...


def sample_aspect_of(source: FrameSource) -> Fraction:
    """How wide a pixel is shown for its height, mostly 1; outputs note it, lest they be squeezed."""
    return getattr(source, "sample_aspect", Fraction(1))


class FrameStream(Protocol):
    """An endless source: frames come once, in order."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class MaskSink(Protocol):
    """Takes masks frame by frame and writes as it goes; closing completes the output."""

    def write(self, frame: Frame, masks: FrameMasks) -> None: ...

    def close(self) -> None: ...
