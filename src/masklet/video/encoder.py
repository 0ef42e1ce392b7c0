"""Writing a video file frame by frame, each at its exact time."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.errors import SinkError
from masklet.video.draft import Draft, unwritable

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

# 2^10 · 3^2 · 5^4: milliseconds, 1/90000, 1/15360, 1/12800, n·1001/24000, …/30000, …/60000 all fit.
COMMON_TICKS = 5_760_000

BT709 = 1  # colour matrix, primaries and transfer of HD video, as FFmpeg numbers them
LIMITED_RANGE = 1


@dataclass(frozen=True)
class VideoFormat:
    """A container and a codec, with the settings to use.

    codecs         FFmpeg's encoder names, the first one present is taken
    even           whether width and height must be even (4:2:0): the last row or column is doubled
    ticks          ticks a second if the container prescribes them
    notes_aspect   whether the file can say how wide a pixel is shown; else pictures are made as wide as that
    """

    container: str
    codecs: Sequence[str]
    pixels: str
    options: Mapping[str, str] = field(default_factory=dict)
    even: bool = True
    ticks: int | None = None
    notes_aspect: bool = True


class VideoEncoder:
    """Writes pictures as video; the first frame is time 0, every other as far from it as it was.

    time_base   seconds a tick in the file; None finds one that holds the first frames' times and the
                usual rates exactly (times that do not fit are off by less than 0.1 µs)
    sample_aspect   how wide a pixel is to be shown for its height

    One frame is held back, because a frame's duration is known when the next one comes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: VideoFormat,
        *,
        time_base: Fraction | None = None,
        sample_aspect: Fraction = Fraction(1),
    ) -> None:
        self._draft = Draft(path)
        self._format = format
        self._time_base = time_base
        self._aspect = sample_aspect
        self._held: tuple[np.ndarray, Fraction] | None = None
        self._start = Fraction(0)
        self._gap = Fraction(1, 25)  # a film of one frame
        self._size: tuple[int, int] | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._done = False

    def write(self, image: np.ndarray, time: Fraction) -> None:
        """image uint8 [H, W, 3] RGB or [H, W, 4] RGBA; time in seconds, later than the one before."""
        if self._done:
            raise SinkError(f"{self._draft.target} is already closed")
        size = (image.shape[1], image.shape[0])
        if self._size is not None and size != self._size:
            raise SinkError(
                f"{self._draft.target} has frames of {self._size[0]}×{self._size[1]}, got {size[0]}×{size[1]}"
            )
        self._size = size
        if self._held is None:
            self._start = time
        else:
            gap = time - self._held[1]
            if gap <= 0:
                raise SinkError(
                    f"{self._draft.target}: the frame at {float(time):.3f} s comes after the one at "
                    f"{float(self._held[1]):.3f} s; a video is written in order; "
                    "masklet.video.in_order.InOrder(…) does that"
                )
            self._gap = gap
            self._encode_held()
        self._held = (image, time)

    def close(self) -> None:
        """Complete the file and put it in its place; with no frames, no file is made."""
        if self._done:
            return
        if self._held is None:
            log.warning("no frame was written: there is no %s", self._draft.target)
            self.discard()
            return
        self._encode_held()
        self._attempt(self._finish)
        self._draft.commit()
        self._done = True

    def discard(self) -> None:
        """Give the file up: nothing of it stays."""
        self._done = True
        self._held = None
        if self._container is not None:
            with suppress(Exception):  # closing writes what is left, and may fail as the writing did
                self._container.close()
        self._draft.discard()

    def _encode_held(self) -> None:
        assert self._held is not None
        image, time = self._held
        self._attempt(lambda: self._encode(image, time - self._start))

    def _attempt(self, action: Any) -> None:
        import av

        try:
            action()
        except (OSError, av.FFmpegError) as error:
            self.discard()
            if isinstance(error, OSError):
                raise unwritable(self._draft.target, error) from error
            raise SinkError(f"cannot encode {self._draft.target}: {error}") from error

    def _encode(self, image: np.ndarray, time: Fraction) -> None:
        import av

        if self._stream is None:
            self._begin()
        assert self._container is not None
        assert self._stream is not None
        assert self._time_base is not None
        if self._format.even:
            image = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(
            np.ascontiguousarray(image), format="rgb24" if image.shape[2] == 3 else "rgba"
        )
        frame = picture.reformat(
            self._stream.width,
            self._stream.height,
            format=self._format.pixels,
            dst_colorspace="ITU709",
            dst_color_range="MPEG",
        )
        frame.time_base = self._time_base
        frame.pts = round(time / self._time_base)
        frame.duration = round(self._gap / self._time_base)
        self._container.mux(self._stream.encode(frame))

    def _begin(self) -> None:
        import av

        assert self._size is not None
        self._container = av.open(str(self._draft.path), "w", format=self._format.container)
        rate = (1 / self._gap).limit_denominator(1001 * 1000)
        stream: Any = self._container.add_stream(_present(self._format.codecs), rate=rate)
        width, height = self._size
        if not self._format.notes_aspect:
            width = max(1, round(width * self._aspect))
        even = self._format.even
        stream.width, stream.height = (n + (n % 2 if even else 0) for n in (width, height))
        stream.pix_fmt = self._format.pixels
        stream.options = dict(self._format.options)
        self._time_base = self._ticks()
        stream.codec_context.time_base = self._time_base
        stream.time_base = self._time_base
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED_RANGE
        if self._format.notes_aspect and self._aspect != 1:
            context.sample_aspect_ratio = self._aspect
        self._stream = stream

    def _ticks(self) -> Fraction:
        if self._format.ticks is not None:
            return Fraction(1, self._format.ticks)
        if self._time_base is not None:
            return self._time_base
        exact = math.lcm(COMMON_TICKS, self._gap.denominator)
        return Fraction(1, exact if exact < 2**31 else COMMON_TICKS)

    def _finish(self) -> None:
        assert self._container is not None
        assert self._stream is not None
        self._container.mux(self._stream.encode(None))
        self._container.close()


def _present(codecs: Sequence[str]) -> str:
    import av

    for name in codecs:
        if name in av.codecs_available:
            try:
                return av.Codec(name, "w").name
            except ValueError:  # there, but for decoding only
                continue
    raise SinkError(f"this PyAV has none of the encoders {', '.join(codecs)}; pip install -U av")
