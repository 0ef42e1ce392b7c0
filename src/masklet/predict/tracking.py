"""One step of tracking, shared by sessions, streams and the choice between candidates.

`step` is the whole loop body: read memory, decode, settle overlaps, remember, forget. State is the
banks in its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from masklet.engine.protocol import (
    Engine,
    ImageFeatures,
    MemoryFeature,
    MemoryReading,
    PromptBatch,
)
from masklet.memory import MemoryBank, MemoryEntry, Reading
from masklet.predict.answer import Answer, answer_of
from masklet.predict.continuity import choose, expected
from masklet.predict.policy import TrackingPolicy
from masklet.predict.postprocess import separate


def step(
    engine: Engine,
    features: ImageFeatures,
    t: int,
    banks: Mapping[int, MemoryBank],
    given: Mapping[int, Answer],
    policy: TrackingPolicy,
    *,
    reverse: bool = False,
    prune: bool = True,
) -> dict[int, Answer]:
    """Track every object of `banks` on frame t and remember it there.

    banks    object id → its bank; written to
    given    answers of objects that are prompted on this frame: not tracked, but they hold their pixels
    returns  object id → answer, before overlaps are settled
    """
    answers = track(engine, features, t, banks, policy, reverse=reverse)
    remembered = exclusive(answers, given) if policy.exclusive else answers
    memories = remember(engine, features, remembered, policy.batch, binary=False)
    for object_id, feature in memories.items():
        answer = remembered[object_id]
        banks[object_id].write(t, MemoryEntry(feature, answer.pointer, answer.occlusion, answer.logits))
    if prune:
        for bank in banks.values():
            bank.prune(t, policy.memory, reverse=reverse)
    return answers


def track(
    engine: Engine,
    features: ImageFeatures,
    t: int,
    banks: Mapping[int, MemoryBank],
    policy: TrackingPolicy,
    *,
    reverse: bool = False,
) -> dict[int, Answer]:
    """Where each object is on frame t, from memory alone; objects with nothing to read are left out."""
    groups: dict[Reading, list[int]] = {}
    for object_id, bank in banks.items():
        reading = bank.read(t, policy.memory, reverse=reverse)
        if reading.memories:
            groups.setdefault(reading, []).append(object_id)
    answers: dict[int, Answer] = {}
    for reading, members in groups.items():
        for ids in _chunks(members, policy.batch):
            conditioned = engine.condition(features, gather(reading, [banks[i] for i in ids]))
            candidates = engine.decode(conditioned, PromptBatch.none(len(ids)), multimask=True)
            for row, i in enumerate(ids):
                where = expected(banks[i], t, reverse=reverse) if policy.continuity else None
                choice = choose(candidates.logits[row], candidates.iou[row], where, policy.continuity)
                answers[i] = answer_of(candidates, row, choice)
    return {i: answers[i] for i in banks if i in answers}


def gather(reading: Reading, banks: Sequence[MemoryBank]) -> MemoryReading:
    """The entries that a reading names, for objects that share it, as the engine wants them."""
    features = [[bank[frame].feature for bank in banks] for frame, _ in reading.memories]
    assert all(f is not None for row in features for f in row), "a frame in reach lost its memory"
    pointers = [[bank[frame].pointer for frame, _ in reading.pointers] for bank in banks]
    if not reading.pointers:
        size = len(next(iter((banks[0].prompted or banks[0].recent).values())).pointer)
        pointers = [np.zeros((0, size), np.float32)] * len(banks)  # type: ignore[list-item]
    return MemoryReading(
        features=features,
        slots=[slot for _, slot in reading.memories],
        pointers=np.stack([np.asarray(p, np.float32) for p in pointers]),
        distances=[distance for _, distance in reading.pointers],
    )


def remember(
    engine: Engine, features: ImageFeatures, answers: Mapping[int, Answer], batch: int, *, binary: bool
) -> dict[int, MemoryFeature]:
    """What later frames attend to, for each object; `binary` on prompted frames."""
    memories: dict[int, MemoryFeature] = {}
    for ids in _chunks(list(answers), batch):
        logits = np.stack([answers[i].logits for i in ids])[:, None].astype(np.float32)
        occlusion = np.array([[answers[i].occlusion] for i in ids], np.float32)
        memories.update(zip(ids, engine.remember(features, logits, occlusion, binary=binary), strict=True))
    return memories


def exclusive(answers: Mapping[int, Answer], given: Mapping[int, Answer]) -> dict[int, Answer]:
    """The answers with every pixel left to its strongest object; `given` ones keep all of theirs."""
    everything = [*given.values(), *answers.values()]
    if len(everything) < 2:
        return dict(answers)
    logits = separate(np.stack([a.logits for a in everything]), [True] * len(given) + [False] * len(answers))[
        len(given) :
    ]
    return {
        i: Answer(alone, a.iou, a.pointer, a.occlusion)
        for (i, a), alone in zip(answers.items(), logits, strict=True)
    }


def _chunks(ids: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]
