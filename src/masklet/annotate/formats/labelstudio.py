"""Label Studio: JSON tasks, one a frame, with brush strokes as masks.

A task's picture is VIDEO/FRAME.jpg; which object a region is stands in its `meta`, which Label Studio keeps.
Without it, objects are linked from frame to frame. Boxes in videos (`videorectangle`) are noted, not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from masklet.annotate.formats.brush import decode_brush, encode_brush
from masklet.annotate.formats.files import read_json_file, write_json
from masklet.annotate.formats.labels import Labelled, VideoLabels
from masklet.annotate.formats.link import Shape, linked
from masklet.annotate.formats.segmentation import filled
from masklet.errors import DataError, MaskError
from masklet.types import Mask


def read(path: Path) -> list[VideoLabels]:
    """Tasks of a file, by video.

    raises   DataError when the file is not Label Studio's
    """
    file = path / "tasks.json" if path.is_dir() else path
    tasks = read_json_file(file)
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and "data" in t for t in tasks):
        raise DataError(
            f"{file} is not Label Studio's JSON; expected a list of tasks with data and annotations"
        )
    videos: dict[str, _Reading] = {}
    try:
        for place, task in enumerate(tasks):
            name, frame = _place(task, place)
            videos.setdefault(name, _Reading(name)).add(task, frame)
        return [reading.labels() for reading in videos.values() if reading.size is not None]
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, MaskError):
            raise DataError(f"{file}: {error}") from error
        raise DataError(f"{file} is not Label Studio's JSON ({type(error).__name__}: {error})") from error


def _place(task: Mapping[str, Any], place: int) -> tuple[str, int]:
    """Video and frame of a task: as it says, or from its picture's name."""
    data = task["data"]
    if "frame" in data:
        return str(data.get("video_name", "video")), int(data["frame"])
    picture = Path(str(data.get("image") or data.get("video") or ""))
    numbers = re.findall(r"\d+", picture.stem)
    return picture.parent.name or "video", int(numbers[-1]) if numbers else place


class _Reading:
    """One video's regions as they come."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size: tuple[int, int] | None = None
        self.known: dict[int, dict[int, Shape]] = {}
        self.unknown: dict[int, list[Shape]] = {}
        self.absent: dict[int, list[int]] = {}
        self.origins: dict[int, str] = {}
        self.prompted: dict[int, set[int]] = {}
        self.rate: float | None = None
        self.frames = 0
        self.notes: list[str] = []

    def add(self, task: Mapping[str, Any], frame: int) -> None:
        data = task["data"]
        self.frames = max(self.frames, int(data.get("frames", 0)), frame + 1)
        self.rate = data.get("rate", self.rate)
        for number in data.get("absent", ()):
            self.absent.setdefault(int(number), []).append(frame)
        annotations = task.get("annotations") or task.get("predictions") or ()
        for region in (r for annotation in annotations[:1] for r in annotation["result"]):
            self._region(region, frame)

    def _region(self, region: Mapping[str, Any], frame: int) -> None:
        kind = region.get("type")
        if kind not in ("brushlabels", "polygonlabels"):
            self.notes.append(f"frame {frame}: a {kind} is no mask")
            return
        height, width = int(region["original_height"]), int(region["original_width"])
        self.size = self.size or (height, width)
        value = region["value"]
        category = str((value.get(kind) or ["object"])[0])
        if kind == "brushlabels":
            mask = Mask.from_array(decode_brush(value["rle"], height, width))
        else:
            points = np.array(value["points"], np.float64) * (width / 100, height / 100)
            mask = filled([points], height, width)
        about = region.get("meta") or {}
        if "object" in about:
            number = int(about["object"])
            self.known.setdefault(number, {})[frame] = (category, mask)
            self.origins[number] = str(about.get("origin", "imported"))
            if about.get("prompted"):
                self.prompted.setdefault(number, set()).add(frame)
        else:
            self.unknown.setdefault(frame, []).append((category, mask))

    def labels(self) -> VideoLabels:
        assert self.size is not None
        start = max(self.known, default=0)
        objects = {**self.known, **{start + n: seen for n, seen in linked(self.unknown).items()}}
        masklets = {}
        for number, seen in sorted(objects.items()):
            masks = {t: mask for t, (_, mask) in seen.items()}
            masks |= {t: Mask.empty(*self.size) for t in self.absent.get(number, ()) if t not in masks}
            masklets[number] = Labelled(
                dict(sorted(masks.items())),
                next(iter(seen.values()))[0],
                frozenset(self.prompted.get(number, ())),
                self.origins.get(number, "imported"),
            )
        return VideoLabels(
            self.name,
            self.size[1],
            self.size[0],
            self.frames,
            masklets,
            rate=self.rate,
            notes=tuple(self.notes),
        )


def write(folder: Path, videos: Iterable[VideoLabels]) -> list[Path]:
    """`tasks.json`, and `labels.xml`: the set-up of the project that shows them."""
    videos = list(videos)
    tasks = [
        _task(video, t)
        for video in videos
        for t in sorted({t for one in video.masklets.values() for t in one.masks})
    ]
    write_json(folder / "tasks.json", tasks)
    names = sorted({one.category for video in videos for one in video.masklets.values()})
    labels = "".join(f'<Label value="{_escaped(name)}"/>' for name in names)
    (folder / "labels.xml").write_text(
        '<View><Image name="image" value="$image" zoom="true"/>'
        f'<BrushLabels name="tag" toName="image">{labels}</BrushLabels></View>\n',
        encoding="utf-8",
    )
    return [folder / "tasks.json", folder / "labels.xml"]


def _task(video: VideoLabels, t: int) -> dict[str, Any]:
    regions, absent = [], []
    for number, one in video.masklets.items():
        mask = one.masks.get(t)
        if mask is None:
            continue
        if mask.is_empty:
            absent.append(number)
            continue
        regions.append(
            {
                "id": f"{number}-{t}",
                "type": "brushlabels",
                "from_name": "tag",
                "to_name": "image",
                "original_width": video.width,
                "original_height": video.height,
                "image_rotation": 0,
                "value": {
                    "format": "rle",
                    "rle": encode_brush(mask.to_array()),
                    "brushlabels": [one.category],
                },
                "meta": {"object": number, "origin": one.origin, "prompted": t in one.prompted},
            }
        )
    data: dict[str, Any] = {
        "image": f"{video.name}/{video.name_of(t)}.jpg",
        "video_name": video.name,
        "frame": t,
        "frames": video.frames,
        "rate": video.rate,
        "absent": absent,
    }
    return {"data": data, "annotations": [{"result": regions}]}


def _escaped(text: str) -> str:
    from xml.sax.saxutils import escape

    return escape(text, {'"': "&quot;"})
