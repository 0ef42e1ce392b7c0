"""Masks as bytes on the wire: one message a frame, little endian; docs/serving.md draws the layout."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from masklet.errors import MaskError
from masklet.types import FrameMasks, Mask

KIND_MASKS, VERSION = 1, 1
PROMPTED, OUTDATED = 1, 2

_HEAD = struct.Struct("<BBHIIII")
_RECORD = struct.Struct("<IffIHHHHII")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class MaskMessage:
    """What a message holds.

    outdated   ids whose prompts changed since this mask was tracked
    areas      object id → pixels
    boxes      object id → x0, y0, x1, y1 (exclusive), or None when empty
    """

    sequence: int
    masks: FrameMasks
    outdated: frozenset[int]
    areas: dict[int, int]
    boxes: dict[int, tuple[int, int, int, int] | None]


def pack(
    masks: FrameMasks,
    width: int,
    height: int,
    *,
    sequence: int = 0,
    outdated: frozenset[int] = frozenset(),
    counts: bool = True,
) -> bytes:
    """One frame's masks as a message; without `counts` only scores, areas and boxes."""
    parts = [_HEAD.pack(KIND_MASKS, VERSION, len(masks.masks), masks.index, sequence, width, height)]
    for object_id, mask in masks.masks.items():
        box = mask.box
        prompted = object_id in masks.prompted
        flags = PROMPTED * prompted | OUTDATED * (object_id in outdated and not prompted)
        body = mask.counts if counts else b""
        parts.append(
            _RECORD.pack(
                object_id,
                masks.iou.get(object_id, math.nan),
                masks.occlusion.get(object_id, math.nan),
                mask.area if box else 0,
                *(min(v, 0xFFFF) for v in box or (0, 0, 0, 0)),
                flags,
                len(body),
            )
        )
        parts.append(body + bytes(-len(body) % 4))
    return b"".join(parts)


def unpack(message: bytes) -> MaskMessage:
    """A message read back; raises MaskError when it is none. Masks left out by `counts` are not there."""
    try:
        kind, version, count, index, sequence, width, height = _HEAD.unpack_from(message)
        if (kind, version) != (KIND_MASKS, VERSION):
            raise MaskError(f"a mask message of kind {kind}, version {version} is not known; update masklet")
        found = list(_records(message, count, width, height))
    except struct.error as error:
        raise MaskError(f"a mask message breaks off after {len(message)} bytes") from error
    masks = FrameMasks(
        index,
        {i: mask for i, mask, *_ in found if mask is not None},
        {i: iou for i, _, iou, *_ in found},
        {i: occlusion for i, _, _, occlusion, *_ in found},
        frozenset(i for i, *_, flags in found if flags & PROMPTED),
    )
    return MaskMessage(
        sequence,
        masks,
        frozenset(i for i, *_, flags in found if flags & OUTDATED),
        {i: area for i, _, _, _, area, *_ in found},
        {i: box for i, _, _, _, _, box, _ in found},
    )


_Found = tuple[int, "Mask | None", float, float, int, "tuple[int, int, int, int] | None", int]


def _records(message: bytes, count: int, width: int, height: int) -> Iterator[_Found]:
    at = _HEAD.size
    for _ in range(count):
        object_id, iou, occlusion, area, x0, y0, x1, y1, flags, length = _RECORD.unpack_from(message, at)
        at += _RECORD.size
        body = message[at : at + length]
        if len(body) < length:
            raise MaskError(f"a mask message breaks off after {len(message)} bytes")
        at += length + (-length % 4)
        mask = Mask(body, height, width) if length else None
        yield object_id, mask, iou, occlusion, area, (x0, y0, x1, y1) if area else None, flags


def framed(message: bytes) -> bytes:
    """A message with its length before it, as bulk answers string them together."""
    return _LENGTH.pack(len(message)) + message


def split(body: bytes) -> Iterator[bytes]:
    """The messages of a bulk answer."""
    at = 0
    while at < len(body):
        try:
            (length,) = _LENGTH.unpack_from(body, at)
        except struct.error as error:
            raise MaskError("a bulk answer breaks off in the middle of a length") from error
        at += _LENGTH.size
        if at + length > len(body):
            raise MaskError("a bulk answer breaks off in the middle of a message")
        yield body[at : at + length]
        at += length
