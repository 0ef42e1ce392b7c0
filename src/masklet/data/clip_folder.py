"""Made-up clips as a data set on disk: truth on every frame, also where an object is hidden or away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from masklet.data.mixing import ClipMaker
from masklet.errors import SinkError
from masklet.types import Mask
from masklet.video.palette import write_mask_png

QUALITY = 92
"""Of the JPEG files; what made-up cameras do to pictures is in the clips already."""


def write_clip(
    folder: str | Path, name: str, frames: np.ndarray, labels: Sequence[Mapping[int, Mask]]
) -> None:
    """Add a clip to a folder: frames uint8 [T, H, W, 3], and for each the masks of its objects.

    The folder of its masks appears last and whole. Raises SinkError when they cannot be written.
    """
    pictures, truths = (Path(folder, part, name) for part in ("JPEGImages", "Annotations"))
    begun = Path(folder, "begun", name)
    try:
        for place in (pictures, begun, truths.parent):
            place.mkdir(parents=True, exist_ok=True)
        for t, frame in enumerate(frames):
            Image.fromarray(frame).save(pictures / f"{t:05d}.jpg", quality=QUALITY)
        for t, masks in enumerate(labels):
            write_mask_png(begun / f"{t:05d}.png", masks)
        begun.rename(truths)
        with suppress(OSError):  # another clip may be begun there, or have been when a run was killed
            begun.parent.rmdir()
    except OSError as error:
        raise SinkError(f"cannot write {folder}: {error.strerror or error}") from error


def write_clips(maker: ClipMaker, folder: str | Path, count: int, seed: int) -> Iterator[str]:
    """Write clips in DAVIS's layout and yield their names: the same for the same maker and seed.

    Where masks overlap, the object with the higher number lies on top.

    raises   SinkError when the folder holds something already, or cannot be written; DataError when the
             maker's pictures give no clip
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SinkError(f"{folder} is not empty; name a new folder for the clips")
    for number in range(count):
        name = f"clip-{number:04d}"
        clip = maker.clip(np.random.default_rng([seed, number]))
        # An object that is away keeps its number: every frame of the clip is annotated.
        labels = [{o + 1: Mask.from_array(mask) for o, mask in enumerate(masks)} for masks in clip.masks]
        write_clip(folder, name, clip.frames, labels)
        yield name
