"""YOLO-seg: a text file a frame, a line an object: class, then x y of its outline as shares of the frame.

Outlines lose holes, and parts of an object are joined by a line without width. The format does not say
who is who on the next frame: `tracks.json` beside the labels does; without it objects are linked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from masklet.annotate.formats.files import read_json_file, write_json
from masklet.annotate.formats.labels import Labelled, VideoLabels, safe_name
from masklet.annotate.formats.link import Shape, linked
from masklet.annotate.formats.segmentation import filled, polygons_of
from masklet.errors import DataError, MaskError
from masklet.evaluate.document import write_text
from masklet.types import Mask

Size = tuple[int, int, int]
"""Width, height and number of frames of a video."""


def read(path: Path, known: Mapping[str, Size] | None = None) -> list[VideoLabels]:
    """Videos of a folder with labels/…/VIDEO_FRAME.txt (or VIDEO/FRAME.txt), and data.yaml.

    known    sizes of videos: the labels do not tell them; without, the pictures beside are asked
    raises   DataError when there are no labels, or a size cannot be found
    """
    files = (
        sorted((path / "labels").rglob("*.txt")) if (path / "labels").is_dir() else sorted(path.glob("*.txt"))
    )
    if not files:
        raise DataError(f"{path} holds no YOLO labels; expected labels/ with a .txt a frame")
    classes = _class_names(path / "data.yaml")
    videos: dict[str, dict[int, Path]] = {}
    for file in files:
        name, frame = _place(file)
        videos.setdefault(name, {})[frame] = file
    sidecar = path / "tracks.json"
    tracks = read_json_file(sidecar) if sidecar.is_file() else {}
    return [
        _video(path, name, frames, classes, (known or {}).get(name), tracks.get(name))
        for name, frames in videos.items()
    ]


def _place(file: Path) -> tuple[str, int]:
    found = re.fullmatch(r"(?:(.*)_)?(\d+)", file.stem)
    if found is None:
        return file.stem, 0
    if found[1]:
        return found[1], int(found[2])
    return file.parent.name, int(found[2])


def _video(
    root: Path,
    name: str,
    files: Mapping[int, Path],
    classes: Mapping[int, str],
    size: Size | None,
    tracks: Mapping[str, list[int]] | None,
) -> VideoLabels:
    width, height, frames = size or _size(root, files)
    notes: list[str] = []
    shapes: dict[int, list[Shape]] = {}
    for t, file in sorted(files.items()):
        shapes[t] = []
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                try:
                    shapes[t].append(_line(line, classes, width, height))
                except (MaskError, ValueError) as error:
                    raise DataError(f"{file}, line {number}: {error}") from error
    objects: dict[int, dict[int, Shape]] = {}
    if tracks is not None:
        for t, found in shapes.items():
            for number, shape in zip(tracks.get(str(t), ()), found, strict=True):
                objects.setdefault(number, {})[t] = shape
    else:
        objects = linked(shapes)
    nothing = Mask.empty(height, width)
    return VideoLabels(
        name=name,
        width=width,
        height=height,
        frames=max(frames, max(files) + 1),
        masklets={
            n: Labelled(
                # A frame with a file was looked at: who is not in it is not there.
                {t: seen[t][1] if t in seen else nothing for t in shapes},
                next(iter(seen.values()))[0],
            )
            for n, seen in sorted(objects.items())
        },
        notes=tuple(notes),
    )


def _line(line: str, classes: Mapping[int, str], width: int, height: int) -> Shape:
    words = line.split()
    number, values = int(words[0]), [float(word) for word in words[1:]]
    if len(values) < 6 or len(values) % 2:
        raise MaskError("expected a class and at least three points x y (a box is no mask)")
    points = np.array(values).reshape(-1, 2) * (width, height)
    return classes.get(number, f"class {number}"), filled([points], height, width)


def _class_names(file: Path) -> dict[int, str]:
    """The `names` of a data.yaml, as a list or as a table; other YAML is not needed here."""
    if not file.is_file():
        return {}
    text = file.read_text(encoding="utf-8")
    listed = re.search(r"^names:\s*\[(.*?)\]", text, flags=re.M | re.S)
    if listed:
        return {k: name.strip().strip("'\"") for k, name in enumerate(listed[1].split(","))}
    table = text.split("names:", 1)[1] if "names:" in text else ""
    rows = re.findall(r"^\s+(\d+):\s*(.+?)\s*$", table, flags=re.M)
    return {int(number): name.strip("'\"") for number, name in rows}


def _size(root: Path, files: Mapping[int, Path]) -> Size:
    from PIL import Image

    for t, file in files.items():
        for suffix in (".jpg", ".png", ".jpeg", ".webp"):
            picture = root / "images" / file.relative_to(root / "labels").with_suffix(suffix)
            if picture.is_file():
                with Image.open(picture) as image:
                    return image.width, image.height, t + 1
    first = next(iter(files.values()))
    raise DataError(
        f"{first} does not tell its picture's size; import the video first, or put images/ beside labels/"
    )


def write(folder: Path, videos: Iterable[VideoLabels]) -> list[Path]:
    """`labels/train/VIDEO_00000.txt`, `data.yaml`, `tracks.json`."""
    videos = list(videos)
    names = sorted({one.category for video in videos for one in video.masklets.values()})
    place = folder / "labels" / "train"
    place.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    tracks: dict[str, dict[str, list[int]]] = {}
    for video in videos:
        name = safe_name(video.name)
        for t in sorted({t for one in video.masklets.values() for t in one.masks}):
            lines: list[str] = []
            for number, one in video.masklets.items():
                mask = one.masks.get(t)
                outlines = [] if mask is None else polygons_of(mask)
                if outlines:
                    shares = joined(outlines) / (video.width, video.height)
                    lines.append(
                        " ".join([str(names.index(one.category)), *(f"{v:.6f}" for v in shares.ravel())])
                    )
                    tracks.setdefault(name, {}).setdefault(str(t), []).append(number)
            path = place / f"{name}_{t:05d}.txt"
            write_text(path, "\n".join(lines))
            written.append(path)
    quoted = "".join(f"  {k}: '{name}'\n" for k, name in enumerate(names))
    write_text(folder / "data.yaml", f"path: .\ntrain: images/train\nval: images/train\nnames:\n{quoted}")
    write_json(folder / "tracks.json", tracks)
    return [*written, folder / "data.yaml", folder / "tracks.json"]


def joined(outlines: list[np.ndarray]) -> np.ndarray:
    """Several outlines as one, by lines without width between their nearest corners."""
    whole = outlines[0]
    for other in outlines[1:]:
        away = ((whole[:, None] - other[None]) ** 2).sum(axis=2)
        i, j = np.unravel_index(int(away.argmin()), away.shape)
        whole = np.concatenate([whole[: i + 1], other[j:], other[: j + 1], whole[i:]])
    return whole
