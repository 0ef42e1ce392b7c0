"""Semi-supervised video object segmentation: prompted once, then on its own to the end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from masklet.evaluate.protocols.opening import Load, described, open_frames
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.truth import Truth
from masklet.evaluate.results import SequenceScore
from masklet.evaluate.score import score_video, worst_frames
from masklet.predict.policy import TrackingPolicy
from masklet.predict.segmenter import Segmenter
from masklet.predict.session import VideoSession
from masklet.types import Mask


@dataclass
class SemiSupervised:
    """Work for `run`: one video, each object prompted where it first appears, then tracked forwards.

    All objects of a video are tracked together. An object has no mask before the frame it is prompted on.
    """

    videos: VideoSet
    load: Load
    prompt: FirstPrompt
    variant: Variant | None = None
    policy: TrackingPolicy | None = None
    segmenter: Segmenter | None = None

    def start(self, worker: int) -> None:
        self.segmenter = self.load(worker)

    def __call__(self, name: str) -> SequenceScore:
        assert self.segmenter is not None
        truth = self.videos.truth(name)
        truth.check_counted(self.videos.convention)
        with open_frames(self.videos, truth, self.variant) as source:
            begin = time.perf_counter()
            with self.segmenter.video(source, policy=self.policy) as session:
                found = track(session, truth, truth.counted_objects(self.videos.convention), self.prompt)
            seconds = time.perf_counter() - begin
        objects = score_video(
            truth, found.masks, self.videos.convention, iou=found.iou, occlusion=found.occlusion
        )
        return SequenceScore(
            name,
            objects,
            frames=found.frames,
            seconds=seconds,
            details={"engine": described(self.segmenter), "worst": worst_frames(truth, objects, found.masks)},
        )


@dataclass(frozen=True)
class Found:
    """What tracking gave: object id → position → mask, predicted IoU, occlusion score.

    frames   how many frames were tracked
    """

    masks: dict[int, dict[int, Mask]]
    iou: dict[int, dict[int, float]]
    occlusion: dict[int, dict[int, float]]
    frames: int = 0


def track(session: VideoSession, truth: Truth, objects: Sequence[int], prompt: FirstPrompt) -> Found:
    """Prompt the objects where they appear, and follow them to the end of the video."""
    for object_id in objects:
        position = truth.appears(object_id)
        prompt.give(session, position, object_id, truth.mask(object_id, position))
    found = Found(defaultdict(dict), defaultdict(dict), defaultdict(dict))
    if not objects:
        return found
    frames = 0
    for frame, masks in session.propagate("forward"):
        frames += 1
        for object_id in masks:
            found.masks[object_id][frame.index] = masks[object_id]
            found.iou[object_id][frame.index] = masks.iou[object_id]
            found.occlusion[object_id][frame.index] = masks.occlusion[object_id]
    return replace(found, frames=frames)
