"""One step of tracking, shared by sessions, streams and the choice between candidates.

`step` is the whole loop body: read memory, decode, settle overlaps, remember, forget. State is the
banks in its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from masklet.engine.protocol import (
    Engine,
    Fovea,
    ImageFeatures,
    MemoryFeature,
    MemoryReading,
    PromptBatch,
)
from masklet.memory import MemoryBank, MemoryEntry, Reading
from masklet.predict.answer import Answer, answer_of
from masklet.predict.continuity import choose, expected
from masklet.predict.foveas import around, fovea_for, is_whole, spread
from masklet.predict.policy import TrackingPolicy
from masklet.predict.postprocess import separate
from masklet.types import Candidates


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
    due = _due(engine, t, banks, policy, reverse=reverse)
    near = {i: one for i, one in due.items() if one.fovea is not None}
    answers = {i: a for i, a in _ask(engine, features, banks, near, policy).items() if _is_found(a, near[i])}
    whole = {i: replace(one, fovea=None) for i, one in due.items() if i not in answers}
    answers |= _ask(engine, features, banks, whole, policy)
    return {i: answers[i] for i in due}


@dataclass(frozen=True, eq=False)
class _Due:
    """One object that is to be found.

    reading   what it reads
    where     bool [S/4, S/4], where it should be; None when nothing says so
    fovea     where it is looked for closely; None: in the whole frame
    """

    reading: Reading
    where: np.ndarray | None
    fovea: Fovea | None


def _is_found(answer: Answer, one: _Due) -> bool:
    return answer.occlusion > 0 and (one.fovea is None or is_whole(answer.logits, one.fovea))


def _due(
    engine: Engine, t: int, banks: Mapping[int, MemoryBank], policy: TrackingPolicy, *, reverse: bool
) -> dict[int, _Due]:
    foveal = policy.foveal and engine.block > 0
    due: dict[int, _Due] = {}
    for object_id, bank in banks.items():
        reading = bank.read(t, policy.memory, reverse=reverse)
        if reading.memories:
            where = expected(bank, t, reverse=reverse) if foveal or policy.continuity else None
            fovea = fovea_for(where, engine.block) if foveal and where is not None else None
            due[object_id] = _Due(reading, where, fovea)
    return due


def _ask(
    engine: Engine,
    features: ImageFeatures,
    banks: Mapping[int, MemoryBank],
    due: Mapping[int, _Due],
    policy: TrackingPolicy,
) -> dict[int, Answer]:
    """Answers in whole frames' logits; objects that read alike and look alike closely share a batch."""
    groups: dict[tuple[Reading, int], list[int]] = {}
    for object_id, one in due.items():
        groups.setdefault((one.reading, one.fovea.side if one.fovea else 0), []).append(object_id)
    answers: dict[int, Answer] = {}
    for (reading, _), members in groups.items():
        for ids in _chunks(members, policy.batch):
            foveas = [fovea for i in ids if (fovea := due[i].fovea)]
            read = gather(reading, [banks[i] for i in ids])
            if foveas:
                read = replace(read, foveas=_remembered(engine, reading, [banks[i] for i in ids], foveas))
            conditioned = engine.condition(features, read, foveas or None)
            candidates = engine.decode(conditioned, PromptBatch.none(len(ids)), multimask=True)
            for row, i in enumerate(ids):
                answers[i] = _chosen(candidates, row, due[i], engine.input_size // 4, policy.continuity)
    return answers


def _remembered(
    engine: Engine, reading: Reading, banks: Sequence[MemoryBank], foveas: Sequence[Fovea]
) -> list[list[Fovea]]:
    """Where each object was on each frame that is read; where it was not seen, where it is looked for now."""
    grid = engine.input_size // 16
    return [
        [
            around(extent, fovea, grid, engine.block) if (extent := bank[frame].extent) else fovea
            for bank, fovea in zip(banks, foveas, strict=True)
        ]
        for frame, _ in reading.memories
    ]


def _chosen(candidates: Candidates, row: int, one: _Due, size: int, continuity: float) -> Answer:
    """The candidate that goes on from where the object was."""
    where = one.where
    if where is not None and one.fovea is not None:
        where = where[one.fovea.scaled(4)]
    answer = answer_of(
        candidates, row, choose(candidates.logits[row], candidates.iou[row], where, continuity)
    )
    if one.fovea is None or answer.occlusion <= 0:
        return answer
    return replace(answer, logits=spread(answer.logits, one.fovea, size))


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
