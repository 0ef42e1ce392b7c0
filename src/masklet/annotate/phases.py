"""A simulated annotator works through ground-truthed videos in the three ways, for comparison.

    phase 1   every frame is clicked on as a picture, until it is good enough
    phase 2   a frame drawn as in phase 1 is propagated as a mask; where it went wrong, one is drawn anew
    phase 3   clicks in the video, with memory; where it went wrong, clicks on top of what is shown

The annotator clicks in the middle of the largest error (shared with evaluation), gives a frame up when
clicks change nothing any more, and takes those back that did no good. A frame is good enough at an IoU with
the truth of `quality`; in phases 2 and 3 no frame has to be better than phase 1 made it, and one that phase
1 could not make good is left alone until it is clearly worse than that. In phase 3 a frame that is clicked
on at all is made a little better than it has to be, since what follows starts from it.

A phase that goes by a higher standard takes longer and ends with a higher J&F. Phases 2 and 3 are simulated
by several standards; phases are compared at equal J&F: each by the least standard with which its mean J&F
over all objects reaches phase 1's.

Source: SAM 2 paper (Ravi et al., 2024), section 5.1, table 1 and appendix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from masklet.data.clicks import centre_click, telling_correction
from masklet.evaluate.metrics import aggregate
from masklet.evaluate.protocols.interactive import Annotator, Masks, online_pass
from masklet.evaluate.protocols.opening import Load, open_frames
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.truth import INTERACTIVE, Truth
from masklet.evaluate.results import SequenceScore
from masklet.evaluate.score import score_video
from masklet.predict.segmenter import Segmenter
from masklet.predict.session import VideoSession
from masklet.types import Click, Mask
from masklet.video.protocol import FrameSource

ALIGNED = 0.75
"""A mask agrees with phase 1's above this IoU (SAM 2 paper, table 1)."""
GAIN = 0.005
"""IoU by which a click has to better a mask for a person to see that it did."""
SIZES = {"small": 32**2, "medium": 96**2}
"""Upper bounds of phase 1's mask area, pixels; what is larger is large (COCO's bounds)."""

PAPER = {
    1: {"seconds": 37.8, "edited": 1.0, "clicks": 4.80},
    2: {
        "seconds": 7.4,
        "edited": 0.2325,
        "clicks": 3.61,
        "aligned": 0.864,
        "small": 0.713,
        "medium": 0.804,
        "large": 0.979,
    },
    3: {
        "seconds": 4.5,
        "edited": 0.1904,
        "clicks": 2.68,
        "aligned": 0.891,
        "small": 0.728,
        "medium": 0.818,
        "large": 1.0,
    },
}
"""What people needed with SAM and SAM 2 (paper, table 1): seconds a frame, share of frames edited, clicks
a clicked frame, share of masks that agree with phase 1's. Their time has brush strokes and pauses in it;
simulated times don't, so only the proportions between phases compare."""


@dataclass(frozen=True)
class Way:
    """How the simulated person works.

    quality   IoU at which a frame is left alone in phase 1, 0 to 1
    clicks    most on one frame
    patience  clicks in a row that may gain nothing, on one frame
    margin    IoU that is clearly worse, or a little better, 0 to 1
    standards  what phases 2 and 3 add to that quality, rising
    times     seconds for locating an object, a click, and looking through the video (the paper's, appendix)
    """

    quality: float = 0.85
    clicks: int = 8
    patience: int = 2
    margin: float = 0.03
    standards: tuple[float, ...] = (-0.03, -0.02, -0.01, -0.005, 0.0, 0.02)
    times: Annotator = field(default_factory=Annotator)


@dataclass(frozen=True)
class Drawing:
    """A frame done as a picture."""

    mask: Mask
    clicks: int


@dataclass
class Phases:
    """Work for `evaluate.run`: one video, in all three ways."""

    videos: VideoSet
    load: Load
    way: Way = field(default_factory=Way)
    segmenter: Segmenter | None = None

    def start(self, worker: int) -> None:
        self.segmenter = self.load(worker)

    def __call__(self, name: str) -> SequenceScore:
        assert self.segmenter is not None
        truth = self.videos.truth(name)
        with open_frames(self.videos, truth) as source:
            return SequenceScore(
                name, frames=len(truth.names), details=simulate(self.segmenter, source, truth, self.way)
            )


