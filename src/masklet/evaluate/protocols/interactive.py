"""Interactive video segmentation: an annotator corrects, offline in rounds or online in one pass.

Each interaction is a few clicks on one frame for one object; the first click goes to the object's middle,
each other to the middle of the largest error. Offline, a round ends with a look at the whole video, and
the next clicks go to the frame where the object is worst. Online, the video runs once and pauses where an
object's IoU falls below a threshold.

Source: SAM 2 paper (Ravi et al., 2024), section 6.1 and appendix: up to 8 frames, 3 clicks each, pause below
IoU 0.75, and the model of annotation time.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from masklet.evaluate.metrics import aggregate
from masklet.evaluate.protocols.opening import Load, described, open_frames
from masklet.evaluate.protocols.prompting import correct, iou_of
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.truth import INTERACTIVE, Truth
from masklet.evaluate.results import ObjectScore, SequenceScore
from masklet.evaluate.score import score_video, worst_frames
from masklet.predict.policy import TrackingPolicy
from masklet.predict.segmenter import Segmenter
from masklet.predict.session import VideoSession
from masklet.types import Mask

Masks = dict[int, dict[int, Mask]]


@dataclass(frozen=True)
class Annotator:
    """How the simulated person works and how long it takes.

    frames          most frames corrected an object
    clicks          clicks on each of them
    threshold       online: IoU below which the video is paused
    locate          seconds to find the object on a frame
    click           seconds a click
    examine         seconds to look through 300 frames of video: offline in each round, online once
    """

    frames: int = 8
    clicks: int = 3
    threshold: float = 0.75
    locate: float = 1.0
    click: float = 1.5
    examine: float = 30.0

    def seconds(self, frames: int, clicks: int, length: int, looks: int) -> float:
        """Annotation time of one object.

        frames   clicked on
        clicks   on all of them together
        length   of the video, frames
        looks    times it is looked through
        """
        return self.locate * frames + self.click * clicks + self.examine * length / 300 * looks


@dataclass
class Effort:
    """What one object has cost so far."""

    clicks: int = 0
    frames: set[int] = field(default_factory=set)


@dataclass
class Interactive:
    """Work for `run`: one video in one mode, scored after every number of corrected frames."""

    videos: VideoSet
    load: Load
    mode: Literal["offline", "online"]
    annotator: Annotator = field(default_factory=Annotator)
    variant: Variant | None = None
    policy: TrackingPolicy | None = None
    segmenter: Segmenter | None = None

    def start(self, worker: int) -> None:
        self.segmenter = self.load(worker)

    def __call__(self, name: str) -> SequenceScore:
        assert self.segmenter is not None
        truth = self.videos.truth(name)
        begin = time.perf_counter()
        rounds: list[dict[str, Any]] = []
        objects: tuple[ObjectScore, ...] = ()
        masks: Masks = {}
        with open_frames(self.videos, truth, self.variant) as source:
            passes = self._offline(source, truth) if self.mode == "offline" else self._online(source, truth)
            for number, (masks, efforts) in enumerate(passes, 1):
                objects = score_video(truth, masks, INTERACTIVE)
                looks = number if self.mode == "offline" else 1
                rounds.append(_round(number, objects, efforts, self.annotator, len(truth.names), looks))
        return SequenceScore(
            name,
            objects,
            frames=len(truth.names),
            # Not `seconds`: scoring and clicking are in it, so it says nothing about frames a second.
            details={
                "engine": described(self.segmenter),
                "wall_seconds": time.perf_counter() - begin,
                "rounds": rounds,
                "worst": worst_frames(truth, objects, masks),
            },
        )

    def _offline(self, source: Any, truth: Truth) -> Iterator[tuple[Masks, dict[int, Effort]]]:
        """Rounds on one session: correct every object's worst frame, then track the whole video anew."""
        assert self.segmenter is not None
        efforts = {object_id: Effort() for object_id in truth.objects}
        with self.segmenter.video(source, policy=self.policy) as session:
            masks: Masks = {}
            for _ in range(self.annotator.frames):
                for object_id in truth.objects:
                    frame = _worst_frame(truth, object_id, masks.get(object_id), efforts[object_id].frames)
                    if frame is not None:
                        shown = masks.get(object_id, {}).get(frame)
                        _interact(session, truth, frame, object_id, shown, efforts[object_id], self.annotator)
                masks = defaultdict(dict)
                for frame_, found in session.propagate("forward"):
                    for object_id in found:
                        masks[object_id][frame_.index] = found[object_id]
                yield masks, efforts

    def _online(self, source: Any, truth: Truth) -> Iterator[tuple[Masks, dict[int, Effort]]]:
        """One pass for each limit on corrected frames: what was shown before a pause stays as it was."""
        assert self.segmenter is not None
        limits = range(1, self.annotator.frames + 1)
        for limit in limits:
            with self.segmenter.video(source, policy=self.policy) as session:
                found = online_pass(session, truth, self.annotator, limit)
            yield found
            if all(len(effort.frames) < limit for effort in found[1].values()):
                # Nobody was stopped by the limit: with a higher one the pass would be the same.
                yield from (found for _ in limits[limit:])
                return


