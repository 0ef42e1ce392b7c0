"""Labels of a video, whatever file they came from: what every reader gives and every writer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from masklet.errors import DataError
from masklet.types import Mask


@dataclass(frozen=True)
class Labelled:
    """One masklet.

    masks       frame → mask at the video's size; an empty mask says "looked, not there"
    category    what it is
    prompted    frames a person drew or clicked on, as far as the format tells
    origin      manual, automatic or imported
    """

    masks: Mapping[int, Mask]
    category: str = "object"
    prompted: frozenset[int] = frozenset()
    origin: str = "imported"


@dataclass(frozen=True)
class VideoLabels:
    """All masklets of one video.

    frames   of the video; annotated frames may be fewer
    rate     frames a second, or None when the format does not tell
    names    of the frames' files without ending, where there are such
    notes    what the format holds that no masklet can be made of, a line each
    """

    name: str
    width: int
    height: int
    frames: int
    masklets: Mapping[int, Labelled]
    rate: float | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for number, one in self.masklets.items():
            for t, mask in one.masks.items():
                if not 0 <= t < self.frames:
                    raise DataError(
                        f"video {self.name}, object {number}: frame {t} is outside the video "
                        f"(0–{self.frames - 1})"
                    )
                if (mask.width, mask.height) != (self.width, self.height):
                    raise DataError(
                        f"video {self.name}, object {number}, frame {t}: the mask is "
                        f"{mask.width}×{mask.height}, the video {self.width}×{self.height}"
                    )

    def name_of(self, frame: int) -> str:
        """The name of a frame's file, without its ending."""
        return self.names[frame] if self.names else f"{frame:05d}"


def safe_name(name: str) -> str:
    """A video's name as a file or folder: nothing in it may lead elsewhere."""
    kept = "".join(c if c.isalnum() or c in "-_. " else "_" for c in name).strip(". ")
    if not kept:
        raise DataError(f"video {name!r} has no name that a file could have; rename it")
    return kept
