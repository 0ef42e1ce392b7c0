"""What tracking has found, and how it reads together with the prompts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from masklet.predict.history import PromptLog
from masklet.predict.policy import TrackingPolicy
from masklet.predict.postprocess import settle_overlaps
from masklet.types import FrameMasks, Mask


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """One object on one tracked frame: small enough to keep for every frame.

    mask        at the frame's size
    iou         predicted IoU, 0 to 1
    occlusion   occlusion score; > 0 is visible
    pointer     float32 [C], so that later corrections can read it again
    reverse     the direction it was tracked in
    version     of the object's prompts it was tracked from
    """

    mask: Mask
    iou: float
    occlusion: float
    pointer: np.ndarray
    reverse: bool
    version: int


Tracks = dict[int, dict[int, TrackedFrame]]
"""Lineage of an object → frame → what was found there."""


def frame_masks(
    index: int, log: PromptLog, tracks: Mapping[int, Mapping[int, TrackedFrame]], policy: TrackingPolicy
) -> FrameMasks:
    """All objects on one frame: prompted masks verbatim, tracked ones as found.

    The two sweeps don't see each other's logits, so where their masks overlap the higher predicted IoU
    keeps the pixel; prompted masks keep theirs in any case.
    """
    masks: dict[int, Mask] = {}
    iou: dict[int, float] = {}
    occlusion: dict[int, float] = {}
    prompted = set()
    sweeps = set()
    for object_id, known in log.objects.items():
        given = known.anchors(policy.corrections_stay).get(index)
        tracked = tracks.get(known.lineage, {}).get(index)
        if given is not None:
            prompted.add(object_id)
            answer = given.answer
            masks[object_id], iou[object_id] = given.mask, answer.iou
            occlusion[object_id] = answer.occlusion
        elif tracked is not None:
            sweeps.add(tracked.reverse)
            masks[object_id], iou[object_id] = tracked.mask, tracked.iou
            occlusion[object_id] = tracked.occlusion
    if policy.exclusive and len(sweeps) + bool(prompted) > 1:
        rank = {i: (iou[i],) for i in masks}
        masks = settle_overlaps(masks, rank, frozenset(prompted))
    return FrameMasks(index, masks, iou, occlusion, frozenset(prompted))
