"""A video's frames, fetched from the server when they are asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from masklet.client.transport import Transport
from masklet.types import Frame
from masklet.video.positions import check_frame, check_range


class RemoteFrames:
    """A FrameSource of a server's video; pictures come as JPEG, so they are close, not exact."""

    def __init__(self, transport: Transport, video: Mapping[str, Any]) -> None:
        self.name = str(video["name"])
        self.width, self.height = int(video["width"]), int(video["height"])
        self.rate = Fraction(video["rate_exact"]) if video["rate_exact"] else None
        self._length = int(video["frames"])
        self._transport = transport
        self._path = f"/api/videos/{video['id']}"
        self._times: list[float] | None = None

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> Frame:
        from PIL import Image

        check_frame(index, len(self))
        if self._times is None:
            self._times = self._transport.call("GET", f"{self._path}/times")["times"]
        data = self._transport.fetch("GET", f"{self._path}/frames/{index}")
        with Image.open(io.BytesIO(data)) as image:
            array = np.array(image.convert("RGB"))
        return Frame(index, Fraction(self._times[index]).limit_denominator(10**6), array)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        return (self[index] for index in check_range(start, stop, step, len(self)))

    def close(self) -> None: ...
