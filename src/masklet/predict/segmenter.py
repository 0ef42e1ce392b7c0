"""The front door: one engine, and the ways to use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.engine.protocol import Engine
from masklet.errors import MaskError
from masklet.predict.automatic import AutoMask, AutomaticOptions, segment_everything
from masklet.predict.image import ImageSession
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession
from masklet.predict.stream import Prompts, Stream
from masklet.video.folder import read_image, rgb_array
from masklet.video.protocol import FrameSource, FrameStream

Picture = str | os.PathLike[str] | np.ndarray | Image.Image
"""A path, an array uint8 [H, W, 3] RGB (or [H, W] grey, [H, W, 4] RGBA), or a PIL image."""


class Segmenter:
    """A loaded model. Sessions are independent of each other; the engine runs one call at a time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def __repr__(self) -> str:
        return f"Segmenter({self.engine.name} on {self.engine.device}, input {self.engine.input_size})"

    def image(self, picture: Picture, *, second_look: bool = True, closer_look: bool = True) -> ImageSession:
        """Open a picture for questions; `second_look` and `closer_look`: see `ImageSession`."""
        picture = load_picture(picture)
        return ImageSession(self.engine, picture, second_look=second_look, closer_look=closer_look)

    def images(self, pictures: Iterable[Picture]) -> Iterator[ImageSession]:
        """Open pictures one after another; each is freed when the caller lets go of it."""
        return (self.image(picture) for picture in pictures)

    def automatic(
        self,
        picture: Picture,
        options: AutomaticOptions | None = None,
        *,
        on_step: Callable[[int, int], None] = lambda done, total: None,
    ) -> list[AutoMask]:
        """All objects of a picture, without prompts; on_step hears (clicks asked, clicks in all)."""
        options = options or AutomaticOptions()
        return segment_everything(self.engine, load_picture(picture), options, on_step=on_step)

    def video(
        self, video: str | os.PathLike[str] | FrameSource | Any, *, policy: TrackingPolicy | None = None
    ) -> VideoSession:
        """Open a stored video: a file, a folder of pictures, or a source of frames."""
        source, ours = self._open(video)
        try:
            return VideoSession(source, self.engine, policy, close_source=ours)
        except BaseException:
            if ours:
                source.close()
            raise

    def resume(
        self,
        saved: str | os.PathLike[str],
        video: str | os.PathLike[str] | FrameSource | Any,
        *,
        policy: TrackingPolicy | None = None,
    ) -> VideoSession:
        """Go on with a session saved by `VideoSession.save`, on the same video."""
        source, ours = self._open(video)
        try:
            return VideoSession.load(Path(saved), source, self.engine, policy, close_source=ours)
        except BaseException:
            if ours:
                source.close()
            raise

    def stream(
        self,
        frames: str | os.PathLike[str] | FrameStream | FrameSource | Iterable[Any] | None = None,
        *,
        prompts: Prompts | None = None,
        policy: TrackingPolicy | None = None,
    ) -> Stream:
        """Follow objects through an endless source, a video read in order, an iterable of arrays uint8
        [H, W, 3] RGB or of frames; or, without any, through what is given to `step`."""
        if frames is None:
            return Stream(self.engine, prompts=prompts, policy=policy)
        from masklet.video.source import open_stream  # brings the video decoder, which few callers need

        return Stream(self.engine, open_stream(frames), prompts=prompts, policy=policy)

    @staticmethod
    def _open(video: Any) -> tuple[FrameSource, bool]:
        """A source, and whether we opened it and so must close it."""
        if hasattr(video, "read") and hasattr(video, "__len__"):
            return video, False
        from masklet.video.source import open_source  # brings the video decoder, which few callers need

        return open_source(video), True


def load_picture(picture: Picture) -> np.ndarray:
    """uint8 [H, W, 3] RGB, turned the way the camera says; raises VideoError or MaskError.

    Transparent parts of files and PIL images are black; an array's alpha is left out.
    """
    if isinstance(picture, (str, os.PathLike)):
        return read_image(picture)
    if isinstance(picture, Image.Image):
        return rgb_array(picture)
    array = np.asarray(picture)
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or 0 in array.shape:
        raise MaskError(f"a picture must be uint8 [H, W, 3], got {array.dtype} {list(array.shape)}")
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2)
    if array.shape[2] == 4:
        return np.ascontiguousarray(array[..., :3])
    if array.shape[2] != 3:
        raise MaskError(f"a picture must have 3 channels, got {array.shape[2]}")
    return array
