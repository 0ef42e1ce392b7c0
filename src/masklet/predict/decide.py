"""Which of a click's three candidates is meant: the one that can be followed.

A click on a wheel may mean the wheel, the car or both; on the next frames the model is surer of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from masklet.engine.protocol import Engine, ImageFeatures
from masklet.memory import MemoryBank, MemoryEntry
from masklet.predict.answer import Answer, answer_of
from masklet.predict.history import PromptedFrame
from masklet.predict.policy import TrackingPolicy
from masklet.predict.tracking import remember, step


@dataclass(frozen=True)
class Decision:
    """Which candidate won.

    frame       the prompted frame
    candidate   index of the winner
    scores      for each candidate, the mean over the frames followed of predicted IoU × visible
    frames      how many frames were followed
    """

    frame: int
    candidate: int
    scores: tuple[float, ...]
    frames: int


def follow_candidates(
    engine: Engine,
    frame: int,
    given: PromptedFrame,
    features: ImageFeatures,
    others: Mapping[int, MemoryEntry],
    following: Iterable[tuple[int, ImageFeatures]],
    policy: TrackingPolicy,
    *,
    reverse: bool,
) -> Decision:
    """Track every candidate of a prompt as if it were an object, in one batch, and compare.

    others      the object's entries on its other prompted frames, the same for every candidate
    following   (index, features) of the frames to follow, in the order of tracking
    """
    count = given.candidates.logits.shape[1]
    answers = {k: answer_of(given.candidates, 0, k) for k in range(count)}
    memories = remember(engine, features, answers, policy.batch, binary=True)
    banks = {}
    for k, answer in answers.items():
        banks[k] = MemoryBank(dict(others))
        entry = MemoryEntry(memories[k], answer.pointer, answer.occlusion, answer.logits)
        banks[k].write(frame, entry, prompted=True)
    # The candidates are meant to overlap.
    alone = replace(policy, exclusive=False)
    trail: list[dict[int, Answer]] = [
        step(engine, image, t, banks, {}, alone, reverse=reverse) for t, image in following
    ]
    scores = tuple(float(np.mean([a[k].iou * (a[k].occlusion > 0) for a in trail])) for k in range(count))
    # Equal scores: the candidate the model liked better to begin with.
    winner = max(range(count), key=lambda k: (scores[k], answers[k].iou))
    return Decision(frame, winner, scores, len(trail))
