"""COCO run-length encoding of binary masks: bytes in, bytes out (pycocotools does the heavy work)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pycocotools import mask as coco

from masklet.errors import MaskError


def encode(array: np.ndarray) -> bytes:
    """bool [H, W] → compressed counts."""
    return bytes(coco.encode(np.asfortranarray(array, dtype=np.uint8))["counts"])


def decode(counts: bytes, height: int, width: int) -> np.ndarray:
    """compressed counts → bool [H, W]; raises MaskError when the runs do not fill the mask."""
    return np.ascontiguousarray(_columns(counts, height, width).T)


def decode_part(counts: bytes, height: int, width: int, box: tuple[int, int, int, int]) -> np.ndarray:
    """What lies in x0, y0, x1, y1 (x1, y1 exclusive), bool [y1 - y0, x1 - x0]; much faster when small."""
    x0, y0, x1, y1 = box
    return np.ascontiguousarray(_columns(counts, height, width)[x0:x1, y0:y1].T)


def area(counts: bytes, height: int, width: int) -> int:
    """Number of set pixels."""
    return int(_checked_lengths(counts, height, width)[1::2].sum())


def box(counts: bytes, height: int, width: int) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 (x1, y1 exclusive); None for an empty mask."""
    lengths = _checked_lengths(counts, height, width)
    ends = np.cumsum(lengths)[1::2]
    starts = ends - lengths[1::2]
    starts, ends = starts[starts < ends], ends[starts < ends]
    if not len(starts):
        return None
    left, right = int(starts[0]) // height, int(ends[-1] - 1) // height + 1
    if (starts // height != (ends - 1) // height).any():  # a run that goes on in the next column
        return (left, 0, right, height)
    return (left, int((starts % height).min()), right, int(((ends - 1) % height).max()) + 1)


def iou(a: bytes, b: bytes, height: int, width: int) -> float:
    """Intersection over union of two masks of one size; 1.0 when both are empty."""
    first, second = _rle(a, height, width), _rle(b, height, width)
    if coco.area(first) == 0 and coco.area(second) == 0:
        return 1.0
    return float(coco.iou([first], [second], [0])[0, 0])


def union(counts: list[bytes], height: int, width: int) -> bytes:
    """The pixels set in any of the masks; of no masks, an empty one."""
    if not counts:
        return from_runs([height * width], height, width)
    return bytes(coco.merge([_rle(c, height, width) for c in counts])["counts"])


def runs(counts: bytes) -> list[int]:
    """Run lengths, alternately background and object, column by column: the uncompressed form."""
    return [int(n) for n in run_lengths(counts)]


def from_runs(lengths: Sequence[int], height: int, width: int) -> bytes:
    """Uncompressed run lengths (a COCO JSON list) → compressed counts."""
    if any(n < 0 for n in lengths):
        raise MaskError(f"RLE runs must not be negative, got {min(lengths)}")
    _check_total(sum(lengths), height, width)
    runs_of_mask = {"size": [height, width], "counts": list(lengths)}
    return bytes(coco.frPyObjects(runs_of_mask, height, width)["counts"])


def _columns(counts: bytes, height: int, width: int) -> np.ndarray:
    """bool [W, H]: the order in which RLE runs."""
    lengths = _checked_lengths(counts, height, width)
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(width, height)


def run_lengths(counts: bytes) -> np.ndarray:
    """`runs` as int64 [N]; raises MaskError for what is no code."""
    # The compressed form is base-48 text, 5 bits a character, bit 5 set when more follow, bit 4 of
    # the last one the sign; each run from the fourth on is stored as the difference to the run two
    # before (COCO API, maskApi.c).
    codes = np.frombuffer(counts, dtype=np.uint8).astype(np.int64) - 48
    if not len(codes):
        return codes
    if codes.min() < 0 or codes.max() > 63:
        raise MaskError("RLE counts hold a character that is not part of the code")
    last = (codes & 0x20) == 0
    if not last[-1]:
        raise MaskError("RLE counts break off in the middle of a run")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    digits = np.diff(np.append(starts, len(codes)))
    if digits.max() > 12:
        raise MaskError("RLE counts hold a run that no mask can have")
    shift = 5 * (np.arange(len(codes)) - np.repeat(starts, digits))
    values = np.add.reduceat((codes & 0x1F) << shift, starts)
    values -= np.where(codes[last] & 0x10, np.int64(1) << (5 * digits), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0:
        raise MaskError(f"RLE runs must not be negative, got {int(values.min())}")
    return values


def _rle(counts: bytes, height: int, width: int) -> dict[str, object]:
    # pycocotools reads past the end of a bad code without a word, so every code is checked first.
    _checked_lengths(counts, height, width)
    return {"size": [height, width], "counts": counts}


def _checked_lengths(counts: bytes, height: int, width: int) -> np.ndarray:
    """`run_lengths` of a mask of this size; raises MaskError when they are of another."""
    lengths = run_lengths(counts)
    _check_total(int(lengths.sum()), height, width)
    return lengths


def _check_total(total: int, height: int, width: int) -> None:
    if total != height * width:
        raise MaskError(f"RLE runs add up to {total}, not {width}×{height} = {height * width}")
