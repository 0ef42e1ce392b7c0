"""Short masklets from videos nobody has labelled: real motion to learn from.

What a model finds on a frame it follows for a moment, and follows back from where that ended. A masklet is
kept only when it comes home to the mask it began with, when optical flow, which knows nothing of the model,
carries each mask onto the next, and when the model was sure all the way. What is wrong then is rare, and what
is kept moves as the world does, which made-up clips do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine
from masklet.errors import ConfigError, DamagedVideoError
from masklet.predict.automatic import AutomaticOptions, segment_everything
from masklet.predict.session import VideoSession
from masklet.types import FrameMasks, Mask
from masklet.video.arrays import ArrayFrames
from masklet.video.protocol import FrameSource

Labels = list[dict[int, Mask]]
"""A clip's objects, frame by frame."""


GRID = AutomaticOptions(points_per_side=16, predicted_iou=0.7, stability=0.9, minimum_area=100)
"""A coarse and generous search: what is wrong with a find shows when it is followed."""


@dataclass(frozen=True)
class PseudoSettings:
    """How masklets are made and which are kept."""

    frames: int = 12
    """Frames of a clip, at least 2."""
    stride: int = 2
    """Frames of the video from one of a clip to the next."""
    every: int = 48
    """Frames of the video from the start of one clip to the next."""
    most: int = 6
    """Most objects in a clip, the surest first."""
    area: tuple[float, float] = (0.004, 0.4)
    """Least and most share of the frame that an object covers at first."""
    apart: float = 0.1
    """Objects that share more than this with one already taken are left out: a pixel has one owner here."""
    home: float = 0.85
    """Least IoU of the first mask and the one that following back ends with."""
    flow: float = 0.7
    """Least IoU of each mask and its predecessor carried by optical flow."""
    sure: float = 0.75
    """Least predicted IoU on every frame."""
    grid: AutomaticOptions = field(default_factory=lambda: GRID)
    """The search on a clip's first frame."""

    def __post_init__(self) -> None:
        for name, least in (("frames", 2), ("stride", 1), ("every", 1), ("most", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; give at least {least}")
        for name in ("apart", "home", "flow", "sure"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; give a number from 0 to 1")


@dataclass(frozen=True, eq=False)
class PseudoClip:
    """A piece of a video with what survived.

    start    its first frame in the video
    frames   uint8 [T, H, W, 3]
    labels   T times object → mask; empty when nothing survived
    tried    objects that were followed
    """

    start: int
    frames: np.ndarray
    labels: Labels
    tried: int


def pseudo_clips(
    engine: Engine,
    source: FrameSource,
    settings: PseudoSettings | None = None,
    *,
    is_wanted: Callable[[int], bool] = lambda start: True,
) -> Iterator[PseudoClip]:
    """Clips of a video, one after another, also those in which nothing survived. A damaged end is left out.

    is_wanted   asked with the first frame of each clip, before work is done for it
    """
    settings = settings or PseudoSettings()
    reach = (settings.frames - 1) * settings.stride + 1
    for start in range(0, len(source) - reach + 1, settings.every):
        if not is_wanted(start):
            continue
        try:
            images = [frame.image for frame in source.read(start, start + reach, settings.stride)]
        except DamagedVideoError:
            return
        frames = np.stack(images)
        found = _found(engine, frames[0], settings)
        labels = _followed(engine, frames, found, settings) if found else []
        yield PseudoClip(start, frames, labels, len(found))


def _found(engine: Engine, image: np.ndarray, settings: PseudoSettings) -> list[Mask]:
    """Objects of a picture that do not share pixels, the surest first."""
    height, width = image.shape[:2]
    low, high = (share * height * width for share in settings.area)
    chosen: list[Mask] = []
    taken = np.zeros((height, width), bool)
    for one in sorted(segment_everything(engine, image, settings.grid), key=lambda found: -found.iou):
        array = one.mask.to_array()
        if not low <= one.mask.area <= high or (array & taken).sum() > settings.apart * one.mask.area:
            continue
        chosen.append(Mask.from_array(array & ~taken))
        taken |= array
        if len(chosen) == settings.most:
            break
    return chosen


def _followed(engine: Engine, frames: np.ndarray, found: list[Mask], settings: PseudoSettings) -> Labels:
    """What survives of the objects, numbered from 1; nothing at all gives no labels."""
    last = len(frames) - 1
    there = _tracked(engine, frames, dict(enumerate(found, 1)))
    arrived = {o: there[last].masks[o] for o in there[last].masks if not there[last].masks[o].is_empty}
    if not arrived:
        return []
    back = _tracked(engine, frames[::-1], arrived)
    flows = Flows(frames)
    kept = [
        o
        for o, mask in enumerate(found, 1)
        if o in arrived
        and back[last].masks[o].iou(mask) >= settings.home
        and min(one.iou[o] for one in there[1:]) >= settings.sure
        and flows.least_iou([one.masks[o] for one in there]) >= settings.flow
    ]
    return [{n: one.masks[o] for n, o in enumerate(kept, 1)} for one in there] if kept else []


def _tracked(engine: Engine, frames: np.ndarray, first: dict[int, Mask]) -> list[FrameMasks]:
    """All frames' masks of objects that are given on the first one."""
    with VideoSession(ArrayFrames(frames), engine) as session:
        for object_id, mask in first.items():
            session.prompt(0, object_id, mask=mask)
        return [masks for _, masks in session.propagate()]


class Flows:
    """Optical flow (DIS, Kroeger et al., 2016) from each frame of a clip to the one before it."""

    def __init__(self, frames: np.ndarray) -> None:
        import cv2

        flow: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)  # type: ignore[attr-defined]
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        height, width = grey[0].shape
        across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        self._sources = []
        for before, now in pairwise(grey):
            motion = flow.calc(now, before, None)
            self._sources.append((across + motion[..., 0], down + motion[..., 1]))

    def least_iou(self, masks: Sequence[Mask]) -> float:
        """The worst IoU of a mask and its predecessor carried onto its frame; 0 to 1."""
        import cv2

        worst = 1.0
        for (across, down), before, now in zip(self._sources, masks, masks[1:], strict=False):
            array = before.to_array().astype(np.uint8)
            carried = cv2.remap(array, across, down, cv2.INTER_NEAREST) > 0
            worst = min(worst, Mask.from_array(carried).iou(now))
        return worst
