"""Bringing a bank to a frame: what a sweep that starts, or a correction made, at frame t must remember.

Sweeps forget what they have passed. Going back to a frame makes its neighbours' memories again: their
masks and pointers are kept for every frame, so the picture is encoded once more and the mask remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures, MemoryFeature
from masklet.memory import MemoryBank, MemoryEntry, MemoryPolicy, select
from masklet.predict.answer import Answer
from masklet.predict.history import PromptedFrame
from masklet.predict.policy import TrackingPolicy
from masklet.predict.postprocess import NO_OBJECT
from masklet.predict.resize import mask_to_logits
from masklet.predict.results import TrackedFrame
from masklet.predict.tracking import remember

Encode = Callable[[int], ImageFeatures]
"""Features of a frame by its index."""


def remember_prompted(
    engine: Engine,
    encode: Encode,
    anchors: Mapping[int, Mapping[int, PromptedFrame]],
    known: Mapping[PromptedFrame, MemoryFeature],
    batch: int,
) -> dict[PromptedFrame, MemoryFeature]:
    """Memories of all prompted frames, the missing ones made: one encoding a frame.

    anchors   object id → frame → prompt
    known     memories made earlier
    returns   exactly those of `anchors`: others are dropped
    """
    memories: dict[PromptedFrame, MemoryFeature] = {}
    missing: dict[int, dict[int, PromptedFrame]] = {}
    for object_id, frames in anchors.items():
        for frame, given in frames.items():
            if given in known:
                memories[given] = known[given]
            else:
                missing.setdefault(frame, {})[object_id] = given
    for frame, objects in sorted(missing.items()):
        answers = {i: given.answer for i, given in objects.items()}
        made = remember(engine, encode(frame), answers, batch, binary=True)
        memories.update({objects[i]: feature for i, feature in made.items()})
    return memories


def prompted_entries(
    anchors: Mapping[int, PromptedFrame], memories: Mapping[PromptedFrame, MemoryFeature]
) -> dict[int, MemoryEntry]:
    """One object's prompted frames as a bank holds them."""
    entries = {}
    for frame, given in anchors.items():
        answer = given.answer
        entries[frame] = MemoryEntry(memories[given], answer.pointer, answer.occlusion, answer.logits)
    return entries


def recall(
    engine: Engine,
    encode: Encode,
    t: int,
    banks: Mapping[int, MemoryBank],
    tracks: Mapping[int, Mapping[int, TrackedFrame]],
    policy: TrackingPolicy,
    *,
    reverse: bool,
) -> dict[int, MemoryBank]:
    """Banks that hold all that frame t and the frames after it read of what was tracked before t.

    banks    object id → prompted entries, and whatever recent ones are still at hand
    tracks   object id → frames tracked before t in this direction
    """
    filled: dict[int, MemoryBank] = {}
    missing: dict[int, list[int]] = {}
    for object_id, bank in banks.items():
        tracked = tracks[object_id]
        memories, pointers = reachable(t, bank.prompted, tracked, policy.memory, reverse)
        filled[object_id] = MemoryBank(dict(bank.prompted))
        for frame in sorted(memories | pointers):
            found = tracked[frame]
            entry = bank.recent.get(frame) or MemoryEntry(None, found.pointer, found.occlusion)
            filled[object_id].write(frame, entry)
            if frame in memories and entry.feature is None:
                missing.setdefault(frame, []).append(object_id)
    for frame, ids in sorted(missing.items()):
        answers = {i: answer_again(tracks[i][frame], engine.input_size // 4) for i in ids}
        made = remember(engine, encode(frame), answers, policy.batch, binary=False)
        for i, feature in made.items():
            answer = answers[i]
            filled[i].write(frame, MemoryEntry(feature, answer.pointer, answer.occlusion, answer.logits))
    return filled


def reachable(
    t: int, prompted: Iterable[int], tracked: Iterable[int], policy: MemoryPolicy, reverse: bool
) -> tuple[set[int], set[int]]:
    """Which tracked frames behind t have their memory, and which their pointer, read at t or later."""
    sign = -1 if reverse else 1
    prompted = set(prompted)
    behind = {f for f in tracked if 0 < sign * (t - f) <= policy.reach and f not in prompted}
    memories: set[int] = set()
    pointers: set[int] = set()
    for ahead in range(policy.reach):
        reading = select(t + sign * ahead, prompted, behind, policy, reverse=reverse)
        memories |= {frame for frame, slot in reading.memories if slot > 0 and frame in behind}
        pointers |= {frame for frame, _ in reading.pointers if frame in behind}
    return memories, pointers


def answer_again(found: TrackedFrame, grid: int) -> Answer:
    """A stored result as an answer, its logits made from the mask: float32 [grid, grid]."""
    if found.occlusion <= 0 or found.mask.is_empty:
        logits = np.full((grid, grid), NO_OBJECT, np.float32)
    else:
        logits = mask_to_logits(found.mask, grid)
    return Answer(logits, found.iou, found.pointer, found.occlusion)
