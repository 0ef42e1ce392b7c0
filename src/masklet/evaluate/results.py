"""What a measurement leaves behind: scores of objects and sequences, and their summary.

Scores are fractions, 0 to 1. Rows are plain JSON values, so that they can be written as they come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from masklet.evaluate.metrics import aggregate, calibration
from masklet.evaluate.metrics.aggregate import Statistics


@dataclass(frozen=True)
class ObjectScore:
    """One object of one video, frame by frame over the frames that count.

    frames         positions in the video
    j, f           region similarity and contour accuracy of each
    visible        whether the object is truly there
    predicted_iou  the model's own estimate, where it gave one for every frame; else empty
    occlusion      its occlusion score (> 0 is visible), likewise
    category       where the data set names one
    """

    object_id: int
    frames: tuple[int, ...]
    j: tuple[float, ...]
    f: tuple[float, ...]
    visible: tuple[bool, ...] = ()
    predicted_iou: tuple[float, ...] = ()
    occlusion: tuple[float, ...] = ()
    category: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> ObjectScore:
        """What a sequence's to_row holds of it, after JSON."""
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        return cls(**values)

    @property
    def j_statistics(self) -> Statistics:
        return aggregate.statistics(self.j)

    @property
    def f_statistics(self) -> Statistics:
        return aggregate.statistics(self.f)

    @property
    def jf(self) -> float:
        """J&F, the mean of the two means."""
        return (self.j_statistics.mean + self.f_statistics.mean) / 2


@dataclass(frozen=True)
class SequenceScore:
    """One video: its objects, or the reason why there is none.

    frames    of the video
    seconds   from opening the video to its last mask, decoding included; None when nothing was run
    error     why it could not be measured; objects are empty then
    details   what a protocol wants to keep beside (clicks placed, rounds), plain JSON values
    """

    name: str
    objects: tuple[ObjectScore, ...] = ()
    frames: int = 0
    seconds: float | None = None
    error: str | None = None
    details: Mapping[str, Any] | None = None

    @property
    def j(self) -> float:
        return aggregate.mean([o.j_statistics.mean for o in self.objects])

    @property
    def f(self) -> float:
        return aggregate.mean([o.f_statistics.mean for o in self.objects])

    @property
    def jf(self) -> float:
        return (self.j + self.f) / 2

    @property
    def fps(self) -> float | None:
        return self.frames / self.seconds if self.seconds else None

    def to_row(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> SequenceScore:
        """What to_row gave, after JSON."""
        names = {field.name for field in fields(cls)}
        values = {key: value for key, value in row.items() if key in names}
        objects = tuple(ObjectScore.from_row(one) for one in row.get("objects", ()))
        return cls(**{**values, "objects": objects})


def summary(scores: Sequence[SequenceScore], seen: frozenset[str] | None = None) -> dict[str, Any]:
    """The figures of a whole set, plain JSON values; means are over objects, as DAVIS has it.

    seen   categories of the training data; gives YouTube-VOS's G over objects whose category is named
    """
    good = [score for score in scores if score.error is None]
    objects = [one for score in good for one in score.objects if one.frames]
    j, f = [o.j_statistics for o in objects], [o.f_statistics for o in objects]
    j_mean, f_mean = aggregate.mean([s.mean for s in j]), aggregate.mean([s.mean for s in f])
    timed = [score for score in good if score.seconds]
    total = sum(score.seconds or 0.0 for score in timed)
    figures: dict[str, Any] = {
        "J&F": (j_mean + f_mean) / 2,
        "J": j_mean,
        "J_recall": aggregate.mean([s.recall for s in j]),
        "J_decay": aggregate.mean([s.decay for s in j]),
        "F": f_mean,
        "F_recall": aggregate.mean([s.recall for s in f]),
        "F_decay": aggregate.mean([s.decay for s in f]),
        "sequences": len(good),
        "failed": len(scores) - len(good),
        "objects": len(objects),
        "fps": sum(score.frames for score in timed) / total if total else None,
    }
    return figures | _self_knowledge(objects) | _generalisation(good, seen)


def _self_knowledge(objects: Sequence[ObjectScore]) -> dict[str, Any]:
    """Occlusion accuracy and calibration of predicted IoU, where a model gave them."""
    figures: dict[str, Any] = {}
    told = [o for o in objects if o.occlusion]
    if told:
        scores = np.concatenate([o.occlusion for o in told])
        visible = np.concatenate([o.visible for o in told])
        figures["occlusion_accuracy"] = calibration.occlusion_accuracy(scores, visible)
        figures["occlusion_auc"] = calibration.occlusion_auc(scores, visible)
        figures["absent_frames"] = int((~visible.astype(bool)).sum())
    rated = [o for o in objects if o.predicted_iou]
    if rated:
        found = calibration.calibration(
            np.concatenate([o.predicted_iou for o in rated]), np.concatenate([o.j for o in rated])
        )
        figures["iou_calibration_error"] = found.error
        figures["iou_rank_correlation"] = found.correlation
        figures["iou_bins"] = asdict(found)
    return figures


def _generalisation(scores: Sequence[SequenceScore], seen: frozenset[str] | None) -> dict[str, Any]:
    if seen is None:
        return {}
    values: dict[str, tuple[float, float]] = {}
    known: dict[str, bool] = {}
    for score in scores:
        for one in score.objects:
            if one.category and one.frames:
                name = f"{score.name}/{one.object_id}"
                values[name] = (one.j_statistics.mean, one.f_statistics.mean)
                known[name] = one.category in seen
    groups = aggregate.seen_unseen(values, known)
    return {"G": groups.g} | asdict(groups)
