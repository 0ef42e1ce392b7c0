"""Annotation files: six formats in and out, all through `VideoLabels`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from masklet.annotate.formats import coco, cvat, davis, labelstudio, sav, yolo
from masklet.annotate.formats.labels import Labelled, VideoLabels, safe_name
from masklet.errors import ConfigError

__all__ = ["FORMATS", "Format", "Labelled", "VideoLabels", "find_format", "safe_name"]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    frames   where a frame's picture belongs beside the labels: a pattern of {video} and {frame}
    """

    read: Callable[[Path], list[VideoLabels]]
    write: Callable[[Path, Iterable[VideoLabels]], list[Path]]
    frames: str


FORMATS: Mapping[str, Format] = {
    "coco": Format(coco.read, coco.write, "{video}/{frame}.jpg"),
    "sav": Format(sav.read, sav.write, "JPEGImages_24fps/{video}/{frame}.jpg"),
    "davis": Format(davis.read, davis.write, "JPEGImages/480p/{video}/{frame}.jpg"),
    "cvat": Format(cvat.read, cvat.write, "{video}/{frame}.jpg"),
    "labelstudio": Format(labelstudio.read, labelstudio.write, "{video}/{frame}.jpg"),
    "yolo": Format(yolo.read, yolo.write, "images/train/{video}_{frame}.jpg"),
}


def find_format(path: Path) -> str:
    """What a file or folder seems to be; raises ConfigError when that cannot be told."""
    if path.is_dir():
        if any(path.rglob("*_manual.json")) or any(path.rglob("*_auto.json")):
            return "sav"
        for name, mark in (("davis", "Annotations"), ("yolo", "labels"), ("coco", "instances.json")):
            if (path / mark).exists():
                return name
        if (path / "tasks.json").is_file():
            return "labelstudio"
        if any(path.glob("*.xml")):
            return "cvat"
    elif path.suffix == ".xml":
        return "cvat"
    elif path.name.endswith(("_manual.json", "_auto.json")):
        return "sav"
    elif path.suffix == ".json":
        with path.open(encoding="utf-8") as file:
            return "labelstudio" if file.read(64).lstrip().startswith("[") else "coco"
    known = "video, picture or known annotation"
    what = f"it holds no {known}" if path.is_dir() else f"no {known}"
    raise ConfigError(
        f"cannot tell what {path} is: {what}; if it is an annotation, give its --format: {', '.join(FORMATS)}"
    )
