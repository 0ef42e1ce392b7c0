"""Opening a benchmark's video for a model, as it is or made harder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from masklet.errors import DataError
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.folders import pictures
from masklet.evaluate.readers.truth import Truth
from masklet.predict.segmenter import Segmenter
from masklet.video.protocol import FrameSource
from masklet.video.source import open_source

Load = Callable[[int], Segmenter]
"""Opens the model in a worker process, given its number; it must pickle."""


def described(segmenter: Segmenter) -> dict[str, Any]:
    """What computed, for the result file."""
    engine = segmenter.engine
    return {"name": engine.name, "device": engine.device, "input_size": engine.input_size}


def open_frames(videos: VideoSet, truth: Truth, variant: Variant | None = None) -> closing[Any]:
    """The frames that belong to a truth, to be closed after use.

    raises   DataError when their number or size does not fit the truth
    """
    place = videos.frames(truth.name)
    if place is None:
        raise DataError(f"sequence {truth.name} has no frames on disk, only masks")
    # A list of files, so that position in the video and position in the truth are the same thing.
    source: FrameSource = open_source(
        [str(path) for path in pictures(place).values()] if place.is_dir() else place
    )
    fits = (source.height, source.width) == (truth.height, truth.width)
    if not fits or len(source) < len(truth.names):
        source.close()
        raise DataError(
            f"sequence {truth.name} has {len(source)} frames of {source.width}×{source.height}, but masks of "
            f"{truth.width}×{truth.height} for {len(truth.names)}"
        )
    return closing(source if variant is None else variant.apply(source, truth.name))
