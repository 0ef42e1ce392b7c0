"""Which of an object's candidates goes on from where the object was.

Look-alikes differ little in what memory says of them, so predicted IoU alone may change over to another one,
or to a part. A candidate counts more the better it covers where the last two frames say the object should be.

Source: motion-aware choice of the mask, SAMURAI (Yang et al., 2024), section 4.1; there a Kalman filter of
boxes, here the mask itself, moved on as its centre moved last.
"""

from __future__ import annotations

import numpy as np

from masklet.memory import MemoryBank

FARTHEST = 1 / 8
"""Most a mask is moved on, as a share of the frame's side: a centre that went farther jumped."""


def expected(bank: MemoryBank, t: int, *, reverse: bool = False) -> np.ndarray | None:
    """Where the object should be on frame t, bool [S/4, S/4]; None if the frame before does not show it."""
    back = 1 if reverse else -1
    last = _shown(bank, t + back)
    if last is None:
        return None
    before = _shown(bank, t + 2 * back)
    return last if before is None else _moved(last, _centre(last) - _centre(before))


def choose(logits: np.ndarray, iou: np.ndarray, where: np.ndarray | None, weight: float) -> int:
    """The candidate to take.

    logits   float32 [M, S/4, S/4]; positive is the object
    iou      float32 [M], predicted
    where    bool [S/4, S/4] as `expected` gives it; None leaves predicted IoU alone to decide
    weight   what the overlap (IoU) with `where` counts beside predicted IoU, 0 to 1
    """
    if where is None or weight == 0:
        return int(iou.argmax())
    masks = logits > 0
    common = (masks & where).sum(axis=(1, 2))
    either = (masks | where).sum(axis=(1, 2))
    return int(((1 - weight) * iou + weight * common / either).argmax())


def _shown(bank: MemoryBank, frame: int) -> np.ndarray | None:
    entry = bank.prompted.get(frame) or bank.recent.get(frame)
    if entry is None or entry.logits is None:
        return None
    mask = entry.logits > 0
    return mask if mask.any() else None


def _centre(mask: np.ndarray) -> np.ndarray:
    return np.array([places.mean() for places in np.nonzero(mask)])


def _moved(mask: np.ndarray, by: np.ndarray) -> np.ndarray:
    """The mask moved by whole pixels; what stays of it inside, or itself when nothing does."""
    most = round(len(mask) * FARTHEST)
    rows, columns = np.clip(np.round(by).astype(int), -most, most)
    height, width = mask.shape
    moved = np.zeros_like(mask)
    moved[max(rows, 0) : height + min(rows, 0), max(columns, 0) : width + min(columns, 0)] = mask[
        max(-rows, 0) : height + min(-rows, 0), max(-columns, 0) : width + min(-columns, 0)
    ]
    return moved if moved.any() else mask
