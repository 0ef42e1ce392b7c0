"""An animated picture (WebP, APNG) as a video. GIF is FFmpeg's to read, which has no animated WebP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from PIL import Image

from masklet.errors import VideoError
from masklet.types import Frame
from masklet.video.folder import rgb_array
from masklet.video.positions import check_frame, check_range

FORMATS = ("WEBP", "PNG")
"""Those whose further pictures are an animation; in a JPEG they are previews, in a TIFF pages."""
UNSAID_MS = 100
"""How long a picture stays that says 0, as in browsers."""
BACKWARD_BYTES = 128 * 2**20
"""Most memory that reading backwards holds in frames (at least 8 frames)."""


class AnimatedPicture:
    """The pictures of an animation, read when asked for, with their own times.

    A picture is made from those before it, so each reading goes through the file from its beginning.
    """

    concurrent = True
    """`read` may run on another thread beside everything else here."""
    time_base = Fraction(1, 1000)
    """Seconds a tick: every frame's time is a multiple of it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = self.path.name
        try:
            with Image.open(self.path) as image:
                self.height, self.width = rgb_array(image, self.name).shape[:2]
                durations = [_duration(image, index) for index in range(_count(image))]
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise VideoError(f"{self.path} cannot be read as an animation: {error}") from error
        self._times = [Fraction(0), *accumulate(durations)]
        self.rate: Fraction | None = len(durations) / self._times[-1]

    @property
    def times(self) -> np.ndarray:
        """float64 [N], seconds of every frame from the first one."""
        return np.array([float(time) for time in self._times[:-1]])

    def __len__(self) -> int:
        return len(self._times) - 1

    def __getitem__(self, index: int) -> Frame:
        check_frame(index, len(self))
        return next(self._read_forward(range(index, index + 1)))

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        """Frames of range(start, stop, step); a negative step reads backwards in chunks."""
        wanted = check_range(start, stop, step, len(self))
        return self._read_forward(wanted) if step > 0 else self._read_backward(wanted)

    def close(self) -> None: ...

    def __enter__(self) -> AnimatedPicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_forward(self, wanted: range) -> Iterator[Frame]:
        with Image.open(self.path) as image:
            for index in wanted:
                image.seek(index)
                yield Frame(index, self._times[index], rgb_array(image, self.name))

    def _read_backward(self, wanted: range) -> Iterator[Frame]:
        limit = max(8, BACKWARD_BYTES // (self.width * self.height * 3))
        for begin in range(0, len(wanted), limit):
            yield from reversed(list(self._read_forward(wanted[begin : begin + limit][::-1])))


def is_animated(path: Path) -> bool:
    """Whether a picture file holds an animation; a file that cannot be read does not."""
    try:
        with Image.open(path) as image:
            return image.format in FORMATS and _count(image) > 1
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1))


def _duration(image: Image.Image, index: int) -> Fraction:
    """Seconds that a picture is shown."""
    image.seek(index)
    image.load()
    return Fraction(round(image.info.get("duration", 0)) or UNSAID_MS, 1000)