def simulate(segmenter: Segmenter, source: FrameSource, truth: Truth, way: Way) -> dict[str, Any]:
    """All three phases on one video: {"1": [row], "2": rows, "3": rows}, a row for each standard.

    A row has the sums that `table` adds up: seconds, frames, edited, clicks, objects, "J&F", and for each
    size of mask how many there are and how many agree with phase 1.
    """
    drawings = draw_all(segmenter, source, truth, way)
    by_hand: Masks = {o: {t: d.mask for t, d in found.items()} for o, found in drawings.items()}
    first = _row(truth, by_hand, by_hand, way.quality)
    for found in drawings.values():
        # Each frame is looked at while it is drawn: no extra look through the video.
        clicks = sum(d.clicks for d in found.values())
        _add_effort(first, len(found), clicks, way.times.seconds(len(found), clicks, 0, 0))
    details: dict[str, Any] = {"1": [first]}
    for phase, follow in (("2", _masks_propagated), ("3", _clicks_with_memory)):
        rows: list[dict[str, Any]] = []
        for standard in way.standards:
            quality = way.quality + standard
            with segmenter.video(source) as session:
                masks, efforts = follow(session, truth, drawings, way, quality)
            row = _row(truth, masks, by_hand, quality)
            for effort in efforts.values():
                seconds = way.times.seconds(len(effort.frames), effort.clicks, len(truth.names), 1)
                _add_effort(row, len(effort.frames), effort.clicks, seconds)
            rows.append(row)
        details[phase] = rows
    return details


def draw_all(
    segmenter: Segmenter, source: FrameSource, truth: Truth, way: Way
) -> dict[int, dict[int, Drawing]]:
    """Phase 1: object → frame → drawing, on every annotated frame that shows the object."""
    wanted = {o: {t for t in truth.annotated[o] if not truth.mask(o, t).is_empty} for o in truth.objects}
    drawings: dict[int, dict[int, Drawing]] = {o: {} for o in truth.objects}
    for frame in source.read(0, len(truth.names)):
        session = None
        for o in truth.objects:
            if frame.index in wanted[o]:
                session = session or segmenter.image(frame.image)
                drawings[o][frame.index] = _draw(session, truth.mask(o, frame.index), way)
    return drawings


def _draw(session: Any, true: Mask, way: Way) -> Drawing:
    """Click on a picture until the object is good enough; the best answer on the way is kept."""
    array = true.to_array()
    answer = session.segment(clicks=[centre_click(array)])
    best, used, vain = answer.best, 1, 0
    while best.iou(true) < way.quality and used < way.clicks and vain < way.patience:
        mend = telling_correction(answer.best.to_array(), array)
        if mend is None:
            break
        answer = answer.refine(clicks=[mend.as_click()])
        used, vain = used + 1, vain + 1
        if answer.best.iou(true) > best.iou(true) + GAIN:
            best, vain = answer.best, 0
    return Drawing(best, used)


Drawings = Mapping[int, Mapping[int, Drawing]]


def _bar(truth: Truth, drawings: Drawings, way: Way, quality: float) -> Callable[[int, int], float]:
    """Stop below the quality, but not where drawing the frame would be hardly better."""

    def least(object_id: int, frame: int) -> float:
        drawing = drawings[object_id].get(frame)
        drawn = 1.0 if drawing is None else drawing.mask.iou(truth.mask(object_id, frame))
        if drawn >= way.quality:
            return min(quality, drawn)
        return min(drawn, drawn - way.margin + (quality - way.quality))

    return least


def _masks_propagated(
    session: VideoSession, truth: Truth, drawings: Drawings, way: Way, quality: float
) -> Any:
    def redraw(session: VideoSession, frame: int, object_id: int, shown: Mask | None) -> int:
        drawing = drawings[object_id].get(frame)
        if drawing is None or drawing.mask.is_empty:  # the object is not there, or clicks don't find it
            session.pin(frame, object_id, Mask.empty(truth.height, truth.width))
            return 1 if drawing is None else drawing.clicks
        session.prompt(frame, object_id, mask=drawing.mask)
        return drawing.clicks

    bar = _bar(truth, drawings, way, quality)
    return online_pass(session, truth, way.times, len(truth.names), mend=redraw, bar=bar)


def _clicks_with_memory(
    session: VideoSession, truth: Truth, drawings: Drawings, way: Way, quality: float
) -> Any:
    bar = _bar(truth, drawings, way, quality)

    def click(session: VideoSession, frame: int, object_id: int, shown: Mask | None) -> int:
        enough = bar(object_id, frame) + way.margin
        return _mend(session, frame, object_id, truth.mask(object_id, frame), shown, way, enough)

    return online_pass(session, truth, way.times, len(truth.names), mend=click, bar=bar)


def _mend(
    session: VideoSession, frame: int, object_id: int, true: Mask, shown: Mask | None, way: Way, enough: float
) -> int:
    """Click in the video until the frame is good enough; returns how many clicks that took."""
    array = true.to_array()
    answer, used, vain = shown, 0, 0
    best = -1.0 if shown is None else shown.iou(true)
    while best < enough and used < way.clicks and vain < way.patience:
        click = centre_click(array) if answer is None else _telling(answer, array)
        if click is None:
            break
        answer = session.prompt(frame, object_id, clicks=[click]).mask
        used, vain = used + 1, vain + 1
        if answer.iou(true) > best + GAIN:
            best, vain = answer.iou(true), 0
    for _ in range(vain):
        session.undo()
    return used


