"""Small films, made on the spot, in which every frame's number can be read from its pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from masklet.types import Frame, FrameMasks, Mask

MakeFilm = Callable[..., Path]


def picture(number: int, width: int = 64, height: int = 48) -> np.ndarray:
    """uint8 [H, W, 3]: the number in binary as 8 blocks in the top row, over a coloured ground."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = (60, 120, 180)
    image[height // 2 :, : width // 2] = (200, 40, 40)
    block = width // 8
    for bit in range(8):
        image[: height // 3, bit * block : (bit + 1) * block] = 235 if number >> bit & 1 else 20
    return image


def number_in(image: np.ndarray) -> int:
    """The number a picture shows."""
    block, third = image.shape[1] // 8, image.shape[0] // 3
    middles = [image[third // 2, bit * block + block // 2].mean() > 127 for bit in range(8)]
    return sum(1 << bit for bit, on in enumerate(middles) if on)


def write_film(
    path: Path,
    *,
    frames: int = 30,
    size: tuple[int, int] = (64, 48),
    rate: Fraction = Fraction(30000, 1001),
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    keyframes: int = 10,
    b_frames: int = 2,
    rotation: int | None = None,
    sample_aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
    format: str | None = None,
) -> Path:
    """Write numbered pictures; `times` are presentation times in ticks of `time_base`."""
    base = time_base or 1 / rate
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = pixels
        stream.codec_context.time_base = base
        stream.time_base = base
        stream.codec_context.gop_size = keyframes
        stream.codec_context.max_b_frames = b_frames
        stream.options = codec_options or {}
        if sample_aspect is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="rgb24")
            frame.pts = number if times is None else times[number]
            frame.time_base = base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def film(tmp_path: Path) -> MakeFilm:
    """film("name.mp4", **settings of write_film) → its path."""

    def make(name: str = "film.mp4", **settings: Any) -> Path:
        return write_film(tmp_path / name, **settings)

    return make


def frame_of(number: int, size: tuple[int, int] = (64, 48), time: Fraction | None = None) -> Frame:
    return Frame(number, Fraction(number, 30) if time is None else time, picture(number, *size))


def disc(number: int, size: tuple[int, int] = (64, 48), x: int = 20) -> Mask:
    """A disc that moves to the right with the frame's number."""
    ys, xs = np.mgrid[: size[1], : size[0]]
    return Mask.from_array((xs - x - number) ** 2 + (ys - size[1] // 2) ** 2 <= 36)


def masks_of(number: int, size: tuple[int, int] = (64, 48)) -> FrameMasks:
    """Object 1 on every frame, object 5 on frames 2 and up."""
    masks = {1: disc(number, size)}
    if number >= 2:
        masks[5] = disc(number, size, x=40)
    return FrameMasks(number, masks, {1: 0.9}, {1: 4.5}, frozenset({1} if number == 0 else ()))
