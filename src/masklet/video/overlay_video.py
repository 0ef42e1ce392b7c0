"""The video with its masks painted over it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction

from masklet.types import Frame, FrameMasks, Prompt
from masklet.video.encoder import VideoEncoder, VideoFormat
from masklet.video.overlay import draw
from masklet.video.sink import Sink

# crf 20 looks like the original; veryfast keeps the encoder out of the model's way on a laptop.
X264 = {"preset": "veryfast", "crf": "20"}

MP4 = VideoFormat(
    "mp4", ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4"), "yuv420p", options=X264
)


class OverlayVideo(Sink):
    """An MP4 (H.264) of the frames with tinted, outlined objects, each frame at its source's exact time.

    opacity, outline, labels   see masklet.video.overlay.draw
    prompts     frame index → object id → prompt, to show what was clicked
    time_base   seconds a tick; give VideoFile.time_base when rates are unusual, else it is found
    sample_aspect   how wide a pixel is shown for its height; give VideoFile.sample_aspect

    Frames must come in order of time; wrap it in InOrder when they may not. The file plays from
    time 0. Odd sizes get their last row or column doubled, which H.264 asks for.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        opacity: float = 0.45,
        outline: int = 2,
        labels: bool = False,
        prompts: Mapping[int, Mapping[int, Prompt]] | None = None,
        time_base: Fraction | None = None,
        sample_aspect: Fraction = Fraction(1),
    ) -> None:
        self._encoder = VideoEncoder(path, MP4, time_base=time_base, sample_aspect=sample_aspect)
        self._opacity = opacity
        self._outline = outline
        self._labels = labels
        self._prompts = prompts or {}

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        image = draw(
            frame.image,
            masks.masks,
            opacity=self._opacity,
            outline=self._outline,
            labels=self._labels,
            prompts=self._prompts.get(frame.index),
        )
        self._encoder.write(image, frame.time)

    def close(self) -> None:
        self._encoder.close()