def _telling(answer: Mask, true: np.ndarray) -> Click | None:
    found = telling_correction(answer.to_array(), true)
    return None if found is None else found.as_click()


def _row(truth: Truth, masks: Masks, by_hand: Masks, quality: float) -> dict[str, Any]:
    scores = score_video(truth, masks, INTERACTIVE)
    row: dict[str, Any] = {
        "quality": quality,
        "J&F": aggregate.mean([one.jf for one in scores]),
        "objects": len(scores),
        "frames": sum(len(truth.annotated[o]) for o in truth.objects),
        "seconds": 0.0,
        "edited": 0,
        "clicks": 0,
        "masks": dict.fromkeys((*SIZES, "large"), 0),
        "aligned": dict.fromkeys((*SIZES, "large"), 0),
    }
    for object_id, found in by_hand.items():
        for t, mask in found.items():
            if mask.is_empty:
                continue
            size = next((name for name, limit in SIZES.items() if mask.area < limit), "large")
            row["masks"][size] += 1
            other = masks.get(object_id, {}).get(t)
            row["aligned"][size] += other is not None and other.iou(mask) > ALIGNED
    return row


def _add_effort(row: dict[str, Any], frames: int, clicks: int, seconds: float) -> None:
    row["edited"] += frames
    row["clicks"] += clicks
    row["seconds"] += seconds


@dataclass(frozen=True)
class PhaseFigures:
    """One line of the paper's table.

    seconds         a frame and object, simulated
    share           of phase 1's seconds
    edited          share of frames clicked on, 0 to 1
    clicks          a clicked frame
    quality         IoU at which a frame was left alone
    jf              J&F, mean over objects
    aligned         share of masks that agree with phase 1's: all, small, medium, large (None: there are none)
    reached         videos on which phase 1's J&F was reached, of `videos`
    """

    phase: int
    seconds: float
    share: float
    edited: float
    clicks: float | None
    quality: float
    jf: float
    aligned: Mapping[str, float | None]
    reached: int
    videos: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def table(scores: list[SequenceScore], *, equal: bool = True) -> list[PhaseFigures]:
    """The three lines over all videos that worked.

    equal   take phases 2 and 3 by the least standard that reached phase 1's J&F (else by the one with the
            best J&F); False: by phase 1's own quality, or the standard nearest to it
    """
    details = [score.details for score in scores if score.error is None and score.details]
    lines: list[PhaseFigures] = []
    first = [found["1"][0] for found in details]
    for phase in (1, 2, 3):
        by_standard = list(zip(*(found[str(phase)] for found in details), strict=True))
        rows = _chosen(by_standard, first, equal) if by_standard else ()
        frames, edited = sum(r["frames"] for r in rows), sum(r["edited"] for r in rows)
        if not frames:
            continue
        seconds = sum(r["seconds"] for r in rows) / frames
        base = lines[0].seconds if lines else seconds
        lines.append(
            PhaseFigures(
                phase=phase,
                seconds=seconds,
                share=seconds / base if base else 1.0,
                edited=edited / frames,
                clicks=sum(r["clicks"] for r in rows) / edited if edited else None,
                quality=rows[0]["quality"],
                jf=_mean_jf(rows),
                aligned=_alignment(rows),
                reached=sum(r["J&F"] >= f["J&F"] for r, f in zip(rows, first, strict=True)),
                videos=len(rows),
            )
        )
    return lines


Rows = Sequence[dict[str, Any]]


def _chosen(by_standard: Sequence[Rows], first: Rows, equal: bool) -> Rows:
    """Of a phase's rows by every standard, each with one row a video, those that count."""
    if not equal:
        return min(by_standard, key=lambda rows: abs(rows[0]["quality"] - first[0]["quality"]))
    reached = [rows for rows in by_standard if _mean_jf(rows) >= _mean_jf(first)]
    return reached[0] if reached else max(by_standard, key=_mean_jf)


def _mean_jf(rows: Rows) -> float:
    """J&F, mean over all objects."""
    return float(sum(r["J&F"] * r["objects"] for r in rows) / sum(r["objects"] for r in rows))


def _alignment(rows: Rows) -> dict[str, float | None]:
    names = (*SIZES, "large")
    masks = {name: sum(r["masks"][name] for r in rows) for name in names}
    good = {name: sum(r["aligned"][name] for r in rows) for name in names}
    total = sum(masks.values())
    shares = {name: good[name] / masks[name] if masks[name] else None for name in names}
    return {"all": sum(good.values()) / total if total else None, **shares}
