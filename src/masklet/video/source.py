"""One door for everything frames can come from: as a stored video, or as a stream."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from masklet.errors import VideoError
from masklet.video.animated import AnimatedPicture, is_animated
from masklet.video.arrays import ArrayFrames
from masklet.video.file import VideoFile
from masklet.video.folder import FrameFolder, is_picture
from masklet.video.protocol import FrameSource, FrameStream
from masklet.video.stream import StreamOf


def open_source(
    source: str | os.PathLike[str] | np.ndarray | Sequence[Any] | FrameSource,
    *,
    rate: Fraction | int | None = None,
) -> FrameSource:
    """Open a video file, a folder of pictures, a picture, an array, a list of arrays or of picture files.

    A FrameSource is given back as it is. `rate` is for pictures and arrays, which have no time.
    Raises VideoError, naming what was given, when nothing can be read from it.
    """
    if isinstance(source, str) and not source:
        # An unset variable, mostly; as a path it would be the folder one is in.
        raise VideoError("the video's path is empty; give a file or a folder")
    if isinstance(source, (str, os.PathLike)):
        return _open_path(Path(source).expanduser(), rate)
    if _is_source(source):
        return source
    if isinstance(source, np.ndarray):
        return ArrayFrames(source, rate=rate)
    if isinstance(source, Sequence):
        if source and all(isinstance(item, (str, os.PathLike)) for item in source):
            return FrameFolder(source, rate=rate)
        return ArrayFrames([np.asarray(item) for item in source], rate=rate)
    if hasattr(source, "__iter__"):
        raise VideoError(
            f"a {type(source).__name__} has no known length; stream it through masklet.StreamOf(…) or make "
            "it a list"
        )
    raise VideoError(
        f"cannot read frames from a {type(source).__name__}; give a path, a folder, an array or a list"
    )


def open_stream(frames: Any) -> FrameStream:
    """Frames once, in order, from whatever holds them: a path, a source, or an iterable of arrays or frames.

    A FrameStream is given back as it is. Raises VideoError, naming what was given, for anything else.
    """
    if isinstance(frames, (str, os.PathLike)):
        return StreamOf(open_source(frames))
    if _is_source(frames) or isinstance(frames, (Generator, np.ndarray)):
        return StreamOf(frames)
    if not hasattr(frames, "__iter__"):
        raise VideoError(
            f"cannot stream frames from a {type(frames).__name__}; give a path, a masklet.Camera, or an "
            "iterable of arrays"
        )
    stream: FrameStream = frames if hasattr(frames, "close") else StreamOf(frames)
    return stream


def _open_path(path: Path, rate: Fraction | int | None) -> FrameSource:
    if path.is_dir():
        return FrameFolder(path, rate=rate)
    if is_picture(path):
        return FrameFolder([path], rate=rate)
    return AnimatedPicture(path) if is_animated(path) else VideoFile(path)


def _is_source(source: Any) -> TypeGuard[FrameSource]:
    return all(hasattr(source, part) for part in ("read", "width", "height", "__len__", "__getitem__"))
