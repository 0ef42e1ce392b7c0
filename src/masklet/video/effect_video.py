"""The video with effects on its objects and its background."""

from __future__ import annotations

import os
from fractions import Fraction

from masklet.types import Frame, FrameMasks
from masklet.video.effects import Look, render
from masklet.video.encoder import VideoEncoder
from masklet.video.overlay_video import MP4
from masklet.video.sink import Sink


class EffectVideo(Sink):
    """An MP4 (H.264) of the frames as a Look shows them, each at its source's exact time; no sound.

    Frames must come in order of time. time_base, sample_aspect: see OverlayVideo. Sound is added by
    `with_sound`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        look: Look,
        *,
        time_base: Fraction | None = None,
        sample_aspect: Fraction = Fraction(1),
    ) -> None:
        self._encoder = VideoEncoder(path, MP4, time_base=time_base, sample_aspect=sample_aspect)
        self._look = look

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        self._encoder.write(render(frame.image, masks.masks, self._look), frame.time)

    def close(self) -> None:
        self._encoder.close()
