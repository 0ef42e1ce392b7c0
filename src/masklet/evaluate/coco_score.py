"""Scoring instance masks of pictures: COCO truth against COCO results."""

from __future__ import annotations

import contextlib
import io
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from masklet import rle
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
    found = _read(_file(predictions, "results.json"))
    if not isinstance(found, list):
        raise DataError(f"{predictions} is no COCO result; expected a list of image_id and segmentation")
    by_picture: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in found:
        by_picture[row["image_id"]].append(row)
    true: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for row in data["annotations"]:
        if not row.get("iscrowd"):
            true[row["image_id"]].append(row)
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
            "AP: COCO's own, over categories" if _has_scores(found) else "no AP: results carry no score",
        ),
        config={"data": truth.name, "format": "coco", "predictions": predictions.name},
        summary=figures | (_precision(data, found) if _has_scores(found) else {}),
        scores=scores,
        origin={"commit": provenance.commit(), "machine": provenance.machine(), "started": started},
    )


def _picture(
    image: Mapping[str, Any], true: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> SequenceScore:
    name = str(image.get("file_name", image["id"]))
    size = (int(image["height"]), int(image["width"]))
    try:
        masks = [_mask(row, size) for row in true]
        guesses = [_mask(row, size) for row in found]
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
    from scipy.optimize import linear_sum_assignment

    if found and all("annotation_id" in row for row in found):
        rows = {row["id"]: k for k, row in enumerate(true)}
        return {rows[row["annotation_id"]]: k for k, row in enumerate(found) if row["annotation_id"] in rows}
    overlap = np.array([[guess.iou(mask) for guess in guesses] for mask in masks])
    if overlap.size == 0:
        return {}
    chosen = zip(*linear_sum_assignment(-overlap), strict=True)
    return {int(i): int(k) for i, k in chosen}


def _mask(row: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    from pycocotools import mask as coco

    height, width = size
    code = row["segmentation"]
    if isinstance(code, list):
        return Mask.from_array(np.asarray(coco.decode(coco.merge(coco.frPyObjects(code, *size)))))
    if tuple(code["size"]) != size:
        raise MaskError(f"mask is {code['size'][1]}×{code['size'][0]}, its picture {width}×{height}")
    counts = code["counts"]
    if isinstance(counts, list):
        return Mask(rle.from_runs(counts, height, width), height, width)
    mask = Mask(counts.encode("ascii") if isinstance(counts, str) else counts, height, width)
    mask.to_array()  # checks the runs
    return mask


def _precision(data: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    # These classes report on stdout; a library does not print.
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(found), "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return {name: float(judge.stats[k]) for k, name in enumerate(("AP", "AP50", "AP75"))}


def _has_scores(found: Sequence[Mapping[str, Any]]) -> bool:
    return bool(found) and all({"score", "category_id"} <= row.keys() for row in found)


def _file(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
