"""A folder of pictures as a video, in the order a person would put their names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masklet.errors import DamagedVideoError, VideoError
from masklet.types import Frame
from masklet.video.positions import check_frame, check_range

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})

STILL_OR_MOVING = frozenset({".avif", ".png", ".webp"})
"""Suffixes of pictures and of animations alike: the file itself tells."""

UNTIMED_RATE = Fraction(24)
"""Frames a second at which pictures without time are counted (DAVIS: 24)."""


class FrameFolder:
    """The pictures of a folder, of any names, in natural order (img2 before img10), read when asked for.

    rate   frames a second if known; without it `rate` is None and frame times count 24 a second

    A photo's own orientation note (EXIF) is applied. All pictures must have one size. A picture
    that cannot be read raises DamagedVideoError when its turn comes.
    """

    concurrent = True
    """`read` may run on another thread beside everything else here."""

    def __init__(
        self,
        folder: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        rate: Fraction | int | None = None,
    ) -> None:
        if isinstance(folder, (str, os.PathLike)):
            self.path = Path(folder)
            self.files = _pictures(self.path)
        else:
            self.files = [Path(f) for f in folder]
            if not self.files:
                raise VideoError("a video needs at least one picture, got an empty list of files")
            self.path = self.files[0].parent
        self.name = self.path.name
        self.rate: Fraction | None = None if rate is None else Fraction(rate)
        self.width, self.height = _one_size(self.files)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Frame:
        check_frame(index, len(self))
        file = self.files[index]
        try:
            image = read_image(file)
        except VideoError as error:
            raise DamagedVideoError(f"frame {index} of {len(self)}: {error}") from error
        return Frame(index, index / (self.rate or UNTIMED_RATE), image)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        """Frames of range(start, stop, step), read one at a time."""
        return (self[i] for i in check_range(start, stop, step, len(self)))

    def close(self) -> None: ...

    def __enter__(self) -> FrameFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_picture(path: Path) -> bool:
    """Whether a file is a single picture; asks Pillow about one that may be a film as well."""
    suffix = path.suffix.lower()
    if suffix not in STILL_OR_MOVING:
        return suffix in IMAGE_SUFFIXES
    from PIL import Image

    try:
        with Image.open(path) as image:
            return not getattr(image, "is_animated", False)
    except Image.DecompressionBombError:
        return True
    except (OSError, SyntaxError, ValueError):  # a Pillow that does not know AVIF, too
        return suffix in IMAGE_SUFFIXES


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """A picture file as uint8 [H, W, 3] RGB, see rgb_array; raises VideoError."""
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    if not path.exists():
        raise VideoError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise VideoError(f"{path} is a folder; give one picture, or open the folder as a video")
    try:
        with Image.open(path) as file:
            return rgb_array(file, str(path))
    except UnidentifiedImageError as error:
        raise VideoError(
            f"{path} is not a picture that can be read; give a JPEG, PNG, WebP, TIFF or BMP file"
        ) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise VideoError(f"{path} cannot be read as a picture: {error}") from error


def rgb_array(image: Image, name: str = "the picture") -> np.ndarray:
    """A PIL image as uint8 [H, W, 3] RGB, turned as its EXIF note says; transparent parts on black.

    name     what to call it when it cannot be used
    raises   VideoError when its pixels have no known range
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(np.asarray(image), image.info.get("transparency"), name)
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(ground, image)
    return np.array(image.convert("RGB"))


def natural_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key by which numbers inside names count as numbers."""
    parts = re.findall(r"\d+|\D+", name)
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p.casefold()) for p in parts)


def _from_deep(values: np.ndarray, transparent: int | None, name: str) -> np.ndarray:
    # 16-bit greys: PIL's own conversion clips at 255 instead of scaling.
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 65535:
        raise VideoError(f"{name} holds {values.dtype} pixels; save it with 8 or 16 bits a channel")
    grey = (values.astype(np.uint32) // 257).astype(np.uint8)
    if transparent is not None:
        grey[values == transparent] = 0
    return np.repeat(grey[:, :, None], 3, axis=2)


def _pictures(folder: Path) -> list[Path]:
    if not folder.exists():
        raise VideoError(f"no folder {folder}; check the path")
    if not folder.is_dir():
        raise VideoError(f"{folder} is a file, not a folder of pictures; open it with VideoFile")
    # Names that begin with a dot are the system's (macOS leaves ._img1.jpg on foreign disks).
    files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "."]
    if not files:
        known = " ".join(sorted(IMAGE_SUFFIXES))
        raise VideoError(f"{folder} holds no pictures ({known})")
    return sorted(files, key=lambda f: (natural_key(f.name), f.name))


def _one_size(files: list[Path]) -> tuple[int, int]:
    """Width and height as shown; reads headers only."""
    first = _size(files[0])
    for file in files[1:]:
        size = _size(file)
        if size is not None and first is not None and size != first:
            raise VideoError(
                f"pictures differ in size: {files[0].name} is {first[0]}×{first[1]} and "
                f"{file.name} is {size[0]}×{size[1]}; resize them to one size"
            )
        first = first or size
    if first is None and len(files) == 1:
        raise VideoError(f"{files[0]} cannot be read as a picture; give a JPEG, PNG, WebP, TIFF or BMP file")
    if first is None:
        raise VideoError(
            f"none of the pictures in {files[0].parent} can be read; the first is {files[0].name}"
        )
    return first


def _size(file: Path) -> tuple[int, int] | None:
    from PIL import Image

    if not file.exists():
        raise VideoError(f"no file {file}; check the path")
    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)  # EXIF orientations that lie on a side
            return (image.height, image.width) if turned else (image.width, image.height)
    except Image.DecompressionBombError as error:
        raise VideoError(f"{file} has too many pixels to be read ({error}); make it smaller") from error
    except (OSError, SyntaxError, ValueError):
        return None  # found damaged when its turn comes
