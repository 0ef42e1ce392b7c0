"""SA-V: a JSON file of masklets a video, one for a person's and one for the model's, and the statistics."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from masklet.annotate.formats.davis import from_truth
from masklet.annotate.formats.files import write_json
from masklet.annotate.formats.labels import Labelled, VideoLabels, safe_name
from masklet.annotate.formats.segmentation import rle_of
from masklet.annotate.statistics import statistics
from masklet.errors import DataError
from masklet.evaluate.readers.sav import STRIDE, read_json
from masklet.types import Mask

RATE = 24.0
"""Frames a second of SA-V's videos; masklets are annotated on every fourth frame."""


def read(path: Path) -> list[VideoLabels]:
    """VIDEO_manual.json and VIDEO_auto.json of a folder, or one such file.

    raises   DataError when there is none or it has another form
    """
    files = [path]
    if path.is_dir():
        files = [*sorted(path.rglob("*_manual.json")), *sorted(path.rglob("*_auto.json"))]
    if not files:
        raise DataError(
            f"{path} holds no SA-V masklets; expected files named VIDEO_manual.json or _auto.json"
        )
    videos: dict[str, VideoLabels] = {}
    for file in files:
        labels = from_truth(read_json(file))
        origin = "automatic" if file.stem.endswith("_auto") else "imported"
        # Both files number from 0; our numbers start at 1 and do not meet.
        earlier = videos.get(labels.name)
        start = 1 if earlier is None else max(earlier.masklets, default=0) + 1
        ours = {
            start + k: Labelled(one.masks, one.category, one.prompted, origin)
            for k, one in enumerate(labels.masklets.values())
        }
        both = {**(earlier.masklets if earlier else {}), **ours}
        frames = max(labels.frames, earlier.frames if earlier else 0)
        videos[labels.name] = VideoLabels(labels.name, labels.width, labels.height, frames, both, RATE)
    return list(videos.values())


def write(folder: Path, videos: Iterable[VideoLabels], *, stride: int = STRIDE) -> list[Path]:
    """A file a video and origin, and `statistics.json` over all of them.

    stride   frames from one annotated frame to the next; SA-V's readers take 4 for granted
    """
    videos = list(videos)
    written: list[Path] = []
    for video in videos:
        for kind, automatic in (("manual", False), ("auto", True)):
            chosen = {n: one for n, one in video.masklets.items() if (one.origin == "automatic") is automatic}
            if chosen:
                path = folder / f"{safe_name(video.name)}_{kind}.json"
                write_json(path, _content(video, chosen, kind, stride))
                written.append(path)
    path = folder / "statistics.json"
    write_json(path, statistics(videos).to_json())
    return [*written, path]


def _content(video: VideoLabels, chosen: dict[int, Labelled], kind: str, stride: int) -> dict[str, Any]:
    frames = range(0, video.frames, stride)
    nothing = Mask.empty(video.height, video.width)
    rows = [[one.masks.get(t, nothing) for one in chosen.values()] for t in frames]
    areas = [[row[k].area for row in rows] for k in range(len(chosen))]
    seen = [[a for a in column if a] for column in areas]
    sizes = [sum(column) / len(column) if column else 0.0 for column in seen]
    changes = [sum((a > 0) != (b > 0) for a, b in pairwise(c)) for c in areas]
    first = [next((k * stride for k, a in enumerate(c) if a), None) for c in areas]
    return {
        "video_id": video.name,
        "video_duration": video.frames / (video.rate or RATE),
        "video_frame_count": video.frames,
        "video_height": video.height,
        "video_width": video.width,
        "video_resolution": video.height * video.width,
        "masklet": [[rle_of(mask) for mask in row] for row in rows],
        "masklet_id": list(range(len(chosen))),
        "masklet_size_rel": [size / (video.height * video.width) for size in sizes],
        "masklet_size_abs": sizes,
        "masklet_size_bucket": [_bucket(size) for size in sizes],
        "masklet_visibility_changes": changes,
        "masklet_first_appeared_frame": first,
        "masklet_frame_count": [len(rows)] * len(chosen),
        "masklet_edited_frame_count": [len(one.prompted) for one in chosen.values()],
        "masklet_type": [kind] * len(chosen),
        "masklet_num": len(chosen),
    }


def _bucket(area: float) -> str:
    """COCO's sizes by area in pixels."""
    return "small" if area < 32**2 else "medium" if area < 96**2 else "large"
