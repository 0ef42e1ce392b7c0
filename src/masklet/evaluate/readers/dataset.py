"""A data set of videos with true masks, whatever its layout: names, truth, where the frames are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from masklet.errors import ConfigError, DataError
from masklet.evaluate.readers.folders import Layout, find_layout, pictures, sequences
from masklet.evaluate.readers.palette import read_masks
from masklet.evaluate.readers.sav import read_json, read_object_folders
from masklet.evaluate.readers.truth import ALL_FRAMES, DAVIS, LATER, SAV, YOUTUBE, Convention, Truth

CONVENTIONS = {
    "davis": DAVIS,
    "ytvos": YOUTUBE,
    "mose": LATER,
    "lvos": LATER,
    "vipseg": LATER,
    "sav": SAV,
    "all": ALL_FRAMES,
}
"""Format → which frames and objects count."""


@dataclass(frozen=True)
class VideoSet:
    """Videos of one benchmark on disk. Nothing is read until asked for."""

    format: str
    layout: Layout
    names: tuple[str, ...]
    convention: Convention

    def truth(self, name: str) -> Truth:
        """All true masks of a video.

        raises   DataError when files are missing, damaged or of differing sizes
        """
        folder = self.layout.annotations / name
        if self.format == "sav":
            return self._sav(name, folder)
        masks = pictures(folder)
        if not masks:
            raise DataError(f"sequence {name} has no mask picture in {folder}")
        names = self.frame_names(name) or tuple(masks)
        places = {frame: position for position, frame in enumerate(names)}
        unknown = [frame for frame in masks if frame not in places]
        if unknown:
            raise DataError(
                f"sequence {name}: mask {unknown[0]} belongs to no frame ({len(names)} frames, "
                f"{names[0]} to {names[-1]})"
            )
        frames, (height, width) = read_masks(list(masks.values()))
        positions = tuple(places[frame] for frame in masks)
        by_object: dict[int, dict[int, object]] = {}
        for position, found in zip(positions, frames, strict=True):
            for object_id, mask in found.items():
                by_object.setdefault(object_id, {})[position] = mask
        if not by_object:
            raise DataError(f"sequence {name} has {len(masks)} mask pictures but no object in any of them")
        return Truth(
            name=name,
            height=height,
            width=width,
            names=names,
            masks=by_object,  # type: ignore[arg-type]
            annotated=dict.fromkeys(by_object, positions),
            categories=self.categories(name),
        )

    def frame_names(self, name: str) -> tuple[str, ...]:
        """Names of the frames on disk, in order; empty when there are none."""
        frames = self.frames(name)
        return tuple(pictures(frames)) if frames is not None else ()

    def frames(self, name: str) -> Path | None:
        """Folder of a video's frames, or its video file; None when only masks are on disk."""
        if self.layout.frames is None:
            return None
        folder = self.layout.frames / name
        video = self.layout.frames / f"{name}.mp4"
        return video if video.is_file() and not folder.is_dir() else folder

    def _sav(self, name: str, folder: Path) -> Truth:
        if folder.is_dir():
            return read_object_folders(folder, self.frame_names(name)).seen()
        return replace(read_json(self.layout.annotations / f"{name}_manual.json").seen(), name=name)

    def categories(self, name: str) -> dict[int, str]:
        """Object id → category as YouTube-VOS's meta.json has it; empty where that says nothing.

        raises   DataError when the file is there but damaged
        """
        meta = self.layout.root / "meta.json"
        if not meta.is_file():
            return {}
        try:
            videos = json.loads(meta.read_text(encoding="utf-8"))["videos"]
            objects = videos.get(name, {}).get("objects", {})
            return {int(key): str(one["category"]) for key, one in objects.items() if "category" in one}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{meta} is damaged; expected videos → name → objects → id → category ({error})"
            ) from error

    def check_categories(self) -> None:
        """Raise DataError unless some object has a category: G cannot be computed without."""
        if not any(self.categories(name) for name in self.names):
            raise DataError(
                f"G needs categories of the objects: expected meta.json in {self.layout.root}, as "
                "YouTube-VOS has it; without one leave the seen categories out"
            )


def open_videos(
    root: str | Path, format: str = "davis", *, split: str | None = None, need_frames: bool = True
) -> VideoSet:
    """Open a benchmark's folder.

    format       davis, ytvos, mose, lvos, vipseg, sav, or all (any palette folder, every frame counts)
    split        a list below ImageSets (val); None takes every sequence with annotations
    need_frames  False for scoring masks, which needs no frames
    raises       ConfigError for an unknown format, DataError saying what was expected and found
    """
    if format not in CONVENTIONS:
        raise ConfigError(f"format {format} is unknown; choose one of {', '.join(CONVENTIONS)}")
    root = Path(root)
    if format == "sav" and root.is_dir() and (names := _json_videos(root)):
        if split is not None:
            raise ConfigError(
                f"{root} holds masklets in JSON, which have no list {split}; leave the split out"
            )
        return VideoSet(format, Layout(root, root, root), names, SAV)
    layout = find_layout_or_bare(root, need_frames=need_frames)
    return VideoSet(format, layout, sequences(layout, split), CONVENTIONS[format])


def _json_videos(root: Path) -> tuple[str, ...]:
    """Names of SA-V's videos with masklets in JSON, in the folder or, as they are published, a level or two
    below it: "sav_000/sav_000001"."""
    found = (path for depth in ("", "*/", "*/*/") for path in root.glob(f"{depth}*_manual.json"))
    return tuple(sorted(path.relative_to(root).as_posix().removesuffix("_manual.json") for path in found))


def find_layout_or_bare(root: Path, *, need_frames: bool) -> Layout:
    """Like find_layout; for scoring also a folder that itself holds the sequences' folders of masks."""
    try:
        return find_layout(root, need_frames=need_frames)
    except DataError:
        if need_frames or not root.is_dir():
            raise
        if any(next(p.rglob("*.png"), None) for p in root.iterdir() if p.is_dir()):
            return Layout(root, root, None)
        raise
