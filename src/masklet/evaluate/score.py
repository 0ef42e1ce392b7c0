"""Scoring masks, wherever they come from: a model of ours or files any tool wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from masklet.errors import DataError
from masklet.evaluate.metrics import contour_accuracy, jaccard_masks
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.folders import pictures
from masklet.evaluate.readers.palette import read_masks
from masklet.evaluate.readers.sav import read_json, read_object_folders
from masklet.evaluate.readers.truth import Convention, Truth
from masklet.evaluate.results import ObjectScore, SequenceScore
from masklet.types import Mask

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
    j = jaccard_masks(guess, true)
    f = [contour_accuracy(one, two) for one, two in zip(guess, true, strict=True)]
    return ObjectScore(
        object_id=object_id,
        frames=frames,
        j=tuple(j.tolist()),
        f=tuple(f),
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
    and white, or <video>.json in SA-V's form.
    """

    truth: VideoSet
    predictions: Path

    def start(self, worker: int) -> None:
        """Nothing to load."""

    def __call__(self, name: str) -> SequenceScore:
        truth = self.truth.truth(name)
        found = read_predictions(self.predictions, truth, self.truth.convention)
        return SequenceScore(name, score_video(truth, found, self.truth.convention), frames=len(truth.names))


def read_predictions(root: Path, truth: Truth, convention: Convention) -> Predictions:
    """Masks that a tool wrote for one video, at the truth's positions.

    raises   DataError when a frame that counts has no prediction, or pictures do not fit the truth
    """
    folder = root / truth.name
    code = next((p for p in (root / f"{truth.name}.json",) if p.is_file()), None)
    if code is not None:
        return _same_size(read_json(code), truth)
    if not folder.is_dir():
        raise DataError(f"{truth.name} has no predictions: expected the folder {folder}")
    if any(p.is_dir() for p in folder.iterdir()):
        found = read_object_folders(folder)
        places = {name: position for position, name in enumerate(truth.names)}
        masks = {
            o: {places[found.names[p]]: m for p, m in frames.items() if found.names[p] in places}
            for o, frames in _same_size(found, truth).items()
        }
        for object_id in truth.counted_objects(convention):
            _complete(
                truth, truth.counted_frames(convention, object_id), set(masks.get(object_id, ())), folder
            )
        return masks
    return _palette(folder, truth, convention)


def _palette(folder: Path, truth: Truth, convention: Convention) -> Predictions:
    files = pictures(folder)
    places = {name: position for position, name in enumerate(truth.names)}
    wanted = sorted({p for o in truth.masks for p in truth.counted_frames(convention, o)})
    _complete(truth, wanted, {places[name] for name in files if name in places}, folder)
    frames, (height, width) = read_masks([files[truth.names[p]] for p in wanted])
    if (height, width) != (truth.height, truth.width):
        raise DataError(
            f"{folder} has masks of {width}×{height}, the truth is {truth.width}×{truth.height}; "
            "write them at the truth's size"
        )
    masks: dict[int, dict[int, Mask]] = {}
    for position, row in zip(wanted, frames, strict=True):
        for object_id, mask in row.items():
            masks.setdefault(object_id, {})[position] = mask
    return masks


def _complete(truth: Truth, wanted: list[int] | tuple[int, ...], present: set[int], folder: Path) -> None:
    missing = [truth.names[p] for p in wanted if p not in present]
    if missing:
        raise DataError(
            f"{folder} lacks {len(missing)} of {len(wanted)} frames that count, the first is {missing[0]}.png"
        )


def _same_size(found: Truth, truth: Truth) -> Predictions:
    if (found.height, found.width) != (truth.height, truth.width):
        raise DataError(
            f"{truth.name}: predicted masks are {found.width}×{found.height}, the truth is "
            f"{truth.width}×{truth.height}; write them at the truth's size"
        )
    return found.masks
