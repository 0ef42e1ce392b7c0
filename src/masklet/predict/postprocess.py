"""What happens between logits and the mask a user sees. Pure functions on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from masklet import rle
from masklet.predict.resize import Patch
from masklet.types import Mask

NO_OBJECT = -1024.0
"""The logit everywhere where the occlusion score says that the object is not visible (SAM 2)."""

HOLE_LOGIT = 0.1
"""What a filled hole becomes: just inside the object (SAM 2)."""

SPECK_LOGIT = -10.0
"""What a removed speck becomes (SAM 2: ten below the threshold)."""

SUPPRESSED = -10.0
"""The highest logit left to an object where another one wins (SAM 2)."""


def fill_holes(logits: np.ndarray, area: float) -> np.ndarray:
    """Background regions of at most `area` pixels (8-connected) join the object.

    logits   float32 [h, w]; a copy is returned when anything changes
    """
    holes = small_regions(logits <= 0, area)
    if not holes.any():
        return logits
    return np.where(holes, np.float32(HOLE_LOGIT), logits)


def remove_specks(logits: np.ndarray, area: float) -> np.ndarray:
    """Object regions of at most `area` pixels (8-connected) join the background.

    An object that is nothing but specks keeps its largest: a small object is not dirt.
    """
    specks = small_regions(logits > 0, area, keep_largest=True)
    if not specks.any():
        return logits
    return np.where(specks, np.float32(SPECK_LOGIT), logits)


def small_regions(region: np.ndarray, area: float, *, keep_largest: bool = False) -> np.ndarray:
    """The connected parts of `region` (bool [h, w], 8-connected) with at most `area` pixels.

    keep_largest   when every part is that small, the largest one is left out
    """
    if area < 1 or not region.any():
        return np.zeros_like(region, dtype=bool)
    from scipy import ndimage  # costs a quarter of a second to import; only cleaning needs it

    labels, count = ndimage.label(region, structure=np.ones((3, 3), dtype=int))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    small = sizes <= area
    small[0] = False
    if keep_largest and small[1:].all():
        small[1 + int(np.argmax(sizes[1:]))] = False
    if not small.any():  # as mostly: no look at every pixel
        return np.zeros_like(region, dtype=bool)
    return small[labels]


def clean(logits: np.ndarray, *, holes: int, specks: int) -> np.ndarray:
    """Fill holes and remove specks; areas are in pixels of a 256 × 256 grid, whatever the grid here."""
    scale = logits.shape[0] * logits.shape[1] / 256**2
    if holes:
        logits = fill_holes(logits, holes * scale)
    if specks:
        logits = remove_specks(logits, specks * scale)
    return logits


def separate(logits: np.ndarray, fixed: Sequence[bool] | np.ndarray) -> np.ndarray:
    """At every pixel the strongest object keeps its logit; the others drop to SUPPRESSED or below.

    logits   float32 [O, h, w]
    fixed    bool [O]: objects that are not changed, and win wherever they are positive
    """
    if len(logits) < 2:
        return logits
    fixed = np.asarray(fixed, dtype=bool)
    claim = np.where(fixed[:, None, None] & (logits > 0), np.inf, logits)
    wins = np.arange(len(logits))[:, None, None] == np.argmax(claim, axis=0)
    keep = wins | fixed[:, None, None]
    return np.where(keep, logits, np.minimum(logits, np.float32(SUPPRESSED)))


def separate_patches(patches: Sequence[Patch]) -> list[Patch]:
    """`separate` at the frame's size: where patches overlap, only the strongest stays positive.

    Equal to an arg-max over whole frames, at the cost of the overlaps alone. Ties go to the first.
    """
    loses = [np.zeros(patch.logits.shape, dtype=bool) for patch in patches]
    for i, a in enumerate(patches):
        for j in range(i + 1, len(patches)):
            b = patches[j]
            top, bottom = max(a.top, b.top), min(a.bottom, b.bottom)
            left, right = max(a.left, b.left), min(a.right, b.right)
            if top >= bottom or left >= right:
                continue
            in_a = (slice(top - a.top, bottom - a.top), slice(left - a.left, right - a.left))
            in_b = (slice(top - b.top, bottom - b.top), slice(left - b.left, right - b.left))
            first_wins = a.logits[in_a] >= b.logits[in_b]
            loses[j][in_b] |= first_wins
            loses[i][in_a] |= ~first_wins
    return [
        Patch(p.top, p.left, np.where(lost, np.minimum(p.logits, np.float32(SUPPRESSED)), p.logits))
        if lost.any()
        else p
        for p, lost in zip(patches, loses, strict=True)
    ]


def settle_overlaps(
    masks: Mapping[int, Mask], rank: Mapping[int, tuple[float, ...]], fixed: frozenset[int] = frozenset()
) -> dict[int, Mask]:
    """Finished masks made exclusive: a contested pixel stays with the mask of the higher rank.

    rank    object id → anything comparable; ties go to the smaller id
    fixed   ids that keep every pixel; where two of them overlap, both keep it
    """
    order = sorted(masks, key=lambda i: (i not in fixed, tuple(-r for r in rank[i]), i))
    boxes = {i: mask.box for i, mask in masks.items()}
    result: dict[int, Mask] = {}
    for place, object_id in enumerate(order):
        mask = masks[object_id]
        if object_id not in fixed:
            above = [i for i in order[:place] if _boxes_meet(boxes[i], boxes[object_id])]
            mask = _without(mask, [masks[i] for i in above])
        result[object_id] = mask
    return {i: result[i] for i in masks}


def _boxes_meet(a: tuple[int, int, int, int] | None, b: tuple[int, int, int, int] | None) -> bool:
    if a is None or b is None:
        return False
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _without(mask: Mask, others: Sequence[Mask]) -> Mask:
    """The mask less every pixel of the others."""
    if not others:
        return mask
    taken = Mask(rle.union([m.counts for m in others], mask.height, mask.width), mask.height, mask.width)
    kept = mask.to_array() & ~taken.to_array()
    return Mask.from_array(kept) if int(kept.sum()) != mask.area else mask
