"""CVAT for video 1.1: an XML file a video, a track an object."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from masklet.annotate.formats.labels import Labelled, VideoLabels, safe_name
from masklet.annotate.formats.segmentation import filled, from_row_runs, row_runs
from masklet.errors import DataError, MaskError
from masklet.evaluate.document import write_text
from masklet.types import Mask


def read(path: Path) -> list[VideoLabels]:
    """A file, or all .xml files of a folder. Tracks of masks and polygons are read, boxes are noted.

    raises   DataError when a file is not in CVAT's form for videos
    """
    files = sorted(path.rglob("*.xml")) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path} holds no .xml file of CVAT")
    return [_video(file) for file in files]


def _video(file: Path) -> VideoLabels:
    try:
        root = ElementTree.parse(file).getroot()
        task = root.find("meta/task") if root.find("meta/task") is not None else root.find("meta/job")
        if task is None:
            raise DataError(f"{file} has no meta/task; export it from CVAT as 'CVAT for video 1.1'")
        width = int(_text(task, "original_size/width", file))
        height = int(_text(task, "original_size/height", file))
        frames = int(_text(task, "size", file))
        masklets: dict[int, Labelled] = {}
        notes: list[str] = []
        for place, track in enumerate(root.findall("track"), 1):
            masklets[place] = _track(track, (height, width), notes)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ElementTree.ParseError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{file} is not in the form of CVAT for video ({error})") from error
    top = max((t + 1 for one in masklets.values() for t in one.masks), default=0)
    return VideoLabels(
        name=Path(task.findtext("source") or task.findtext("name") or file.stem).stem,
        width=width,
        height=height,
        frames=max(frames, top),
        masklets={n: one for n, one in masklets.items() if one.masks},
        notes=tuple(notes),
    )


def _track(track: ElementTree.Element, size: tuple[int, int], notes: list[str]) -> Labelled:
    masks: dict[int, Mask] = {}
    drawn: set[int] = set()
    name = f"track {track.get('id', '?')}"
    for shape in track:
        frame = int(shape.attrib["frame"])
        if shape.get("outside") == "1":
            masks[frame] = Mask.empty(*size)
            continue
        try:
            mask = _shape(shape, size)
        except MaskError as error:
            notes.append(f"{name}, frame {frame}: {error}")
            continue
        if mask is None:
            notes.append(f"{name}, frame {frame}: a {shape.tag} is no mask")
            continue
        # Several shapes of a track on one frame are parts of one object.
        before = masks.get(frame)
        masks[frame] = mask if before is None else Mask.from_array(before.to_array() | mask.to_array())
        # Our own files mark every frame as a key frame, and say beside it which ones a person drew.
        if shape.get("prompted", shape.get("keyframe")) == "1":
            drawn.add(frame)
    origin = "automatic" if track.get("source") == "auto" else "imported"
    return Labelled(masks, track.get("label", "object"), frozenset(drawn), origin)


def _shape(shape: ElementTree.Element, size: tuple[int, int]) -> Mask | None:
    height, width = size
    if shape.tag == "mask":
        left, top = int(shape.attrib["left"]), int(shape.attrib["top"])
        wide, high = int(shape.attrib["width"]), int(shape.attrib["height"])
        if left < 0 or top < 0 or left + wide > width or top + high > height:
            raise MaskError(f"the mask reaches outside the frame ({width}×{height})")
        runs = [int(n) for n in shape.attrib["rle"].split(",") if n.strip()]
        array = np.zeros((height, width), bool)
        array[top : top + high, left : left + wide] = from_row_runs(runs, high, wide)
        return Mask.from_array(array)
    if shape.tag == "polygon":
        points = [[float(v) for v in pair.split(",")] for pair in shape.attrib["points"].split(";")]
        return filled([np.array(points)], height, width)
    return None


def write(folder: Path, videos: Iterable[VideoLabels]) -> list[Path]:
    """VIDEO.xml, masks as they are; frames where somebody saw that the object is away are `outside`."""
    written = []
    for video in videos:
        root = ElementTree.Element("annotations")
        ElementTree.SubElement(root, "version").text = "1.1"
        task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
        for name, value in (("name", video.name), ("size", str(video.frames)), ("mode", "interpolation")):
            ElementTree.SubElement(task, name).text = value
        size = ElementTree.SubElement(task, "original_size")
        ElementTree.SubElement(size, "width").text = str(video.width)
        ElementTree.SubElement(size, "height").text = str(video.height)
        labels = ElementTree.SubElement(task, "labels")
        for category in sorted({one.category for one in video.masklets.values()}):
            label = ElementTree.SubElement(labels, "label")
            ElementTree.SubElement(label, "name").text = category
            ElementTree.SubElement(label, "type").text = "mask"
        for number, one in video.masklets.items():
            _write_track(root, number, one)
        path = folder / f"{safe_name(video.name)}.xml"
        text = ElementTree.tostring(root, encoding="unicode")
        write_text(path, f'<?xml version="1.0" encoding="utf-8"?>\n{text}')
        written.append(path)
    return written


def _write_track(root: ElementTree.Element, number: int, one: Labelled) -> None:
    source = "auto" if one.origin == "automatic" else "manual"
    attributes = {"id": str(number), "label": one.category, "source": source}
    track = ElementTree.SubElement(root, "track", attributes)
    shown: tuple[int, int, int, int] | None = None
    runs = ""
    for t in sorted(one.masks):
        mask = one.masks[t]
        box = mask.box
        if box is not None:
            shown = box
            x0, y0, x1, y1 = box
            runs = ", ".join(map(str, row_runs(mask.crop((x0, y0, x1, y1)))))
        # An absent object has to have a shape all the same: its last one, or a single pixel.
        x0, y0, x1, y1 = shown or (0, 0, 1, 1)
        ElementTree.SubElement(
            track,
            "mask",
            {
                "frame": str(t),
                # CVAT drops what is no key frame and interpolates instead, which masks cannot be.
                "keyframe": "1",
                "prompted": "1" if t in one.prompted else "0",
                "outside": "0" if box is not None else "1",
                "occluded": "0",
                "rle": runs or "1",
                "left": str(x0),
                "top": str(y0),
                "width": str(x1 - x0),
                "height": str(y1 - y0),
                "z_order": "0",
            },
        )


def _text(task: ElementTree.Element, name: str, file: Path) -> str:
    found = task.findtext(name)
    if found is None:
        raise DataError(f"{file} lacks meta/task/{name}; export it from CVAT as 'CVAT for video 1.1'")
    return found
