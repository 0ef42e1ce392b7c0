"""A frame on its way from one process to another: its planes in shared memory, the rest in a line of JSON.

Planes go as the decoder gave them, so that the receiver makes the same whole picture of them. The small
picture for the network goes beside them: it depends on where the colours lie that H.264 stores at half size,
which cannot be read from a frame nor written to one. Nothing that arrives is believed: sizes are checked
against what was announced for the video.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.types import Frame
from masklet.video.decoded_frame import DecodedFrame, Shrinking
from masklet.video.decoding import Orientation

if TYPE_CHECKING:
    from av import VideoFrame

PIXEL_BYTES = 8
"""Room for one pixel: four values of two bytes. What is larger still is made RGB before it goes."""
PADDING = 128
"""Pixels by which decoders may make lines and columns longer than they are shown."""

COLOURS = ("colorspace", "color_range", "color_primaries", "color_trc")


MOST_SIDE = 2048
"""Largest small picture that goes along."""

Ask = Callable[[int, int], np.ndarray | None]
"""(frame index, side) → a small picture that did not come along, uint8 [side, side, 3], or None."""


class PassedFrame(DecodedFrame):
    """A frame from another process; `fitted` gives what was made there."""

    _small: np.ndarray | None
    _ask: Callable[[int], np.ndarray | None]

    def fitted(self, side: int) -> np.ndarray:
        if self._decoded.format.is_rgb:
            return self.image
        small = self._small
        if small is None or len(small) != side:
            small = self._ask(side)
            self.__dict__["_small"] = small
        return super().fitted(side) if small is None else small

    @property
    def small(self) -> np.ndarray | None:
        """The small picture that is here."""
        return self._small

    def at(self, index: int) -> PassedFrame:
        return _passed(super().at(index), self._small, self._ask)


class Unfit(ValueError):
    """What arrived is no frame of the video that was announced."""


def room(width: int, height: int) -> int:
    """Bytes that any frame of this size fits into, with its small picture."""
    return (width + PADDING) * (height + PADDING) * PIXEL_BYTES + MOST_SIDE**2 * 3


def put(frame: Frame, memory: memoryview, side: int | None = None) -> dict[str, Any]:
    """Write a frame's pixels into memory; returns what `taken` needs besides them.

    side   of the small picture that goes along; None: without one
    """
    told: dict[str, Any] = {"index": frame.index, "time": str(frame.time)}
    if not isinstance(frame, DecodedFrame):
        memory[: frame.image.nbytes] = np.ascontiguousarray(frame.image).reshape(-1).data
        return {**told, "size": [frame.width, frame.height]}
    decoded, orientation = frame.stored
    small = None
    if side is not None and side <= MOST_SIDE and not decoded.format.is_rgb:
        small = frame.fitted(side)
    if not _goes_as_it_is(decoded, len(memory) - MOST_SIDE**2 * 3):
        decoded = decoded.reformat(format="rgb24")
    at, lines = 0, []
    for plane in decoded.planes:
        memory[at : at + plane.buffer_size] = memoryview(plane)
        at += plane.buffer_size
        lines.append(plane.line_size)
    if small is not None:
        memory[at : at + small.nbytes] = small.reshape(-1).data
        told["side"] = side
    return {
        **told,
        "size": [decoded.width, decoded.height],
        "format": decoded.format.name,
        "lines": lines,
        "colours": [int(getattr(decoded, name)) for name in COLOURS],
        "turned": [orientation.transpose, orientation.flip_x, orientation.flip_y],
    }


def taken(
    told: dict[str, Any], memory: memoryview, size: tuple[int, int], shrink: Shrinking, ask: Ask
) -> Frame:
    """The frame that `put` wrote, with pixels of its own; raises Unfit when it is none of the video.

    size   width and height as shown
    """
    try:
        frame = _taken(told, memory, shrink, ask)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unfit(str(error)) from error
    if (frame.width, frame.height) != size:
        raise Unfit(f"a frame of {frame.width}×{frame.height} instead of {size[0]}×{size[1]}")
    return frame


def _taken(told: dict[str, Any], memory: memoryview, shrink: Shrinking, ask: Ask) -> Frame:
    index, time = int(told["index"]), Fraction(told["time"])
    width, height = (int(side) for side in told["size"])
    if width < 1 or height < 1 or room(width, height) > len(memory):
        raise ValueError(f"{width}×{height} is no size of this video")
    if "format" not in told:
        pixels = np.frombuffer(memory, np.uint8, count=width * height * 3)
        return Frame(index, time, pixels.reshape(height, width, 3).copy())
    import av

    decoded = av.VideoFrame(width, height, str(told["format"]))
    at = 0
    for plane, line in zip(decoded.planes, told["lines"], strict=True):
        own = np.frombuffer(plane, np.uint8)  # type: ignore[call-overload]
        rows = own.size // plane.line_size
        sent = np.frombuffer(memory, np.uint8, count=rows * int(line), offset=at).reshape(rows, int(line))
        shared = min(plane.line_size, int(line))
        own.reshape(rows, plane.line_size)[:, :shared] = sent[:, :shared]
        at += sent.size
    for name, value in zip(COLOURS, told["colours"], strict=True):
        setattr(decoded, name, int(value))
    turned = Orientation(*(bool(one) for one in told["turned"]))
    small = None
    if side := told.get("side"):
        pixels = np.frombuffer(memory, np.uint8, count=int(side) ** 2 * 3, offset=at)
        small = pixels.reshape(int(side), int(side), 3).copy()
        small.setflags(write=False)
    return _passed(DecodedFrame(index, time, decoded, turned, shrink), small, partial(ask, index))


def _passed(
    frame: DecodedFrame, small: np.ndarray | None, ask: Callable[[int], np.ndarray | None]
) -> PassedFrame:
    made = PassedFrame(frame.index, frame.time, *frame.stored, frame.shrink)
    made.__dict__.update(_small=small, _ask=ask)
    return made


def _goes_as_it_is(decoded: VideoFrame, most: int) -> bool:
    """Whether its planes lie in plain memory, top line first, and fit."""
    planes = decoded.planes
    plain = bool(planes) and all(plane.line_size > 0 and plane.buffer_size > 0 for plane in planes)
    return plain and sum(plane.buffer_size for plane in planes) <= most
