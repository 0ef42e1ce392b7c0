"""Videos to measure with: pictures made up on the spot, and one clip looped to any length."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path

import av
import numpy as np

RATE = 25
SECONDS_LOOPED = 8


def discs(width: int, height: int, frames: int, seed: int = 0) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3]: three discs that wander over a rough ground, so that there is something to find."""
    random = np.random.default_rng(seed)
    ground = random.integers(60, 190, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    ground = ground.repeat(8, 0).repeat(8, 1)[:height, :width]
    colours = random.integers(0, 256, (3, 3), np.uint8)
    turns = random.uniform(0, 2 * np.pi, (3, 2))
    y, x = np.ogrid[:height, :width]
    for t in range(frames):
        image = ground.copy()
        for k, radius in enumerate((height // 5, height // 7, height // 9)):
            cx = width * (0.5 + 0.3 * np.sin(t / 40 + turns[k, 0]))
            cy = height * (0.5 + 0.25 * np.cos(t / 55 + turns[k, 1]))
            image[(x - cx) ** 2 + (y - cy) ** 2 < radius**2] = colours[k]
        yield image


def write(path: Path, images: Iterator[np.ndarray], width: int, height: int, rate: int = RATE) -> Path:
    """Encode pictures as H.264, with a keyframe every 10 s as encoders do by default."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def pictures_of(video: Path, width: int, height: int, frames: int) -> Iterator[np.ndarray]:
    """The first frames of a video at another size."""
    with av.open(str(video)) as container:
        for frame in islice(container.decode(video=0), frames):
            yield frame.reformat(width, height, "rgb24").to_ndarray()


def looped(path: Path, clip: Path, minutes: float) -> Path:
    """A clip's packets again and again with later times: minutes of video in seconds, nothing encoded."""
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        packets = [p for p in source.demux(stream) if p.size]
        tick = stream.time_base
        assert tick is not None
        length = round(len(packets) / stream.average_rate / tick)
        wanted = round(minutes * 60 * stream.average_rate)
        with av.open(str(path), "w") as container:
            copy = container.add_stream_from_template(stream)
            for number, packet in enumerate(islice(cycle(packets), wanted)):
                container.mux(_later(packet, copy, number // len(packets) * length, tick))
    return path


def _later(packet: av.Packet, stream: av.VideoStream, ticks: int, tick: Fraction) -> av.Packet:
    moved = av.Packet(bytes(packet))
    moved.pts, moved.dts = packet.pts + ticks, packet.dts + ticks
    moved.duration, moved.time_base = packet.duration, tick
    moved.is_keyframe, moved.stream = packet.is_keyframe, stream
    return moved
