"""Checking frame numbers against the length of a video, in the same words for every source."""

from __future__ import annotations

from typing import SupportsIndex

from masklet.errors import UnknownFrameError


def check_frame(index: int, length: int) -> int:
    """The index, if it is a whole number and lies in the video; raises UnknownFrameError otherwise."""
    if isinstance(index, bool) or not isinstance(index, SupportsIndex):
        raise UnknownFrameError(f"frame {index!r} must be a whole number (0–{length - 1})")
    if not 0 <= index < length:
        raise UnknownFrameError(f"frame {index} is outside the video (0–{length - 1})")
    return index


def check_range(start: int, stop: int, step: int, length: int) -> range:
    """range(start, stop, step), if all of it lies in the video; raises UnknownFrameError otherwise."""
    if step == 0:
        raise UnknownFrameError("step 0 reads the same frame for ever; give 1 to read forward, -1 backward")
    wanted = range(start, stop, step)
    if wanted:
        check_frame(wanted[0], length)
        check_frame(wanted[-1], length)
    return wanted
