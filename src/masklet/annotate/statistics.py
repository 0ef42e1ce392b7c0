"""What a data set is like: how often objects disappear, how large and how long masklets are.

The measures are SA-V's (SAM 2 paper, Ravi et al., 2024, section 5.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from masklet.types import Mask

if TYPE_CHECKING:
    from masklet.annotate.formats.labels import VideoLabels

AREAS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Bounds of the histogram of areas, as shares of the frame. In SA-V, 88 % of masks are below 0.1."""


@dataclass(frozen=True)
class Statistics:
    """Of a data set.

    videos, masklets, masks   counted; masks are those that show something
    seconds        of video, where rates are known
    disappearance  share of masklets that vanish and come back, 0 to 1; None without masklets
    areas          share of masks in each range of AREAS
    below_tenth    share of masks that cover less than a tenth of their frame
    length         (least, mean, most) frames from a masklet's first visible frame to its last
    categories     masklets of each
    """

    videos: int
    masklets: int
    masks: int
    seconds: float
    disappearance: float | None
    areas: tuple[float, ...]
    below_tenth: float | None
    length: tuple[int, float, int] | None
    categories: Mapping[str, int]

    def to_json(self) -> dict[str, Any]:
        bounds = pairwise(AREAS)
        return {
            "videos": self.videos,
            "masklets": self.masklets,
            "masks": self.masks,
            "seconds": self.seconds,
            "disappearance_rate": self.disappearance,
            "area_histogram": [
                {"from": low, "to": high, "share": share}
                for (low, high), share in zip(bounds, self.areas, strict=True)
            ],
            "masks_below_a_tenth": self.below_tenth,
            "length": None
            if self.length is None
            else dict(zip(("least", "mean", "most"), self.length, strict=True)),
            "categories": dict(self.categories),
        }


def statistics(videos: Iterable[VideoLabels]) -> Statistics:
    """Count through labels."""
    counts = [0] * (len(AREAS) - 1)
    lengths: list[int] = []
    categories: dict[str, int] = {}
    number, masklets, gone, seconds = 0, 0, 0, 0.0
    for video in videos:
        number += 1
        seconds += video.frames / video.rate if video.rate else 0.0
        for one in video.masklets.values():
            masklets += 1
            categories[one.category] = categories.get(one.category, 0) + 1
            gone += disappears(one.masks)
            seen = [t for t, mask in one.masks.items() if not mask.is_empty]
            if seen:
                lengths.append(max(seen) - min(seen) + 1)
            for t in seen:
                counts[_range_of(one.masks[t].area / (video.width * video.height))] += 1
    masks = sum(counts)
    return Statistics(
        videos=number,
        masklets=masklets,
        masks=masks,
        seconds=seconds,
        disappearance=gone / masklets if masklets else None,
        areas=tuple(count / masks if masks else 0.0 for count in counts),
        below_tenth=sum(counts[: AREAS.index(0.1)]) / masks if masks else None,
        length=(min(lengths), sum(lengths) / len(lengths), max(lengths)) if lengths else None,
        categories=dict(sorted(categories.items())),
    )


def disappears(masks: Mapping[int, Mask]) -> bool:
    """Whether an object is seen, then not, then seen again, on the frames somebody looked at."""
    seen = [not masks[t].is_empty for t in sorted(masks)]
    if True not in seen:
        return False
    first, last = seen.index(True), len(seen) - 1 - seen[::-1].index(True)
    return not all(seen[first : last + 1])


def _range_of(share: float) -> int:
    """Which range of AREAS holds a share; the last one includes 1."""
    return next(k for k in range(len(AREAS) - 1) if share < AREAS[k + 1] or k == len(AREAS) - 2)
