"""Everything in a picture without prompts: a grid of clicks, and what survives of their answers.

The options are SAM 2's; the defaults suit the embedded models. Stability is measured on the model's logit
grid rather than on the upsampled masks, so that candidates are upsampled only once they have passed; from
then on they are run lengths, so memory does not grow with the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from masklet import rle
from masklet.engine.protocol import Engine
from masklet.errors import ConfigError
from masklet.predict.edges import sharp_patch
from masklet.predict.image import ImageSession
from masklet.predict.postprocess import small_regions
from masklet.types import Click, Mask, Prompt

EDGE = 20
"""Pixels: a mask this near to the edge of a crop is cut off there and dropped (SAM 2)."""


@dataclass(frozen=True)
class AutomaticOptions:
    """How `segment_everything` works. Defaults suit the embedded models; `sam2()` has the published ones."""

    points_per_side: int = 32
    """The grid of clicks is points_per_side squared."""
    points_per_batch: int = 64
    """Clicks in one call of the engine: memory against speed."""
    predicted_iou: float = 0.8
    """Masks with a lower predicted IoU are dropped; 0 to 1."""
    stability: float = 0.85
    """Masks less stable than this are dropped: IoU of the masks at the two thresholds ± offset; 0 to 1.

    SAM 2's 0.95 is for masks of 256 × 256. On the coarser grid of a small model an outline is a larger part
    of its mask, and whole pictures were left without one."""
    stability_offset: float = 1.0
    """Half the distance of those thresholds, in logits."""
    box_nms: float = 0.7
    """Of two masks whose boxes overlap more than this (IoU), the one with the lower predicted IoU goes."""
    crop_layers: int = 0
    """Layer n looks again at 4**n overlapping crops of the picture; 0 = the whole picture only."""
    crop_nms: float = 0.7
    """The same between crops; the smaller crop wins."""
    crop_overlap: float = 512 / 1500
    """How much crops overlap, as a part of the picture's shorter side, in layer 1; halved with each layer."""
    crop_points_downscale: int = 1
    """Layer n has a grid that is smaller by downscale**n."""
    crop_points: tuple[int, ...] = ()
    """Points per side in a crop of layer 1, 2, …, said outright; empty goes by the downscale."""
    minimum_area: int = 0
    """Holes and specks of up to this many pixels are cleaned, masks of up to this many dropped."""
    multimask: bool = True
    """Three candidates a click, or one."""
    refine: bool = False
    """Ask once more with each mask as the start (SAM 2's use_m2m)."""
    duplicate_iou: float = 0.9
    """Of two masks that overlap more than this (mask IoU), the less sure one goes; 1 = never, as SAM 2."""
    order: Literal["area", "score"] = "area"
    """Largest first, or highest predicted IoU first."""

    def __post_init__(self) -> None:
        for name, least in (
            ("points_per_side", 1),
            ("points_per_batch", 1),
            ("crop_layers", 0),
            ("crop_points_downscale", 1),
            ("minimum_area", 0),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"automatic {name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("predicted_iou", "stability", "box_nms", "crop_nms", "crop_overlap", "duplicate_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"automatic {name} is {getattr(self, name)}; it must lie between 0 and 1")
        if self.crop_points and (len(self.crop_points) != self.crop_layers or min(self.crop_points) < 1):
            raise ConfigError(
                f"automatic crop_points is {self.crop_points}; give one number of at least 1 for each of the "
                f"{self.crop_layers} crop layers"
            )
        if self.order not in ("area", "score"):
            raise ConfigError(f"automatic order {self.order!r} is unknown; give area or score")

    @classmethod
    def sam2(cls) -> AutomaticOptions:
        """As SAM 2 was published, for its own checkpoints."""
        return cls(stability=0.95, duplicate_iou=1.0)

    def side(self, layer: int) -> int:
        """Points per side of the grid in a crop of this layer; 0 is the whole picture."""
        if layer and self.crop_points:
            return self.crop_points[layer - 1]
        return max(1, self.points_per_side // self.crop_points_downscale**layer)


@dataclass(frozen=True)
class AutoMask:
    """One object found.

    mask        at the picture's size
    iou         predicted IoU, 0 to 1
    stability   0 to 1
    point       the click that found it, in pixels of the picture
    crop        x0, y0, x1, y1 of the crop it was found in
    """

    mask: Mask
    iou: float
    stability: float
    point: tuple[float, float]
    crop: tuple[int, int, int, int]


def segment_everything(
    engine: Engine,
    image: np.ndarray,
    options: AutomaticOptions,
    *,
    on_step: Callable[[int, int], None] = lambda done, total: None,
) -> list[AutoMask]:
    """All objects of a picture uint8 [H, W, 3].

    on_step   called with clicks asked, and clicks in all; what it raises ends the search
    """
    height, width = image.shape[:2]
    found: list[AutoMask] = []
    places = crops(height, width, options)
    done, total = 0, sum(options.side(layer) ** 2 for _, layer in places)
    on_step(done, total)
    for crop, layer in places:
        x0, y0, x1, y1 = crop
        session = ImageSession(engine, np.ascontiguousarray(image[y0:y1, x0:x1]))
        here: list[AutoMask] = []
        clicks = grid(options.side(layer), session.width, session.height)
        for start in range(0, len(clicks), options.points_per_batch):
            batch = clicks[start : start + options.points_per_batch]
            here += _search(session, batch, crop, height, width, options)
            done += len(batch)
            on_step(done, total)
        found += _suppress(here, [m.iou for m in here], options.box_nms)
    if options.crop_layers:
        smaller = [1 / ((m.crop[2] - m.crop[0]) * (m.crop[3] - m.crop[1])) for m in found]
        found = _suppress(found, smaller, options.crop_nms)
    if options.minimum_area:
        found = _clean(found, options)
    found = _drop_duplicates(found, options.duplicate_iou)
    if options.order == "score":
        return sorted(found, key=lambda m: -m.iou)
    return sorted(found, key=lambda m: -m.mask.area)


def crops(height: int, width: int, options: AutomaticOptions) -> list[tuple[tuple[int, int, int, int], int]]:
    """((x0, y0, x1, y1), layer) of the picture and its crops."""
    result = [((0, 0, width, height), 0)]
    for layer in range(1, options.crop_layers + 1):
        side = 2**layer
        overlap = int(options.crop_overlap * min(height, width) * (2 / side))
        wide = -(-(overlap * (side - 1) + width) // side)
        high = -(-(overlap * (side - 1) + height) // side)
        for x0 in ((wide - overlap) * i for i in range(side)):
            for y0 in ((high - overlap) * i for i in range(side)):
                box = (x0, y0, min(x0 + wide, width), min(y0 + high, height))
                if box[0] < box[2] and box[1] < box[3]:
                    result.append((box, layer))
    return result


def grid(side: int, width: int, height: int) -> list[Click]:
    """side × side clicks in the middles of equal cells."""
    steps = (np.arange(side) + 0.5) / side
    return [Click(float(x * width), float(y * height)) for y in steps for x in steps]


def stability_scores(logits: np.ndarray, offset: float) -> np.ndarray:
    """logits [..., h, w] → [...]: area above +offset over area above -offset; 0 when both are empty."""
    inner = np.count_nonzero(logits > offset, axis=(-2, -1))
    outer = np.count_nonzero(logits > -offset, axis=(-2, -1))
    return inner / np.maximum(outer, 1)


def _search(
    session: ImageSession,
    clicks: list[Click],
    crop: tuple[int, int, int, int],
    height: int,
    width: int,
    options: AutomaticOptions,
) -> Iterator[AutoMask]:
    """Masks of some clicks in one crop that are sure, stable and not cut off by the crop."""
    logits, iou, rows = _ask(session, clicks, options)
    stable = stability_scores(logits, options.stability_offset)
    keep = np.flatnonzero((iou > options.predicted_iou) & (stable >= options.stability))
    for k in keep:
        mask = _place(logits[k], session, crop, height, width)
        if mask is None:
            continue
        click = clicks[rows[k]]
        point = (click.x + crop[0], click.y + crop[1])
        yield AutoMask(mask, float(iou[k]), float(stable[k]), point, crop)


def _ask(
    session: ImageSession, clicks: list[Click], options: AutomaticOptions
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits [K, h, w], predicted IoU [K] and the click's number [K] of all candidates."""
    prompts = [Prompt((click,)) for click in clicks]
    answers = session.decode(prompts, None, options.multimask)
    objects, count = answers.iou.shape
    logits = answers.logits.reshape(-1, *answers.logits.shape[2:])
    iou, rows = answers.iou.reshape(-1), np.repeat(np.arange(objects), count)
    if not options.refine:
        return logits, iou, rows
    refined, scores = [], []
    for start in range(0, len(logits), options.points_per_batch):
        part = slice(start, start + options.points_per_batch)
        again = session.decode([prompts[k] for k in rows[part]], logits[part], False)
        refined.append(again.logits[:, 0])
        scores.append(again.iou[:, 0])
    return np.concatenate(refined), np.concatenate(scores), rows


def _place(
    logits: np.ndarray, session: ImageSession, crop: tuple[int, int, int, int], height: int, width: int
) -> Mask | None:
    """The mask in the whole picture; None when it is empty or cut off by the crop."""
    patch = sharp_patch(logits, session.guide)
    positive = patch.logits > 0
    if not positive.any():
        return None
    rows, columns = np.flatnonzero(positive.any(axis=1)), np.flatnonzero(positive.any(axis=0))
    top, left = patch.top + crop[1], patch.left + crop[0]
    box = (left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1)
    for edge, cut, end in zip(box, crop, (0, 0, width, height), strict=True):
        if abs(edge - cut) <= EDGE and abs(edge - end) > EDGE:
            return None
    whole = np.zeros((height, width), dtype=bool, order="F")
    whole[top : top + positive.shape[0], left : left + positive.shape[1]] = positive
    return Mask.from_array(whole)


def _suppress(masks: list[AutoMask], scores: list[float], limit: float) -> list[AutoMask]:
    """Greedy box NMS: the highest score first."""
    if not masks:
        return []
    boxes = np.array([m.mask.box or (0, 0, 0, 0) for m in masks], np.float64)
    return [masks[k] for k in box_nms(boxes, np.array(scores), limit)]


def box_nms(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """Indices of boxes [N, 4] that no better-scored kept box overlaps by more than `limit` (IoU)."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        wide = np.minimum(boxes[best, 2], boxes[order, 2]) - np.maximum(boxes[best, 0], boxes[order, 0])
        high = np.minimum(boxes[best, 3], boxes[order, 3]) - np.maximum(boxes[best, 1], boxes[order, 1])
        shared = np.maximum(wide, 0) * np.maximum(high, 0)
        order = order[shared <= limit * (areas[best] + areas[order] - shared)]
    return kept


def cleaned_mask(mask: Mask, area: int) -> Mask:
    """The mask with holes filled and specks removed, those of up to `area` pixels; the largest part stays."""
    array = mask.to_array()
    holes = small_regions(~array, area)
    specks = small_regions(array | holes, area, keep_largest=True)
    return Mask.from_array((array | holes) & ~specks) if (holes | specks).any() else mask


def _clean(masks: list[AutoMask], options: AutomaticOptions) -> list[AutoMask]:
    """Fill small holes and remove small specks; masks that were clean already win their duplicates."""
    cleaned: list[AutoMask] = []
    untouched: list[float] = []
    for one in masks:
        mask = cleaned_mask(one.mask, options.minimum_area)
        if mask.area > options.minimum_area:
            cleaned.append(replace(one, mask=mask))
            untouched.append(float(mask is one.mask))
    return _suppress(cleaned, untouched, max(options.box_nms, options.crop_nms))


def _drop_duplicates(masks: list[AutoMask], limit: float) -> list[AutoMask]:
    """Of masks that are nearly the same, keep the surest. Boxes are compared first: they are cheap."""
    if limit >= 1:
        return masks
    kept: list[AutoMask] = []
    for one in sorted(masks, key=lambda m: -m.iou):
        if not any(_maybe_same(one.mask, other.mask, limit) for other in kept):
            kept.append(one)
    return kept


def _maybe_same(a: Mask, b: Mask, limit: float) -> bool:
    small, large = sorted((a.area, b.area))
    if small < limit * large:  # the IoU cannot be higher than this
        return False
    return rle.iou(a.counts, b.counts, a.height, a.width) > limit
