"""Scoring instance masks of pictures: COCO truth against COCO results."""

from __future__ import annotations

import contextlib
import io
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from masklet.data.coco import decode_segmentation
from masklet.errors import DataError, MaskError
from masklet.evaluate import provenance
from masklet.evaluate.document import Document
from masklet.evaluate.metrics import aggregate, contour_accuracy
from masklet.evaluate.results import ObjectScore, SequenceScore
from masklet.types import Mask


def measure_coco(truth: Path, predictions: Path) -> Document:
    """Mean IoU and contour accuracy over instances, and COCO's average precision.

    truth         COCO instance JSON, or a folder with instances.json
    predictions   COCO results JSON: a list of image_id, segmentation (RLE), and category_id and score or
                  annotation_id, or a folder with results.json
    A result that names an annotation_id answers that instance. Others are matched within their picture, one
    to one, so that the sum of IoUs is largest; an instance nobody answers has IoU 0.
    raises        DataError when a file is not of that form
    """
    started = provenance.now()
    data = _read(_file(truth, "instances.json"))
    if not isinstance(data, dict) or not {"images", "annotations"} <= data.keys():
        raise DataError(f"{truth} is no COCO truth; expected JSON with images and annotations")
    found = _results(_file(predictions, "results.json"), {image["id"] for image in data["images"]})
    by_picture: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        by_picture[row["image_id"]].append(row)
    true: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in data["annotations"]:
        if not row.get("iscrowd"):
            true[row["image_id"]].append(row)
    rated = _is_rated(data, found)
    scores = tuple(_picture(image, true[image["id"]], by_picture[image["id"]]) for image in data["images"])
    objects = [one for score in scores for one in score.objects]
    figures: dict[str, Any] = {
        "mIoU": aggregate.mean([one.j[0] for one in objects]),
        "F": aggregate.mean([one.f[0] for one in objects]),
        "objects": len(objects),
        "pictures": len(scores),
        "failed": sum(score.error is not None for score in scores),
    }
    return Document(
        kind="score",
        title=f"coco, masks of {predictions.name}",
        protocol=(
            "instances matched one to one within a picture, or by annotation_id; unanswered ones count 0",
            "AP: COCO's own, over categories" if rated else "no AP: it needs scores and categories",
        ),
        config={"data": truth.name, "format": "coco", "predictions": predictions.name},
        summary=figures | (_precision(data, found) if rated else {}),
        scores=scores,
        origin={"commit": provenance.commit(), "machine": provenance.machine(), "started": started},
    )


def _picture(
    image: Mapping[str, Any], true: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> SequenceScore:
    name = str(image.get("file_name", image["id"]))
    size = (int(image["height"]), int(image["width"]))
    try:
        masks = [decode_segmentation(row["segmentation"], size) for row in true]
        guesses = [decode_segmentation(row["segmentation"], size) for row in found]
    except (MaskError, KeyError, TypeError) as error:
        return SequenceScore(name, error=f"{name}: a mask cannot be used ({error})")
    empty = Mask.empty(*size)
    answers = {row: guesses[k] for row, k in _pairs(true, found, masks, guesses).items()}
    objects = tuple(
        ObjectScore(
            object_id=int(row["id"]),
            frames=(0,),
            j=(answers.get(k, empty).iou(masks[k]),),
            f=(contour_accuracy(answers.get(k, empty), masks[k]),),
            visible=(True,),
        )
        for k, row in enumerate(true)
    )
    return SequenceScore(name, objects, frames=1)


def _pairs(
    true: Sequence[Mapping[str, Any]],
    found: Sequence[Mapping[str, Any]],
    masks: Sequence[Mask],
    guesses: Sequence[Mask],
) -> dict[int, int]:
    """Row of the truth → row of the results."""
    if found and all("annotation_id" in row for row in found):
        rows = {row["id"]: k for k, row in enumerate(true)}
        return {rows[row["annotation_id"]]: k for k, row in enumerate(found) if row["annotation_id"] in rows}
    from scipy.optimize import linear_sum_assignment

    overlap = np.array([[guess.iou(mask) for guess in guesses] for mask in masks])
    if overlap.size == 0:
        return {}
    chosen = zip(*linear_sum_assignment(-overlap), strict=True)
    return {int(i): int(k) for i, k in chosen}


def _precision(data: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # What COCOeval looks at and a truth may lack: the area decides only about small, medium and large.
    rows = [{"iscrowd": 0, "area": 0, **row} for row in data["annotations"]]
    # These classes report on stdout; a library does not print.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"info": {}, **data, "annotations": rows}
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {name: float(judge.stats[k]) for k, name in enumerate(("AP", "AP50", "AP75"))}


def _is_rated(data: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> bool:
    """Whether average precision can be had: every result has a score, all know their category, as RLE."""
    return (
        bool(found)
        and "categories" in data
        and all("category_id" in row for row in data["annotations"])
        and all({"score", "category_id"} <= row.keys() for row in found)
        and all(isinstance(row["segmentation"], dict) for row in found)
    )


def _results(path: Path, pictures: Collection[Any]) -> list[dict[str, Any]]:
    """Rows of a results file, each for a picture that the truth has."""
    found = _read(path)
    if not isinstance(found, list):
        raise DataError(f"{path} is no COCO result; expected a list of image_id and segmentation")
    answered = set()
    for number, row in enumerate(found):
        if not isinstance(row, dict) or not {"image_id", "segmentation"} <= row.keys():
            raise DataError(f"{path}: result {number} lacks image_id or segmentation")
        if row["image_id"] not in pictures:
            raise DataError(f"{path}: result {number} is of picture {row['image_id']}, which the truth lacks")
        if row.get("annotation_id") in answered:
            raise DataError(
                f"{path}: annotation {row['annotation_id']} is answered twice; give one mask each"
            )
        if "annotation_id" in row:
            answered.add(row["annotation_id"])
    return found


def _file(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
