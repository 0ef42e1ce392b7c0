"""Opening a video file and decoding its pictures in the order and the orientation they are shown."""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masklet.errors import VideoError

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


@contextmanager
def opened(path: Path, *, threaded: bool = True) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and choose its video stream; raises VideoError in one clear line."""
    import av
    from av.stream import Disposition

    if not path.exists():
        raise VideoError(f"no file {path}; check the path")
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{path} cannot be opened as a video: {_why(path, error)}") from error
    try:
        # The cover picture of a song or film is a video stream too.
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"{path} holds no video stream")
        best = container.streams.best("video")
        stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
        stream.thread_type = "AUTO" if threaded else "NONE"
        yield container, stream
    finally:
        container.close()


def decode_all(container: InputContainer, stream: VideoStream) -> Generator[VideoFrame, None, None]:
    """Decoded pictures from where the container stands, in the order they are shown.

    What a damaged packet loses is left out and what the decoder conceals is marked `is_corrupt`:
    the caller, who knows which pictures there should be, notices the gap.
    """
    import av

    for packet in _packets(container, stream):
        try:
            frames = stream.decode(packet)
        except av.FFmpegError:
            frames = []
        yield from frames


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet | None]:
    """Packets to decode, None last: the decoder then gives the pictures it still holds."""
    import av

    doubtful: list[Packet] = []
    try:
        for packet in container.demux(stream):
            if not packet.size:
                break
            if packet.is_corrupt:
                # Cut off at the end of a file, a packet would cost the pictures the decoder's threads
                # still hold; it is worth trying only when others follow.
                doubtful.append(packet)
                continue
            yield from doubtful
            doubtful.clear()
            yield packet
    except (av.FFmpegError, OSError):
        pass  # the file cannot be read further; the caller knows what is missing
    yield None


@dataclass(frozen=True)
class Orientation:
    """How stored pictures are turned for showing (phones store them lying down): transpose, then flip."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """From the frame's display matrix, nine integers: (x, y) goes to (a x + c y, b x + d y)."""
        from av.sidedata.sidedata import Type

        # Asked for by its type: what a loop over side data gives differs between versions of PyAV.
        matrix = frame.side_data.get(Type.DISPLAYMATRIX)
        if matrix is None:
            return cls()
        a, b, _, c, d = struct.unpack("=9i", bytes(matrix))[:5]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(True, flip_x=c < 0, flip_y=b < 0)
        return cls(False, flip_x=a < 0, flip_y=d < 0)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """image [H, W, 3] as stored → as shown."""
        if self == Orientation():
            return image
        if self.transpose:
            image = image.transpose(1, 0, 2)
        return np.ascontiguousarray(image[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1])


def to_rgb(frame: VideoFrame, orientation: Orientation) -> np.ndarray:
    """A decoded picture as uint8 [H, W, 3] RGB, as shown."""
    return orientation.apply(frame.to_ndarray(format="rgb24"))


def _why(path: Path, error: Exception) -> str:
    if path.is_dir():
        return "it is a folder"
    if path.stat().st_size == 0:
        return "the file is empty"
    reason = getattr(error, "strerror", None) or str(error)
    if reason.startswith("Invalid data"):
        return "it is not a video, or its end is missing (MP4 keeps its index there); download it again"
    return "it has no frame" if reason == "End of file" else reason
