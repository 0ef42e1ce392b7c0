"""Turning a session's masks into files to take away: mask formats, the cut-out, the video with effects."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from masklet.errors import ConfigError, SessionError
from masklet.server.objects import unnamed
from masklet.server.workspace import Workspace
from masklet.types import Frame, FrameMasks
from masklet.video.cutout import CutOut
from masklet.video.effect_video import EffectVideo
from masklet.video.effects import Look, render
from masklet.video.folder import UNTIMED_RATE
from masklet.video.json_masks import CocoJson, SavJson
from masklet.video.palette import PalettePng
from masklet.video.protocol import FrameSource, MaskSink, sample_aspect_of
from masklet.video.sound import with_sound
from masklet.video.yolo import YoloLabels

FORMATS = ("coco", "sav", "png", "yolo", "cutout", "video")
CUTOUTS = ("png", "mov", "webm")

Progress = Callable[[int, int], None]
"""Told (frames done, frames in all); raises to stop the export."""


@dataclass(frozen=True)
class ExportRequest:
    """What to write.

    objects       ids, or None for all
    start, stop   frames; None: all that have masks (for pictures and masks) or the whole video
    cutout        png, mov or webm
    look          effects, for `video`
    sound         whether a video keeps its sound
    """

    format: str
    objects: tuple[int, ...] | None = None
    start: int | None = None
    stop: int | None = None
    cutout: str = "png"
    look: Look = field(default_factory=Look)
    sound: bool = True

    def __post_init__(self) -> None:
        for what, value, known in (("format", self.format, FORMATS), ("cutout", self.cutout, CUTOUTS)):
            if value not in known:
                raise ConfigError(f"export {what} {value!r} is unknown; there are {', '.join(known)}")


@dataclass(frozen=True)
class Snapshot:
    """What an export works on, while the session goes on changing.

    names   object id → name
    sound   the file to take sound from, or None
    """

    video: str
    masks: Mapping[int, FrameMasks]
    names: Mapping[int, str]
    photo: bool
    sound: Path | None


def frames_of(request: ExportRequest, workspace: Workspace) -> range:
    """The frames an export is of; raises ConfigError when they, or its objects, are not there."""
    known = {o.id for o in workspace.objects}
    missing = [i for i in request.objects or () if i not in known]
    if missing:
        raise ConfigError(f"there is no object {missing[0]} to export; known objects: {sorted(known)}")
    length = len(workspace.session.source)
    low, high = request.start or 0, length if request.stop is None else request.stop
    if not 0 <= low < high <= length:
        raise ConfigError(f"frames {low} to {high} are no part of the video (0–{length})")
    return range(low, high)


def snapshot(
    workspace: Workspace, request: ExportRequest, video: str, photo: bool, sound: Path | None
) -> Snapshot:
    """The masks and names as they are now, of the objects asked for; may be called from any thread.

    raises SessionError when there is nothing to write
    """
    frames = frames_of(request, workspace)
    known = {o.id: o.name for o in workspace.objects}
    wanted = set(known if request.objects is None else request.objects)
    masks = {t: _only(workspace.masks(t), wanted) for t in sorted(workspace.touched) if t in frames}
    masks = {t: found for t, found in masks.items() if found.masks}
    if not masks and request.format != "video":
        raise SessionError("there are no masks to export there; prompt an object, and track it")
    return Snapshot(video, masks, {i: n for i, n in known.items() if i in wanted}, photo, sound)


def write(
    request: ExportRequest, taken: Snapshot, source: FrameSource, folder: Path, progress: Progress
) -> Path:
    """Write the file into a folder of its own; returns it. Stops when `progress` raises."""
    stem = Path(taken.video).stem or "video"
    if request.format in ("coco", "sav"):
        path, length = folder / f"{stem}-{request.format}.json", len(source)
        named = {i: name for i, name in taken.names.items() if name != unnamed(i)}
        sink: MaskSink = (
            CocoJson(path, name=taken.video, length=length, names=named)
            if request.format == "coco"
            else SavJson(path, name=taken.video, length=length)
        )
        _feed(sink, _untouched(source, taken), taken, progress)
        return path
    if request.format == "png":
        _feed(PalettePng(folder / "masks"), _untouched(source, taken), taken, progress)
        return _zipped(folder / "masks", folder / f"{stem}-masks.zip")
    if request.format == "yolo":
        _feed(YoloLabels(folder / "yolo", taken.names), _untouched(source, taken), taken, progress)
        return _zipped(folder / "yolo", folder / f"{stem}-yolo.zip")
    if request.format == "cutout":
        return _cut_out(request, taken, source, folder, stem, progress)
    return _video(request, taken, source, folder, stem, progress)


def _cut_out(
    request: ExportRequest, taken: Snapshot, source: FrameSource, folder: Path, stem: str, progress: Progress
) -> Path:
    if request.cutout != "png" and not taken.photo:
        path = folder / f"{stem}-cutout.{request.cutout}"
        low, high = min(taken.masks), max(taken.masks) + 1
        _feed(
            CutOut(path, sample_aspect=sample_aspect_of(source)),
            source.read(low, high),
            taken,
            progress,
            high - low,
        )
        return path
    _feed(CutOut(folder / "cutout"), (source[t] for t in taken.masks), taken, progress)
    if taken.photo:
        return _moved(folder / "cutout" / "00000.png", folder / f"{stem}-cutout.png")
    return _zipped(folder / "cutout", folder / f"{stem}-cutout.zip")


def _video(
    request: ExportRequest, taken: Snapshot, source: FrameSource, folder: Path, stem: str, progress: Progress
) -> Path:
    low, high = request.start or 0, len(source) if request.stop is None else request.stop
    if taken.photo:
        from PIL import Image

        frame = source[0]
        masks = taken.masks.get(0, FrameMasks(0, {}))
        Image.fromarray(render(frame.image, masks.masks, request.look)).save(folder / f"{stem}-effects.png")
        progress(1, 1)
        return folder / f"{stem}-effects.png"
    path, silent = folder / f"{stem}-effects.mp4", folder / "silent.mp4"
    sink = EffectVideo(
        silent,
        request.look,
        time_base=getattr(source, "time_base", None),
        sample_aspect=sample_aspect_of(source),
    )
    _feed(sink, source.read(low, high), taken, progress, high - low)
    if request.sound and taken.sound is not None:
        times = getattr(source, "times", None)
        start = 0.0 if times is None else float(times[low])
        if with_sound(silent, taken.sound, path, start=Fraction(start).limit_denominator(10**6)):
            silent.unlink()
            return path
    return _moved(silent, path)


def _feed(sink: MaskSink, frames: Any, taken: Snapshot, progress: Progress, total: int | None = None) -> None:
    total = len(taken.masks) if total is None else total
    with closing(sink):
        for done, frame in enumerate(frames, start=1):
            sink.write(frame, taken.masks.get(frame.index) or FrameMasks(frame.index, {}))
            progress(done, total)


def _untouched(source: FrameSource, taken: Snapshot) -> Any:
    """The frames that have masks, with their times and sizes but no picture: nothing is decoded."""
    blank = np.broadcast_to(np.uint8(0), (source.height, source.width, 3))
    times = getattr(source, "times", None)
    for t in taken.masks:
        if times is None:
            time = t / (source.rate or UNTIMED_RATE)
        else:
            time = Fraction(float(times[t])).limit_denominator(10**9)
        yield Frame(t, time, blank)


def _only(masks: FrameMasks, wanted: set[int]) -> FrameMasks:
    return FrameMasks(
        masks.index,
        {i: m for i, m in masks.masks.items() if i in wanted},
        {i: v for i, v in masks.iou.items() if i in wanted},
        {i: v for i, v in masks.occlusion.items() if i in wanted},
        masks.prompted & wanted,
    )


def _moved(file: Path, target: Path) -> Path:
    return file.rename(target)


def _zipped(folder: Path, target: Path) -> Path:
    """Put a folder into a zip and remove it."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
    shutil.rmtree(folder)
    return target
