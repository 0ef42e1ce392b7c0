"""A session on disk: one zip file (npz) of a JSON page and plain arrays. Nothing in it is executed.

meta          JSON as uint8: version, video, engine, policy, prompts, masks as RLE
logits/N …    float32 arrays of the N-th prompt's candidates
pointers/N    float32 [frames, C] of the N-th object's tracked frames

It is written beside its name and renamed, so a full disk or Ctrl-C leaves the earlier file whole.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine
from masklet.errors import MaskletError, SessionError, SinkError
from masklet.memory import MemoryPolicy
from masklet.predict.history import ObjectPrompts, PromptedFrame, PromptLog
from masklet.predict.policy import TrackingPolicy
from masklet.predict.results import TrackedFrame, Tracks
from masklet.types import Box, Candidates, Click, Mask, Prompt
from masklet.video.draft import Draft, writing
from masklet.video.protocol import FrameSource

FORMAT = "masklet session"
VERSION = 1

_ARRAYS = ("logits", "iou", "pointer", "occlusion")


@dataclass(frozen=True, eq=False)
class SavedSession:
    """What a file holds."""

    log: PromptLog
    tracks: Tracks
    policy: TrackingPolicy


def write(
    path: Path, source: FrameSource, engine: Engine, policy: TrackingPolicy, log: PromptLog, tracks: Tracks
) -> None:
    """Write a session; raises SessionError when the file cannot be written."""
    arrays: dict[str, np.ndarray] = {}
    objects = []
    prompts = 0
    for number, (object_id, known) in enumerate(log.objects.items()):
        frames = []
        for frame, given in sorted(known.frames.items()):
            for name in _ARRAYS:
                arrays[f"{name}/{prompts}"] = getattr(given.candidates, name)
            frames.append({"frame": frame, "arrays": prompts, **_prompted_out(given)})
            prompts += 1
        tracked = sorted(tracks.get(known.lineage, {}).items())
        if tracked:
            arrays[f"pointers/{number}"] = np.stack([t.pointer for _, t in tracked])
        objects.append(
            {
                "id": int(object_id),
                "lineage": known.lineage,
                "version": known.version,
                "prompts": frames,
                "tracked": [{"frame": frame, **_tracked_out(t)} for frame, t in tracked],
            }
        )
    meta = {
        "format": FORMAT,
        "version": VERSION,
        "video": _identity(source),
        "engine": _engine(engine),
        "policy": dataclasses.asdict(policy),
        "objects": objects,
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    try:
        draft = Draft(path)
        try:
            with writing(path), open(draft.path, "wb") as file:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            draft.commit()
        except BaseException:
            draft.discard()
            raise
    except SinkError as error:
        raise SessionError(str(error)) from error


def read(path: Path, source: FrameSource, engine: Engine) -> SavedSession:
    """Read a session; raises SessionError when it is damaged, or of another video or model."""
    try:
        if path.is_file() and not zipfile.is_zipfile(path):  # numpy would speak of pickles
            raise SessionError(f"{path} is not a session file, or is damaged")
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(bytes(file["meta"]))
            _check(path, meta, source, engine)
            return _restore(meta, file)
    except OSError as error:
        raise SessionError(f"cannot read {path}: {error.strerror or error}") from error
    except SessionError:
        raise
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, MaskletError) as error:
        raise SessionError(f"{path} is not a session file, or is damaged ({error})") from error


def _check(path: Path, meta: dict[str, Any], source: FrameSource, engine: Engine) -> None:
    if meta["format"] != FORMAT:
        raise SessionError(f"{path} is not a session file")
    if meta["version"] > VERSION:
        raise SessionError(f"{path} has format {meta['version']}, newer than {VERSION}; update masklet")
    for what, saved, present in (
        ("video", meta["video"], _identity(source)),
        ("model", meta["engine"], _engine(engine)),
    ):
        for key, value in saved.items():
            if value != present[key]:
                raise SessionError(
                    f"{path} belongs to a {what} with {key} {value}, not {present[key]}; open that one"
                )


def _identity(source: FrameSource) -> dict[str, Any]:
    # The name without its folder: a session travels with its video.
    return {
        "name": os.path.basename(source.name),
        "width": source.width,
        "height": source.height,
        "frames": len(source),
    }


def _engine(engine: Engine) -> dict[str, Any]:
    return {"name": engine.name, "input size": engine.input_size}


def _restore(meta: dict[str, Any], file: Any) -> SavedSession:
    height, width = meta["video"]["height"], meta["video"]["width"]
    objects: dict[int, ObjectPrompts] = {}
    tracks: Tracks = {}
    for number, saved in enumerate(meta["objects"]):
        frames = {}
        for given in saved["prompts"]:
            candidates = Candidates(*(file[f"{name}/{given['arrays']}"] for name in _ARRAYS))
            frames[given["frame"]] = _prompted_in(given, candidates, height, width)
        objects[saved["id"]] = ObjectPrompts(saved["lineage"], saved["version"], frames)
        if saved["tracked"]:
            pointers = file[f"pointers/{number}"]
            tracks[saved["lineage"]] = {
                t["frame"]: _tracked_in(t, pointer, height, width)
                for t, pointer in zip(saved["tracked"], pointers, strict=True)
            }
    policy = dict(meta["policy"])
    policy["memory"] = MemoryPolicy(**policy["memory"])
    return SavedSession(PromptLog(objects), tracks, TrackingPolicy(**policy))


def _prompted_out(given: PromptedFrame) -> dict[str, Any]:
    prompt = given.prompt
    return {
        "clicks": [[c.x, c.y, c.positive] for c in prompt.clicks],
        "box": list(prompt.box.corners) if prompt.box else None,
        "mask": prompt.mask.counts.decode("ascii") if prompt.mask else None,
        "masks": [m.counts.decode("ascii") for m in given.masks],
        "chosen": given.chosen,
        "tracked": given.tracked,
        "pinned": given.pinned,
    }


def _prompted_in(saved: dict[str, Any], candidates: Candidates, height: int, width: int) -> PromptedFrame:
    prompt = Prompt(
        clicks=tuple(Click(*c) for c in saved["clicks"]),
        box=Box(*saved["box"]) if saved["box"] else None,
        mask=Mask(saved["mask"].encode("ascii"), height, width) if saved["mask"] is not None else None,
    )
    masks = tuple(Mask(m.encode("ascii"), height, width) for m in saved["masks"])
    return PromptedFrame(prompt, candidates, masks, saved["chosen"], saved["tracked"], saved["pinned"])


def _tracked_out(tracked: TrackedFrame) -> dict[str, Any]:
    return {
        "mask": tracked.mask.counts.decode("ascii"),
        "iou": tracked.iou,
        "occlusion": tracked.occlusion,
        "reverse": tracked.reverse,
        "version": tracked.version,
    }


def _tracked_in(saved: dict[str, Any], pointer: np.ndarray, height: int, width: int) -> TrackedFrame:
    mask = Mask(saved["mask"].encode("ascii"), height, width)
    return TrackedFrame(mask, saved["iou"], saved["occlusion"], pointer, saved["reverse"], saved["version"])
