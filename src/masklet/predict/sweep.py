"""One frame of a sweep through a stored video: who is due, what is found, where it is kept."""

from __future__ import annotations

from collections.abc import Mapping

from masklet.memory import MemoryBank
from masklet.predict.answer import masks_of
from masklet.predict.history import PromptedFrame, PromptLog
from masklet.predict.policy import TrackingPolicy
from masklet.predict.recollection import Recollection
from masklet.predict.results import TrackedFrame, Tracks
from masklet.predict.tracking import step
from masklet.types import Frame


def advance(
    recollection: Recollection,
    frame: Frame,
    log: PromptLog,
    tracks: Tracks,
    banks: Mapping[int, MemoryBank],
    *,
    reverse: bool,
) -> None:
    """Track every object that is due on this frame; `tracks` and `banks` are written to.

    Prompted objects are not tracked. Of the others, the forward sweep takes those whose first prompt
    has passed and the backward sweep those whose first prompt is still to come; SAM 2's policy takes all.
    """
    t, policy = frame.index, recollection.policy
    given = prompted_on(t, log, policy)
    due = {i: banks[i] for i in tracked_on(t, log, policy, reverse=reverse)}
    if not due:
        return  # nobody to track: the frame is not even encoded
    answers = step(
        recollection.engine,
        recollection.encode(frame),
        t,
        due,
        {i: prompted.answer for i, prompted in given.items()},
        policy,
        reverse=reverse,
        prune=policy.two_sweeps,
    )
    verbatim = {i: prompted.mask for i, prompted in given.items()}
    for i, mask in masks_of(answers, frame, policy, verbatim).items():
        answer, known = answers[i], log.objects[i]
        tracks.setdefault(known.lineage, {})[t] = TrackedFrame(
            mask, answer.iou, answer.occlusion, answer.pointer, reverse, known.version
        )


def prompted_on(t: int, log: PromptLog, policy: TrackingPolicy) -> dict[int, PromptedFrame]:
    """Objects that are prompted on frame t."""
    anchors = {i: known.anchors(policy.corrections_stay) for i, known in log.objects.items()}
    return {i: frames[t] for i, frames in anchors.items() if t in frames}


def tracked_on(t: int, log: PromptLog, policy: TrackingPolicy, *, reverse: bool) -> list[int]:
    """Objects that a sweep tracks on frame t, which has to be encoded for them."""
    anchors = {i: known.anchors(policy.corrections_stay) for i, known in log.objects.items()}
    return [
        i
        for i, frames in anchors.items()
        if t not in frames and (not policy.two_sweeps or (t < min(frames)) == reverse)
    ]
