"""Who is who from frame to frame, for formats that do not say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from masklet.types import Mask

Shape = tuple[str, Mask]
"""Category and mask."""

LEAST = 0.2
"""IoU below which two masks on neighbouring frames are two objects."""
REACH = 5
"""Frames that an object may be away and still be the same."""


def linked(frames: Mapping[int, Sequence[Shape]]) -> dict[int, dict[int, Shape]]:
    """Shapes on frames → object number (from 1) → frame → shape.

    Greedy: of all pairs of an object's last mask and a new mask of its category, the most alike first.
    """
    objects: dict[int, dict[int, Shape]] = {}
    for t in sorted(frames):
        here = list(frames[t])
        last = {n: max(seen) for n, seen in objects.items() if t - max(seen) <= REACH}
        pairs = sorted(
            (
                (-objects[n][last[n]][1].iou(mask), n, k)
                for n in last
                for k, (category, mask) in enumerate(here)
                if objects[n][last[n]][0] == category
            ),
        )
        taken: dict[int, int] = {}
        for negative, number, k in pairs:
            if -negative >= LEAST and k not in taken and number not in taken.values():
                taken[k] = number
        for k, shape in enumerate(here):
            number = taken.get(k, len(objects) + 1)
            objects.setdefault(number, {})[t] = shape
    return objects
