"""Objects cut out of their background, with transparency."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from masklet.errors import SinkError
from masklet.types import Frame, FrameMasks, Mask
from masklet.video.draft import Draft, make_folder, writing
from masklet.video.encoder import VideoEncoder, VideoFormat
from masklet.video.sink import Sink

PRORES = VideoFormat("mov", ("prores_ks",), "yuva444p10le", options={"profile": "4444"}, even=False)
# WebM counts milliseconds, and PyAV cannot note a pixel's aspect in it; row-mt and cpu-used keep VP9 near the
# speed of H.264.
WEBM = VideoFormat(
    "webm",
    ("libvpx-vp9",),
    "yuva420p",
    options={"crf": "24", "b": "0", "row-mt": "1", "deadline": "realtime", "cpu-used": "6"},
    ticks=1000,
    notes_aspect=False,
)

FORMATS = {".mov": PRORES, ".webm": WEBM}


class CutOut(Sink):
    """The chosen objects on transparent ground.

    path      a folder for PNGs (00000.png, …), or a file: .mov is ProRes 4444, .webm is VP9 with alpha
    objects   ids to keep; None keeps all
    sample_aspect   how wide a pixel of the source is shown for its height; for videos

    A video needs its frames in order of time (InOrder), PNGs do not.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        objects: Iterable[int] | None = None,
        sample_aspect: Fraction = Fraction(1),
    ) -> None:
        self.path = Path(path)
        self._objects = None if objects is None else frozenset(objects)
        self._encoder: VideoEncoder | None = None
        suffix = self.path.suffix.lower()
        if suffix in FORMATS:
            self._encoder = VideoEncoder(self.path, FORMATS[suffix], sample_aspect=sample_aspect)
        elif suffix and not self.path.is_dir():
            raise SinkError(f"cannot write {self.path}: a cut-out is a .mov, a .webm or a folder (no suffix)")
        else:
            make_folder(self.path)

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        chosen = [m for i, m in masks.masks.items() if self._objects is None or i in self._objects]
        image = cut_out(frame.image, chosen)
        if self._encoder is not None:
            self._encoder.write(image, frame.time)
        else:
            write_rgba_png(self.path / f"{frame.index:05d}.png", image)

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()


def cut_out(image: np.ndarray, masks: Iterable[Mask]) -> np.ndarray:
    """uint8 [H, W, 4]: the image where any of the masks is set, transparent black elsewhere."""
    alpha = np.zeros(image.shape[:2], dtype=bool)
    for mask in masks:
        alpha |= mask.to_array()
    return np.dstack([image * alpha[:, :, None], alpha.astype(np.uint8) * 255])


def write_rgba_png(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Write uint8 [H, W, 4] as a PNG, beside and renamed."""
    from PIL import Image

    draft = Draft(path)
    try:
        with writing(draft.target):
            Image.fromarray(image).save(draft.path, format="PNG")
    except BaseException:
        draft.discard()
        raise
    draft.commit()
