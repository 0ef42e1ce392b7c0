"""Promptable image segmentation: 1, 3 and 5 clicks or a box an object, mean IoU over objects.

As in the SAM papers: the first click goes to the object's middle, each other to the middle of the largest
error of the answer so far, which goes in with the clicks. After one click the candidate with the best
predicted IoU counts ("1 click"), beside it the best of the three by the truth ("best of 3").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from masklet.data.clicks import centre_click, exact_box, telling_correction
from masklet.data.datasets import ImageSet, LabelledImage
from masklet.errors import DataError
from masklet.evaluate.metrics import aggregate, calibration
from masklet.evaluate.protocols.opening import Load, described
from masklet.evaluate.results import SequenceScore
from masklet.predict.image import BATCH, ImageSession, Segmentation
from masklet.predict.segmenter import Segmenter
from masklet.types import Box, Click, Mask, Prompt

COUNTS = (1, 3, 5)
"""Clicks after which the answer is scored."""


@dataclass
class PromptedImages:
    """Work for `run`: one picture, named by its number in the set.

    least_area   objects below so many pixels do not count
    """

    open: Callable[[], ImageSet]
    load: Load
    least_area: int = 0
    counts: tuple[int, ...] = COUNTS
    segmenter: Segmenter | None = None
    pictures: ImageSet | None = field(default=None, repr=False)

    def start(self, worker: int) -> None:
        self.segmenter, self.pictures = self.load(worker), self.open()

    def __call__(self, name: str) -> SequenceScore:
        assert self.segmenter is not None
        assert self.pictures is not None
        picture = self.pictures.read(int(name))
        if picture is None:
            problems = [str(p) for p in self.pictures.problems]
            raise DataError(problems[-1] if problems else f"picture {name} cannot be used")
        begin = time.perf_counter()
        rows = measure(self.segmenter, picture, self.least_area, self.counts)
        return SequenceScore(
            name,
            frames=1,
            seconds=time.perf_counter() - begin,
            details={"engine": described(self.segmenter), "picture": picture.name, "objects": rows},
        )


def measure(
    segmenter: Segmenter, picture: LabelledImage, least_area: int = 0, counts: Sequence[int] = COUNTS
) -> list[dict[str, Any]]:
    """Each object's IoU by prompt: "1", "3", "5" (clicks), "best3", "box"; with what the model thought.

    Rows also hold the `object`'s number in the picture, its `area` and its `candidates`: [predicted, true
    IoU] of each after one click.
    """
    chosen = [k for k, mask in enumerate(picture.masks) if mask.area >= max(least_area, 1)]
    rows: list[dict[str, Any]] = []
    session = segmenter.image(picture.image)
    for start in range(0, len(chosen), BATCH):
        part = chosen[start : start + BATCH]
        found = _measure(session, [picture.masks[k] for k in part], counts)
        rows += [{"object": k, **row} for k, row in zip(part, found, strict=True)]
    return rows


def _measure(session: ImageSession, true: Sequence[Mask], counts: Sequence[int]) -> list[dict[str, Any]]:
    arrays = [mask.to_array() for mask in true]
    boxes = [Prompt(box=Box(*exact_box(array))) for array in arrays]
    clicks = [Prompt(clicks=(Click(*centre_click(array)),)) for array in arrays]
    closer = session.closer_look
    boxed = session.segment_many(boxes, closer_look=closer)
    answers = session.segment_many(clicks, closer_look=closer)
    rows: list[dict[str, Any]] = []
    for mask, answer, box in zip(true, answers, boxed, strict=True):
        candidates = [[guess, one.iou(mask)] for guess, one in zip(answer.iou, answer.masks, strict=True)]
        rows.append(
            {
                "area": mask.area,
                "candidates": candidates,
                "best3": max(found for _, found in candidates),
                "box": box.best.iou(mask),
            }
        )
    for number in range(1, max(counts) + 1):
        if number > 1:
            answers = _clicked_again(session, answers, arrays)
        if number in counts:
            for row, answer, mask in zip(rows, answers, true, strict=True):
                row[str(number)] = answer.best.iou(mask)
    return rows


def _clicked_again(
    session: ImageSession, answers: Sequence[Segmentation], arrays: Sequence[np.ndarray]
) -> list[Segmentation]:
    """One more click for each object that is not yet perfect, all in one call of the engine."""
    result = list(answers)
    wrong: list[int] = []
    prompts: list[Prompt] = []
    for place, (answer, array) in enumerate(zip(answers, arrays, strict=True)):
        mend = telling_correction(answer.best.to_array(), array)
        if mend is not None:
            assert answer.prompt is not None
            wrong.append(place)
            prompts.append(answer.prompt.merged(Prompt(clicks=(mend.as_click(),))))
    # Objects that were perfect earlier have fewer clicks, and a call takes prompts of one length.
    for length in {len(prompt.clicks) for prompt in prompts}:
        group = [k for k, prompt in enumerate(prompts) if len(prompt.clicks) == length]
        prior = np.stack([answers[wrong[k]].logits[0] for k in group])
        asked = [prompts[k] for k in group]
        found = session.ask(asked, prior, False, closer_look=session.closer_look)
        for k, answer in zip(group, found, strict=True):
            result[wrong[k]] = answer
    return result


def image_summary(scores: Sequence[SequenceScore], counts: Sequence[int] = COUNTS) -> dict[str, Any]:
    """Mean IoU over objects by prompt, and whether predicted IoUs are right and rank the candidates."""
    good = [score for score in scores if score.error is None]
    rows = [row for score in good for row in (score.details or {})["objects"]]
    figures: dict[str, Any] = {
        f"{number}_click{'s' if number > 1 else ''}": aggregate.mean([row[str(number)] for row in rows])
        for number in counts
    }
    figures["best_of_3"] = aggregate.mean([row["best3"] for row in rows])
    figures["box"] = aggregate.mean([row["box"] for row in rows])
    pairs = np.array([pair for row in rows for pair in row["candidates"]]).reshape(-1, 2)
    if len(pairs):
        figures["iou_rank_correlation"] = calibration.rank_correlation(pairs[:, 0], pairs[:, 1])
        figures["iou_calibration_error"] = calibration.calibration(pairs[:, 0], pairs[:, 1]).error
    seconds = sum(score.seconds or 0 for score in good)
    return figures | {
        "objects": len(rows),
        "pictures": len(good),
        "failed": len(scores) - len(good),
        "pictures_per_second": len(good) / seconds if seconds else None,
    }
