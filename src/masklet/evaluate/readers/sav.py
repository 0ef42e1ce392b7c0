"""SA-V: one folder of mask pictures an object (val, test), or masklets in JSON (train)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from masklet.errors import DataError, MaskError
from masklet.evaluate.readers.folders import natural, pictures
from masklet.evaluate.readers.palette import read_ids
from masklet.evaluate.readers.truth import Truth
from masklet.types import Mask

STRIDE = 4
"""Masklets in JSON are annotated at 6 frames a second of 24."""


def read_object_folders(folder: Path, names: tuple[str, ...] = ()) -> Truth:
    """<video>/<object>/<frame>.png, each black and white, each object with frames of its own.

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
    # an object whose pictures are all black was never seen
    seen = {o for o, frames in masks.items() if not all(m.is_empty for m in frames.values())}
    return Truth(
        name=folder.name,
        height=height,
        width=width,
        names=names,
        masks={o: masks[o] for o in masks if o in seen},
        annotated={o: annotated[o] for o in masks if o in seen},
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
                mask = _mask(code, height, width)
                if not mask.is_empty:
                    masks[int(object_id)][step * STRIDE] = mask
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, MaskError) as error:
        raise DataError(
            f"{path} is no SA-V masklet file; expected video_height, video_width, video_frame_count, "
            f"masklet_id and masklet ({error})"
        ) from error
    positions = tuple(step * STRIDE for step in range(len(frames)))
    total = max(count, positions[-1] + 1 if positions else 0)
    masks = {o: found for o, found in masks.items() if found}
    return Truth(
        name=path.stem.removesuffix("_manual").removesuffix("_auto"),
        height=height,
        width=width,
        names=tuple(f"{position:05d}" for position in range(total)),
        masks=masks,
        annotated=dict.fromkeys(masks, positions),
    )


def _mask(code: dict[str, Any] | None, height: int, width: int) -> Mask:
    if code is None:
        return Mask.empty(height, width)
    if list(code["size"]) != [height, width]:
        raise MaskError(f"mask is {code['size'][1]}×{code['size'][0]}, the video {width}×{height}")
    counts = code["counts"]
    mask = Mask(counts.encode("ascii") if isinstance(counts, str) else counts, height, width)
    mask.to_array()  # checks the runs: a damaged code is better named here than scored as noise
    return mask
