"""Frames as small pictures for the browser, made when asked for and kept while there is room."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from masklet.errors import ConfigError
from masklet.server.library import Library
from masklet.server.records import Records
from masklet.server.shared_frames import SharedFrames
from masklet.types import Frame
from masklet.video.decoded_frame import DecodedFrame

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHTS = (90, 180, 360, 480, 720, 1080, 1440, 2160)
FORMATS = {"jpeg": "image/jpeg", "webp": "image/webp"}
KEPT_BYTES = 96 * 2**20
OPEN_VIDEOS = 6
QUALITY = 86


@dataclass
class _Open:
    source: SharedFrames
    users: int = 0


class Pictures:
    """Frames as JPEG or WebP. Calls may come from any thread.

    turns   where requests queue, in order: more at once than there are processors would only delay the first
    """

    def __init__(self, library: Library, records: Records) -> None:
        self._library = library
        self._records = records
        self._lock = threading.Lock()
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._kept: OrderedDict[tuple[str, int, int, str], bytes] = OrderedDict()
        self._bytes = 0
        self._heights: dict[str, int] = {}
        self.turns = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    def frame(self, video_id: str, index: int, height: int | None, format: str) -> bytes:
        """One frame, scaled to a height of HEIGHTS (the next above what is asked), never enlarged."""
        if format not in FORMATS:
            raise ConfigError(f"format {format!r} is unknown; ask for {' or '.join(FORMATS)}")
        rows = rounded_height(height, self._height(video_id))
        key = (video_id, index, rows, format)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        opened = self._take(video_id)
        try:
            frame = opened.source[index]
        finally:
            self._give_back(opened)
        data = encoded(frame, rows, format)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = data
                self._bytes += len(data)
            while self._bytes > KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return data

    def times(self, video_id: str) -> list[float]:
        """Seconds of every frame."""
        opened = self._take(video_id)
        try:
            times = opened.source.times
        finally:
            self._give_back(opened)
        return [round(float(t), 6) for t in times]

    def forget(self, video_id: str) -> None:
        """Let go of a video's file and pictures."""
        with self._lock:
            opened = self._open.pop(video_id, None)
            self._heights.pop(video_id, None)
            for key in [k for k in self._kept if k[0] == video_id]:
                self._bytes -= len(self._kept.pop(key))
        if opened is not None:
            opened.source.close()

    def close(self) -> None:
        for video_id in list(self._open):
            self.forget(video_id)

    def _height(self, video_id: str) -> int:
        """Of a video's frames; the records are asked once."""
        if video_id not in self._heights:
            self._heights[video_id] = self._records.video(video_id).facts["height"]
        return self._heights[video_id]

    def _take(self, video_id: str) -> _Open:
        with self._lock:
            opened = self._open.get(video_id)
            if opened is None:
                opened = self._open[video_id] = _Open(self._library.shared(self._records.video(video_id)))
            self._open.move_to_end(video_id)
            opened.users += 1
            idle = [i for i, o in self._open.items() if not o.users][: max(0, len(self._open) - OPEN_VIDEOS)]
            for other in idle:
                self._open.pop(other).source.close()
        return opened

    def _give_back(self, opened: _Open) -> None:
        with self._lock:
            opened.users -= 1


def rounded_height(asked: int | None, original: int) -> int:
    """The height a picture is made at: few different ones, so that caches work."""
    if asked is None or asked >= original:
        return original
    if asked < 1:
        raise ConfigError(f"height {asked} must be at least 1")
    return min(next((h for h in HEIGHTS if h >= asked), original), original)


def encoded(frame: Frame, height: int, format: str) -> bytes:
    """A frame → bytes of a picture of that height."""
    picture = _scaled(frame, height)
    file = io.BytesIO()
    if format == "webp":
        picture.save(file, "WEBP", quality=QUALITY, method=2)
    else:
        picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def _scaled(frame: Frame, height: int) -> Image:
    from PIL import Image

    # Even, because FFmpeg takes twice as long over an odd width.
    width = min(frame.width, 2 * max(1, round(frame.width * height / frame.height / 2)))
    if height == frame.height:
        return Image.fromarray(frame.image)
    if isinstance(frame, DecodedFrame):
        return Image.fromarray(frame.resized(width, height))
    whole = Image.fromarray(frame.image)
    return whole.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
