"""SA-V: one folder of mask pictures an object (val, test), or masklets in JSON (train)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from masklet.data.coco import decode_segmentation
from masklet.errors import DataError, MaskError
from masklet.evaluate.readers.folders import natural, pictures
from masklet.evaluate.readers.palette import read_ids
from masklet.evaluate.readers.truth import Truth
from masklet.types import Mask

STRIDE = 4
"""Masklets in JSON are annotated at 6 frames a second of 24."""


def read_object_folders(folder: Path, names: tuple[str, ...] = ()) -> Truth:
    """<video>/<object>/<frame>.png, each black and white, each object with frames of its own.

    Objects whose pictures are all black are there too; `Truth.seen` leaves them out.

    names    of the video's frames; empty takes the union of the annotated ones
    raises   DataError when there is no object, or pictures do not fit
    """
    found = {
        p.name: pictures(p) for p in sorted(folder.iterdir(), key=lambda p: natural(p.name)) if p.is_dir()
    }
    found = {name: files for name, files in found.items() if files}
    if not found:
        raise DataError(
            f"{folder} holds no object; expected a folder of mask pictures for each (000, 001, …)"
        )
    if not names:
        names = tuple(sorted({f for files in found.values() for f in files}, key=natural))
    places = {name: position for position, name in enumerate(names)}
    masks: dict[int, dict[int, Mask]] = {}
    annotated: dict[int, tuple[int, ...]] = {}
    for number, (label, files) in enumerate(found.items()):
        object_id = int(label) if label.isdigit() else number
        masks[object_id] = {}
        for frame, path in files.items():
            if frame not in places:
                raise DataError(f"{path} belongs to no frame of {folder.name} ({names[0]} to {names[-1]})")
            ids, _ = read_ids(path)
            if len(np.unique(ids)) > 2:
                raise DataError(f"{path} shows several objects; SA-V has one object a picture")
            masks[object_id][places[frame]] = Mask.from_array(ids != 0)
        annotated[object_id] = tuple(sorted(places[frame] for frame in files))
    sizes = {(m.height, m.width) for frames in masks.values() for m in frames.values()}
    if len(sizes) > 1:
        raise DataError(f"mask pictures in {folder} differ in size: {sorted(sizes)}")
    height, width = sizes.pop()
    return Truth(
        name=folder.name,
        height=height,
        width=width,
        names=names,
        masks=masks,
        annotated=annotated,
    )


def read_json(path: Path) -> Truth:
    """sav_NNNNNN_manual.json (or _auto): masklet[frame][object] in RLE, every fourth frame.

    raises   DataError when the file is missing or does not have this form
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        height, width = int(data["video_height"]), int(data["video_width"])
        count, ids, frames = int(data["video_frame_count"]), data["masklet_id"], data["masklet"]
        masks: dict[int, dict[int, Mask]] = {int(i): {} for i in ids}
        for step, row in enumerate(frames):
            for object_id, code in zip(ids, row, strict=True):
                if code is not None:
                    masks[int(object_id)][step * STRIDE] = decode_segmentation(code, (height, width))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, MaskError) as error:
        raise DataError(
            f"{path} is no SA-V masklet file; expected video_height, video_width, video_frame_count, "
            f"masklet_id and masklet ({error})"
        ) from error
    positions = tuple(step * STRIDE for step in range(len(frames)))
    total = max(count, positions[-1] + 1 if positions else 0)
    return Truth(
        name=path.stem.removesuffix("_manual").removesuffix("_auto"),
        height=height,
        width=width,
        names=tuple(f"{position:05d}" for position in range(total)),
        masks=masks,
        annotated=dict.fromkeys(masks, positions),
    )
