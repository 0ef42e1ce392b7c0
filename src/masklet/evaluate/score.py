"""Scoring masks, wherever they come from: a model of ours or files any tool wrote."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.errors import DataError, MaskError
from masklet.evaluate.metrics import region_and_contour
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.folders import pictures
from masklet.evaluate.readers.palette import read_masks
from masklet.evaluate.readers.sav import read_json, read_object_folders
from masklet.evaluate.readers.truth import Convention, Truth
from masklet.evaluate.results import ObjectScore, SequenceScore
from masklet.types import Mask
from masklet.video.json_masks import read_masklets

Predictions = Mapping[int, Mapping[int, Mask]]
"""object id → {position: Mask}. A missing object or frame counts as an empty mask."""

Opinions = Mapping[int, Mapping[int, float]]
"""object id → {position: value}: predicted IoU or occlusion score."""


def score_video(
    truth: Truth,
    predictions: Predictions,
    convention: Convention,
    *,
    iou: Opinions | None = None,
    occlusion: Opinions | None = None,
) -> tuple[ObjectScore, ...]:
    """J and F of each object on each frame that the convention counts.

    raises   MaskError when sizes differ
    """
    return tuple(
        _score_object(
            truth, object_id, predictions.get(object_id, {}), convention, iou or {}, occlusion or {}
        )
        for object_id in truth.counted_objects(convention)
    )


def worst_frames(truth: Truth, objects: Sequence[ObjectScore], masks: Predictions) -> list[dict[str, Any]]:
    """Each object's worst counted frame with the mask given there, for the failure gallery."""
    rows = []
    for one in objects:
        if not one.frames:
            continue
        row = min(range(len(one.frames)), key=lambda k: one.j[k] + one.f[k])
        position = one.frames[row]
        mask = masks.get(one.object_id, {}).get(position) or Mask.empty(truth.height, truth.width)
        rows.append(
            {
                "object_id": one.object_id,
                "position": position,
                "j": one.j[row],
                "f": one.f[row],
                "mask": {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")},
            }
        )
    return rows


def _score_object(
    truth: Truth,
    object_id: int,
    found: Mapping[int, Mask],
    convention: Convention,
    iou: Opinions,
    occlusion: Opinions,
) -> ObjectScore:
    frames = truth.counted_frames(convention, object_id)
    nothing = Mask.empty(truth.height, truth.width)
    true = [truth.mask(object_id, position) for position in frames]
    guess = [found.get(position, nothing) for position in frames]
    both = [region_and_contour(one, two) for one, two in zip(guess, true, strict=True)]
    return ObjectScore(
        object_id=object_id,
        frames=frames,
        j=tuple(j for j, _ in both),
        f=tuple(f for _, f in both),
        visible=tuple(not mask.is_empty for mask in true),
        predicted_iou=_told(iou.get(object_id, {}), frames),
        occlusion=_told(occlusion.get(object_id, {}), frames),
        category=truth.categories.get(object_id, ""),
    )


def _told(values: Mapping[int, float], frames: tuple[int, ...]) -> tuple[float, ...]:
    """A model's opinion on every counted frame; nothing when it was silent on any."""
    return tuple(float(values[p]) for p in frames) if all(p in values for p in frames) else ()


@dataclass
class ScoreFolder:
    """Work for `run`: score one video's masks from a folder of results.

    Results are <video>/<frame>.png with object ids as pixel values, <video>/<object>/<frame>.png black
    and white, or <video>.json in SA-V's form or as `masklet track --masks` writes it.
    """

    truth: VideoSet
    predictions: Path

    def start(self, worker: int) -> None:
        """Nothing to load."""

    def __call__(self, name: str) -> SequenceScore:
        truth = self.truth.truth(name)
        truth.check_counted(self.truth.convention)
        found = read_predictions(self.predictions, truth, self.truth.convention)
        objects = score_video(truth, found, self.truth.convention)
        worst = worst_frames(truth, objects, found)
        return SequenceScore(name, objects, frames=len(truth.names), details={"worst": worst})


def read_predictions(root: Path, truth: Truth, convention: Convention) -> Predictions:
    """Masks that a tool wrote for one video, at the truth's positions.

    raises   DataError when a frame that counts has no prediction, or pictures do not fit the truth
    """
    folder, code = root / truth.name, root / f"{truth.name}.json"
    if code.is_file() and _is_coco(code):
        return _masklets(code, truth, convention)
    if code.is_file():
        return _placed(read_json(code), truth, convention, code)
    if not folder.is_dir():
        raise DataError(
            f"{truth.name} has no predictions: expected the folder {folder} or {code.name} beside it"
        )
    if any(p.is_dir() for p in folder.iterdir()):
        return _placed(read_object_folders(folder), truth, convention, folder)
    return _palette(folder, truth, convention)


def _is_coco(code: Path) -> bool:
    """Whether a file has masklets as YouTube-VIS has them; of what cannot be read, the reader tells."""
    try:
        data = json.loads(code.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and "annotations" in data


def _masklets(code: Path, truth: Truth, convention: Convention) -> Predictions:
    """Masks of a file that numbers frames; an object has no mask on a frame where it is not listed."""
    try:
        found = {object_id: one.masks for object_id, one in read_masklets(code).items()}
    except MaskError as error:
        raise DataError(str(error)) from error
    lacking = [o for o in truth.counted_objects(convention) if o not in found]
    if lacking:
        raise DataError(f"{code} lacks object {lacking[0]}; it has {', '.join(map(str, found)) or 'none'}")
    for mask in (mask for frames in found.values() for mask in frames.values()):
        if (mask.height, mask.width) != (truth.height, truth.width):
            raise _other_size(code, (mask.height, mask.width), truth)
    return found


def _placed(found: Truth, truth: Truth, convention: Convention, place: Path) -> Predictions:
    """Predictions that were read like a truth, moved to the positions of the truth by the frames' names."""
    if (found.height, found.width) != (truth.height, truth.width):
        raise _other_size(place, (found.height, found.width), truth)
    places = {name: position for position, name in enumerate(truth.names)}
    for object_id in truth.counted_objects(convention):
        given = {places.get(found.names[p]) for p in found.annotated.get(object_id, ())}
        _complete(truth, truth.counted_frames(convention, object_id), given, f"{place}, object {object_id},")
    return {
        o: {places[found.names[p]]: mask for p, mask in frames.items() if found.names[p] in places}
        for o, frames in found.masks.items()
    }


def _other_size(place: Path, found: tuple[int, int], truth: Truth) -> DataError:
    return DataError(
        f"{place} has masks of {found[1]}×{found[0]}, the truth is {truth.width}×{truth.height}; "
        "write them at the truth's size"
    )


def _palette(folder: Path, truth: Truth, convention: Convention) -> Predictions:
    files = pictures(folder)
    places = {name: position for position, name in enumerate(truth.names)}
    wanted = sorted({p for o in truth.masks for p in truth.counted_frames(convention, o)})
    _complete(truth, wanted, {places.get(name) for name in files}, str(folder))
    frames, size = read_masks([files[truth.names[p]] for p in wanted])
    if size != (truth.height, truth.width):
        raise _other_size(folder, size, truth)
    masks: dict[int, dict[int, Mask]] = {}
    for position, row in zip(wanted, frames, strict=True):
        for object_id, mask in row.items():
            masks.setdefault(object_id, {})[position] = mask
    return masks


def _complete(truth: Truth, wanted: Sequence[int], given: Collection[int | None], place: str) -> None:
    missing = [truth.names[p] for p in wanted if p not in given]
    if missing:
        raise DataError(
            f"{place} lacks {len(missing)} of {len(wanted)} frames that count, the first is {missing[0]}"
        )