Mend = Callable[[VideoSession, int, int, Mask | None], int]
"""(session, frame, object, mask shown there or None) → clicks used: what is done where the pass stops."""

Bar = Callable[[int, int], float]
"""(object, frame) → IoU below which the annotator stops there."""


def online_pass(
    session: VideoSession,
    truth: Truth,
    annotator: Annotator,
    limit: int,
    *,
    mend: Mend | None = None,
    bar: Bar | None = None,
) -> tuple[Masks, dict[int, Effort]]:
    """Watch a video once, pausing to prompt objects as they appear and to correct them when they are lost.

    limit     most frames corrected an object, the one it appears on included
    mend      what is done on a frame; None clicks as the annotator says
    bar       None is the annotator's threshold everywhere
    returns   the masks as they were shown, and the effort spent on each object
    """

    def clicked(session: VideoSession, frame: int, object_id: int, shown: Mask | None) -> int:
        true = truth.mask(object_id, frame)
        return correct(session, frame, object_id, true, shown, annotator.clicks)

    def flat(object_id: int, frame: int) -> float:
        return annotator.threshold

    do, least = mend or clicked, bar or flat
    efforts = {object_id: Effort() for object_id in truth.objects}
    appears = {object_id: truth.appears(object_id) for object_id in truth.objects}
    masks: Masks = defaultdict(dict)
    pause: int | None = min(appears.values())
    while pause is not None:
        for object_id in truth.objects:
            if appears[object_id] == pause or _is_lost(truth, masks, efforts, object_id, pause, least, limit):
                effort = efforts[object_id]
                effort.clicks += do(session, pause, object_id, masks[object_id].get(pause))
                effort.frames.add(pause)
        start, pause = pause, None
        for frame, found in session.propagate("forward", start=start):
            for object_id in found:
                masks[object_id][frame.index] = found[object_id]
            here = [o for o in truth.objects if appears[o] == frame.index > start]
            lost = [o for o in found if _is_lost(truth, masks, efforts, o, frame.index, least, limit)]
            if here or lost:
                pause = frame.index
                break
    return masks, efforts


def _is_lost(
    truth: Truth,
    masks: Masks,
    efforts: dict[int, Effort],
    object_id: int,
    frame: int,
    bar: Bar,
    limit: int,
) -> bool:
    """Whether the annotator would stop here for this object."""
    effort = efforts[object_id]
    if frame in effort.frames or not 0 < len(effort.frames) < limit:
        return False
    if frame not in truth.annotated[object_id]:
        return False
    shown = masks[object_id].get(frame)
    return iou_of(shown, truth.mask(object_id, frame)) < bar(object_id, frame)


def _worst_frame(
    truth: Truth, object_id: int, masks: dict[int, Mask] | None, corrected: set[int]
) -> int | None:
    """Where the object is worst among frames not yet corrected; where it appears when nothing is known."""
    if masks is None:
        return truth.appears(object_id)
    frames = [p for p in truth.counted_frames(INTERACTIVE, object_id) if p not in corrected]
    scores = {p: iou_of(masks.get(p), truth.mask(object_id, p)) for p in frames}
    return min(scores, key=lambda p: (scores[p], p), default=None)


def _interact(
    session: VideoSession,
    truth: Truth,
    frame: int,
    object_id: int,
    shown: Mask | None,
    effort: Effort,
    annotator: Annotator,
) -> None:
    used = correct(session, frame, object_id, truth.mask(object_id, frame), shown, annotator.clicks)
    effort.clicks += used
    effort.frames.add(frame)


def _round(
    number: int,
    objects: Sequence[ObjectScore],
    efforts: dict[int, Effort],
    annotator: Annotator,
    length: int,
    looks: int,
) -> dict[str, Any]:
    """Figures after so many corrected frames, means over the video's objects."""
    spent = [efforts[one.object_id] for one in objects]
    seconds = [annotator.seconds(len(e.frames), e.clicks, length, looks) for e in spent]
    return {
        "frames": number,
        "objects": len(objects),
        "J": aggregate.mean([one.j_statistics.mean for one in objects]),
        "F": aggregate.mean([one.f_statistics.mean for one in objects]),
        "J&F": aggregate.mean([one.jf for one in objects]),
        "clicks": aggregate.mean([e.clicks for e in spent]),
        "seconds": aggregate.mean(seconds),
    }


def curve(scores: Sequence[SequenceScore]) -> list[dict[str, Any]]:
    """The rounds of all videos as one curve: means over objects after 1, 2, … corrected frames."""
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for score in scores:
        for row in (score.details or {}).get("rounds", ()):
            rows[row["frames"]].append(row)
    points = []
    for number in sorted(rows):
        weight = Counter(dict.fromkeys(("J", "F", "J&F", "clicks", "seconds"), 0.0))
        total = sum(row["objects"] for row in rows[number])
        for row in rows[number]:
            for key in weight:
                weight[key] += row[key] * row["objects"] / total
        points.append({"frames": number, "objects": total, **weight})
    return points
