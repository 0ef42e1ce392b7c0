"""A camera, or any live address FFmpeg can open, as a stream of frames."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from masklet.errors import VideoError
from masklet.types import Frame
from masklet.video.decoded_frame import DecodedFrame, Shrinking
from masklet.video.decoding import Orientation

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

CAPTURE_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


class Camera:
    """Live frames from a camera (0, 1, … or its name) or an address (rtsp://, http://, udp://).

    device     number or name of the camera, or an address
    size       (width, height) to ask the camera for; None takes its own choice
    rate       frames a second to ask for
    format     FFmpeg's name of the capture system; None picks by operating system
    latest     True gives the newest frame and drops those nobody had time for, so that what is
               shown never lags; False gives every frame
    timeout    seconds to wait for a frame before VideoError

    Frame times are the camera's own, from 0 at the first frame; indices count the frames given.
    """

    def __init__(
        self,
        device: int | str = 0,
        *,
        size: tuple[int, int] | None = None,
        rate: int | None = None,
        format: str | None = None,
        latest: bool = True,
        timeout: float = 10.0,
    ) -> None:
        self.name = f"camera {device}" if isinstance(device, int) else device
        self._timeout = timeout
        self._latest = latest
        self._container = _open(device, size, rate, format, timeout)
        if not self._container.streams.video:
            self._container.close()
            raise VideoError(f"{self.name} gives no video")
        self._slot = _Slot(latest)
        self._reader = threading.Thread(target=self._read, name=f"masklet {self.name}", daemon=True)
        self._shrink = Shrinking()
        self._given = 0
        self._start: Fraction | None = None

    def __iter__(self) -> Iterator[Frame]:
        if not self._reader.is_alive() and not self._slot.ended:
            self._reader.start()
        while (frame := self._slot.take(self._timeout)) is not None:
            yield self._frame(frame)
        if self._slot.waited:
            raise VideoError(f"{self.name} gave no frame for {self._timeout:g} s; check its connection")
        if self._slot.failure is not None:
            raise VideoError(f"{self.name} stopped: {self._slot.failure}") from self._slot.failure

    def close(self) -> None:
        """Stop the camera; frames already given stay valid."""
        self._slot.end()
        if self._reader.is_alive():
            self._reader.join(self._timeout)
        if not self._reader.is_alive():  # a reader that hangs in FFmpeg still uses the container
            self._container.close()

    def __enter__(self) -> Camera:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        import av

        try:
            for frame in self._container.decode(video=0):
                if not self._slot.put(frame):
                    return
            self._slot.end()
        except (av.FFmpegError, OSError) as error:
            self._slot.end(error)

    def _frame(self, frame: VideoFrame) -> Frame:
        if frame.pts is not None and frame.time_base is not None:
            time = frame.pts * frame.time_base
        else:
            time = Fraction(self._given, 30)
        if self._start is None:
            self._start = time
        given = DecodedFrame(self._given, time - self._start, frame, Orientation.of(frame), self._shrink)
        self._given += 1
        return given


class _Slot:
    """Hands frames from the reading thread to the caller, one at a time."""

    def __init__(self, latest: bool) -> None:
        self._latest = latest
        self._frame: VideoFrame | None = None
        self._changed = threading.Condition()
        self.ended = False
        self.waited = False
        self.failure: Exception | None = None

    def put(self, frame: VideoFrame) -> bool:
        """Leave a frame; False once nobody takes them any more. Waits for the last one if none may drop."""
        with self._changed:
            if not self._latest:
                self._changed.wait_for(lambda: self._frame is None or self.ended)
            if self.ended:
                return False
            self._frame = frame
            self._changed.notify_all()
            return True

    def take(self, timeout: float) -> VideoFrame | None:
        with self._changed:
            here = self._changed.wait_for(lambda: self._frame is not None or self.ended, timeout)
            self.waited = not here
            frame, self._frame = self._frame, None
            self._changed.notify_all()
            return frame

    def end(self, failure: Exception | None = None) -> None:
        with self._changed:
            self.ended = True
            self.failure = self.failure or failure
            self._changed.notify_all()


def _open(
    device: int | str, size: tuple[int, int] | None, rate: int | None, format: str | None, timeout: float
) -> InputContainer:
    import av

    address, system = str(device), format
    if system is None and "://" not in address:
        system = CAPTURE_FORMATS.get(sys.platform, "v4l2")
        if system == "v4l2" and isinstance(device, int):
            address = f"/dev/video{device}"
        if system == "dshow":
            if isinstance(device, int):
                raise VideoError(f'camera {device}: on Windows cameras go by name; give Camera("its name")')
            address = f"video={device}"
    asked = {}
    if size is not None:
        asked["video_size"] = f"{size[0]}x{size[1]}"
    if rate is not None:
        asked["framerate"] = str(rate)
    elif system == "avfoundation":
        asked["framerate"] = "30"  # its own default, 29.97, is refused by most Macs' cameras
    try:
        return av.open(address, format=system, options=asked, timeout=timeout)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(
            f"camera {device} cannot be opened ({address}: {reason}); is it connected, and free?"
        ) from error
