"""A frame on its way from one process to another: its planes in shared memory, the rest in a line of JSON.

Planes go as the decoder gave them, so that the receiver makes the same whole picture of them. A small one may
differ by a fraction of a level: where H.264 puts the colours that it stores at half size, left or centred,
cannot be read from a frame nor written to one. Nothing that arrives is believed: sizes are checked against
what was announced for the video.
"""

from __future__ import annotations

from fractions import Fraction
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


class Unfit(ValueError):
    """What arrived is no frame of the video that was announced."""


def room(width: int, height: int) -> int:
    """Bytes that any frame of this size fits into."""
    return (width + PADDING) * (height + PADDING) * PIXEL_BYTES


def put(frame: Frame, memory: memoryview) -> dict[str, Any]:
    """Write a frame's pixels into memory; returns what `taken` needs besides them."""
    told: dict[str, Any] = {"index": frame.index, "time": str(frame.time)}
    if not isinstance(frame, DecodedFrame):
        memory[: frame.image.nbytes] = np.ascontiguousarray(frame.image).reshape(-1).data
        return {**told, "size": [frame.width, frame.height]}
    decoded, orientation = frame.stored
    if not _goes_as_it_is(decoded, len(memory)):
        decoded = decoded.reformat(format="rgb24")
    at, lines = 0, []
    for plane in decoded.planes:
        memory[at : at + plane.buffer_size] = memoryview(plane)
        at += plane.buffer_size
        lines.append(plane.line_size)
    return {
        **told,
        "size": [decoded.width, decoded.height],
        "format": decoded.format.name,
        "lines": lines,
        "colours": [int(getattr(decoded, name)) for name in COLOURS],
        "turned": [orientation.transpose, orientation.flip_x, orientation.flip_y],
    }


def taken(told: dict[str, Any], memory: memoryview, size: tuple[int, int], shrink: Shrinking) -> Frame:
    """The frame that `put` wrote, with pixels of its own; raises Unfit when it is none of the video.

    size   width and height as shown
    """
    try:
        frame = _taken(told, memory, shrink)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unfit(str(error)) from error
    if (frame.width, frame.height) != size:
        raise Unfit(f"a frame of {frame.width}×{frame.height} instead of {size[0]}×{size[1]}")
    return frame


def _taken(told: dict[str, Any], memory: memoryview, shrink: Shrinking) -> Frame:
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
    return DecodedFrame(index, time, decoded, turned, shrink)


def _goes_as_it_is(decoded: VideoFrame, most: int) -> bool:
    """Whether its planes lie in plain memory, top line first, and fit."""
    planes = decoded.planes
    plain = bool(planes) and all(plane.line_size > 0 and plane.buffer_size > 0 for plane in planes)
    return plain and sum(plane.buffer_size for plane in planes) <= most
