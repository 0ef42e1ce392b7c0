"""COCO video instances, as YouTube-VIS has them: one JSON file for any number of videos."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from masklet.annotate.formats.files import write_json
from masklet.annotate.formats.labels import Labelled, VideoLabels
from masklet.annotate.formats.segmentation import rle_of, segmentation_mask
from masklet.errors import DataError, MaskError
from masklet.types import Mask


def read(path: Path) -> list[VideoLabels]:
    """All videos of a file; what cannot be used is told in their notes.

    raises   DataError when it is no YouTube-VIS file
    """
    file = path / "instances.json" if path.is_dir() else path
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        categories = {c["id"]: str(c["name"]) for c in data.get("categories", ())}
        annotations: dict[Any, list[dict[str, Any]]] = {v["id"]: [] for v in data["videos"]}
        for row in data["annotations"] or ():
            annotations[row["video_id"]].append(row)
        return [_video(video, annotations[video["id"]], categories) for video in data["videos"]]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file} is not in the form of YouTube-VIS; expected videos and annotations with segmentations "
            f"({type(error).__name__}: {error})"
        ) from error


def _video(
    video: Mapping[str, Any], rows: list[dict[str, Any]], categories: Mapping[Any, str]
) -> VideoLabels:
    height, width = int(video["height"]), int(video["width"])
    files = tuple(str(name) for name in video.get("file_names", ()))
    length = int(video.get("length", len(files)))
    name = str(video.get("name") or (Path(files[0]).parent.name if files else "") or video["id"])
    found: dict[int, Labelled] = {}
    notes: list[str] = []
    for place, row in enumerate(rows, 1):
        masks: dict[int, Mask] = {}
        for t, code in enumerate(row["segmentations"]):
            if code is None:
                # Beyond the format: our own files tell "not there" from "nobody looked".
                if t in row.get("absent", ()):
                    masks[t] = Mask.empty(height, width)
                continue
            try:
                masks[t] = segmentation_mask(code, (height, width))
            except MaskError as error:
                notes.append(f"annotation {row['id']}, frame {t}: {error}")
        # Ids count through the whole file; objects are numbered within their video.
        number = int(row.get("object_id", place))
        found[number if number not in found else max(found) + 1] = Labelled(
            masks,
            categories.get(row.get("category_id"), "object"),
            frozenset(row.get("prompted", ())),
            str(row.get("origin", "imported")),
        )
    return VideoLabels(
        name=name,
        width=width,
        height=height,
        frames=max([length, *(t + 1 for one in found.values() for t in one.masks)]),
        masklets=found,
        rate=video.get("rate"),
        names=tuple(Path(file).stem for file in files) if len(files) == length else (),
        notes=tuple(notes),
    )


def write(folder: Path, videos: Iterable[VideoLabels]) -> list[Path]:
    """`instances.json` in the folder."""
    videos = list(videos)
    names = sorted({one.category for video in videos for one in video.masklets.values()})
    ids = {name: number for number, name in enumerate(names, 1)}
    annotations: list[dict[str, Any]] = []
    for video_id, video in enumerate(videos, 1):
        for number, one in video.masklets.items():
            annotations.append(
                _annotation(len(annotations) + 1, video_id, number, one, ids[one.category], video)
            )
    content = {
        "info": {"description": "written by masklet"},
        "videos": [
            {
                "id": video_id,
                "name": video.name,
                "width": video.width,
                "height": video.height,
                "length": video.frames,
                "rate": video.rate,
                "file_names": [f"{video.name}/{video.name_of(t)}.jpg" for t in range(video.frames)],
            }
            for video_id, video in enumerate(videos, 1)
        ],
        "categories": [{"id": number, "name": name} for name, number in ids.items()],
        "annotations": annotations,
    }
    path = folder / "instances.json"
    write_json(path, content)
    return [path]


def _annotation(
    annotation_id: int, video_id: int, number: int, one: Labelled, category: int, video: VideoLabels
) -> dict[str, Any]:
    shown = {t: mask for t, mask in one.masks.items() if not mask.is_empty}
    boxes = {t: mask.box or (0, 0, 0, 0) for t, mask in shown.items()}
    return {
        "id": annotation_id,
        "video_id": video_id,
        "category_id": category,
        "iscrowd": 0,
        "object_id": number,
        "width": video.width,
        "height": video.height,
        "length": video.frames,
        "segmentations": [rle_of(shown[t]) if t in shown else None for t in range(video.frames)],
        "bboxes": [
            [b[0], b[1], b[2] - b[0], b[3] - b[1]] if (b := boxes.get(t)) else None
            for t in range(video.frames)
        ],
        "areas": [shown[t].area if t in shown else None for t in range(video.frames)],
        "absent": [t for t, mask in one.masks.items() if mask.is_empty],
        "prompted": sorted(one.prompted),
        "origin": one.origin,
    }
