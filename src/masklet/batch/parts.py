"""Masks of a step as bytes, and the steps of a row put together: the masks file, the statistics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from masklet.types import Frame, FrameMasks, Mask


@dataclass(frozen=True)
class Part:
    """What a step found.

    width, height, length   of the video
    masks    frame → its time and its masks, final
    seconds  "decode" and "model": how long each took
    damage   how the video broke off, if it did; the row ends there
    """

    width: int
    height: int
    length: int
    masks: Mapping[int, tuple[Fraction, FrameMasks]]
    seconds: Mapping[str, float]
    damage: str | None = None

    def to_bytes(self) -> bytes:
        frames = [
            {
                "frame": index,
                "time": str(time),
                "objects": {str(i): _object_out(i, mask, masks) for i, mask in masks.masks.items()},
            }
            for index, (time, masks) in sorted(self.masks.items())
        ]
        page = {
            "size": [self.height, self.width],
            "length": self.length,
            "seconds": dict(self.seconds),
            "damage": self.damage,
            "frames": frames,
        }
        return json.dumps(page).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Part:
        page = json.loads(content)
        height, width = page["size"]
        masks = {
            one["frame"]: (Fraction(one["time"]), _masks_in(one["frame"], one["objects"], height, width))
            for one in page["frames"]
        }
        return cls(width, height, page["length"], masks, page["seconds"], page["damage"])


def _object_out(object_id: int, mask: Mask, masks: FrameMasks) -> dict[str, Any]:
    return {
        "counts": mask.counts.decode("ascii"),
        "iou": masks.iou.get(object_id),
        "occlusion": masks.occlusion.get(object_id),
        "prompted": object_id in masks.prompted,
    }


def _masks_in(index: int, objects: Mapping[str, Any], height: int, width: int) -> FrameMasks:
    found = {int(i): one for i, one in objects.items()}
    return FrameMasks(
        index,
        {i: Mask(one["counts"].encode("ascii"), height, width) for i, one in found.items()},
        {i: one["iou"] for i, one in found.items() if one["iou"] is not None},
        {i: one["occlusion"] for i, one in found.items() if one["occlusion"] is not None},
        frozenset(i for i, one in found.items() if one["prompted"]),
    )


class Statistics:
    """Counted mask by mask, so that no video has to fit into memory."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._frames = 0
        self._objects: dict[int, dict[str, Any]] = {}

    def add(self, masks: FrameMasks) -> None:
        """Count one frame; frames come in any order."""
        self._frames += 1
        for object_id, mask in masks.masks.items():
            row = self._objects.setdefault(
                object_id, {"frames": 0, "seen": [], "area": 0, "iou": [], "prompted": 0}
            )
            row["frames"] += 1
            row["prompted"] += object_id in masks.prompted
            if (area := mask.area) > 0:
                row["seen"].append(masks.index)
                row["area"] += area
                row["iou"].append(masks.iou.get(object_id, np.nan))

    def result(self, length: int) -> dict[str, Any]:
        """Plain values; areas in pixels, means over the frames that show the object."""
        objects = {}
        for object_id, row in sorted(self._objects.items()):
            seen = row["seen"]
            objects[str(object_id)] = {
                **({"name": self._names[object_id]} if object_id in self._names else {}),
                "frames": row["frames"],
                "visible_frames": len(seen),
                "prompted_frames": row["prompted"],
                "first_visible": min(seen, default=None),
                "last_visible": max(seen, default=None),
                "mean_area": round(row["area"] / len(seen), 1) if seen else None,
                "mean_iou": round(float(np.mean(row["iou"])), 4) if seen else None,
            }
        return {"video_frames": length, "frames": self._frames, "objects": objects}


def assemble(path: Path, name: str, parts: Iterable[Part], names: Mapping[int, str]) -> dict[str, Any]:
    """Write all masks as one COCO / YouTube-VIS file; returns the statistics.

    The parts come one by one, in any order of frames, and none is held after it was written.
    """
    from masklet.video.json_masks import CocoJson

    statistics = Statistics(names)
    sink: CocoJson | None = None
    length = 0
    for part in parts:
        if sink is None:
            length = part.length
            sink = CocoJson(path, name=name, length=length)
        # The sink wants a picture's size and time, and never looks at its pixels.
        blank = np.broadcast_to(np.zeros(3, np.uint8), (part.height, part.width, 3))
        for index, (time, masks) in part.masks.items():
            sink.write(Frame(index, time, blank), masks)
            statistics.add(masks)
    if sink is not None:
        sink.close()
    return statistics.result(length)
