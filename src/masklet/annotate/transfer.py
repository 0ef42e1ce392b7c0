"""Annotation files into a project and out of it."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from masklet.annotate import journal, masklets
from masklet.annotate.formats import FORMATS, Labelled, VideoLabels, find_format, safe_name, yolo
from masklet.annotate.masklets import Kept
from masklet.annotate.project import Project
from masklet.annotate.records import Video
from masklet.annotate.whole_folder import whole_folder
from masklet.errors import ConfigError, DataError, ProjectError


@dataclass(frozen=True)
class Imported:
    """What came in.

    left_out   what no masklet could be made of, a line each
    """

    format: str
    videos: tuple[str, ...]
    masklets: int
    left_out: tuple[str, ...]


VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")


def videos_in(path: Path) -> list[Path]:
    """What a path is, if it is no annotation: a video, a folder of frames, or the videos in a folder.

    Empty when it is annotations, or nothing that is known.
    """
    from masklet.video.folder import IMAGE_SUFFIXES

    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    if not path.is_dir():
        return [] if path.suffix.lower() in (".json", ".xml", ".txt", ".yaml") else [path]
    try:
        find_format(path)
        return []
    except ConfigError:
        pass
    inside = sorted(p for p in path.iterdir() if not p.name.startswith("."))
    if any(p.suffix.lower() in IMAGE_SUFFIXES for p in inside):
        return [path]
    return [p for p in inside if p.suffix.lower() in VIDEOS]


def import_labels(
    project: Project,
    path: str | Path,
    *,
    format: str | None = None,
    videos: str | Path | None = None,
    verified: bool = False,
) -> Imported:
    """Read annotations into the project: masklets of all their videos, or of none where one is missing.

    format     of FORMATS; None looks
    videos     folder in which the videos lie that the project does not know yet: VIDEO.mp4, or a folder of
               frames named VIDEO. None looks beside the labels, where the format keeps frames
    verified   they count as satisfactory; else they wait for verification
    raises     ConfigError, DataError, ProjectError
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    format = format or find_format(path)
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} is unknown; give {', '.join(FORMATS)}")
    if format == "yolo":
        found = yolo.read(path, {v.name: (v.width, v.height, v.frames) for v in project.videos()})
    else:
        found = FORMATS[format].read(path)
    # All videos before any masklet: a second try, with what was missing, must not bring some of them twice.
    place = None if videos is None else Path(videos)
    owners = [_video(project, labels, path, format, place) for labels in found]
    status = "satisfactory" if verified else "submitted"
    count = sum(_put(project, video, labels, status) for video, labels in zip(owners, found, strict=True))
    journal.record(project, "import", detail={"path": str(path), "format": format, "masklets": count})
    left_out = tuple(f"{labels.name}: {line}" for labels in found for line in labels.notes)
    return Imported(format, tuple(labels.name for labels in found), count, left_out)


def _video(project: Project, labels: VideoLabels, path: Path, format: str, videos: Path | None) -> Video:
    """The project's video that the labels are for, added when it can be found."""
    known = {video.name: video for video in project.videos()}
    named = {safe_name(name): video for name, video in known.items()}
    video = known.get(labels.name) or named.get(labels.name)
    if video is None:
        place = _find_video(labels.name, path, format, videos)
        video = next((v for v in known.values() if Path(v.path) == place.resolve()), None)
        video = video or project.add_video(place, labels.name)
    if (video.width, video.height) != (labels.width, labels.height) or labels.frames > video.frames:
        raise DataError(
            f"video {video.name} has {video.frames} frames of {video.width}×{video.height}, its labels are "
            f"for {labels.frames} of {labels.width}×{labels.height}; import the video they were made for"
        )
    return video


def _find_video(name: str, path: Path, format: str, videos: Path | None) -> Path:
    root = path if path.is_dir() else path.parent
    pattern = FORMATS[format].frames.split("{video}")[0]
    places = [videos] if videos is not None else [root / pattern, root / "JPEGImages", root]
    for place in places:
        for candidate in (place / name, *sorted(place.glob(f"{glob.escape(name)}.*"))):
            if candidate.is_dir() or candidate.suffix.lower() in VIDEOS:
                return candidate
    looked = ", ".join(str(place) for place in places)
    raise DataError(
        f"video {name} is neither in the project nor in {looked}; import it first, or give --videos"
    )


def _put(project: Project, video: Video, labels: VideoLabels, status: str) -> int:
    taken = {entry.number for entry in masklets.find(project, video=video.name)}
    numbers = dict(zip(labels.masklets, labels.masklets, strict=True))
    if taken & numbers.keys() or min(numbers, default=1) < 1:
        # Where a number is taken, all go on counting after the last one.
        start = max(taken, default=0) + 1
        numbers = {number: start + k for k, number in enumerate(labels.masklets)}
    for number, one in labels.masklets.items():
        masklets.add(
            project,
            video.name,
            number=numbers[number],
            category=one.category,
            origin="automatic" if one.origin == "automatic" else "imported",
            status=status,
            masks={t: Kept(mask, prompted=t in one.prompted) for t, mask in one.masks.items()},
        )
    return len(labels.masklets)


@dataclass(frozen=True)
class Exported:
    """What went out."""

    format: str
    videos: int
    masklets: int
    files: tuple[Path, ...]


def export_labels(
    project: Project,
    folder: str | Path,
    format: str,
    *,
    statuses: Collection[str] = ("satisfactory",),
    frames: bool = False,
) -> Exported:
    """Write masklets to a new or empty folder, all or nothing; by default those found satisfactory.

    frames   also write the frames as JPEG, where the format expects them
    raises   ProjectError when there is none to write, SinkError when the folder holds something
    """
    if format not in FORMATS:
        raise ConfigError(f"format {format!r} is unknown; give {', '.join(FORMATS)}")
    videos = project_labels(project, statuses)
    if not videos:
        raise ProjectError(
            f"no masklet is {' or '.join(sorted(statuses))} yet; verify some, or give --status"
        )
    folder = Path(folder)
    with whole_folder(folder) as part:
        files = FORMATS[format].write(part, videos)
        if frames:
            for video in videos:
                files += _write_frames(project, video, part, FORMATS[format].frames)
        written = tuple(folder / path.relative_to(part) for path in files)
    journal.record(project, "export", detail={"path": str(folder), "format": format})
    return Exported(format, len(videos), sum(len(v.masklets) for v in videos), written)


def project_labels(project: Project, statuses: Collection[str]) -> list[VideoLabels]:
    """The project's masklets of these statuses, by video; videos without any are left out."""
    result = []
    for video in project.videos():
        found = masklets.find(project, video=video.name, status=statuses)
        if not found:
            continue
        labelled = {}
        for entry in found:
            kept = masklets.masks(project, entry.id)
            labelled[entry.number] = Labelled(
                {t: one.mask for t, one in kept.items()},
                entry.category,
                frozenset(t for t, one in kept.items() if one.prompted),
                entry.origin,
            )
        result.append(
            VideoLabels(video.name, video.width, video.height, video.frames, labelled, rate=video.rate)
        )
    return result


def _write_frames(project: Project, labels: VideoLabels, folder: Path, pattern: str) -> list[Path]:
    from PIL import Image

    annotated: Iterable[int] = sorted({t for one in labels.masklets.values() for t in one.masks})
    written: list[Path] = []
    with closing(project.source(project.video(labels.name))) as source:
        wanted = set(annotated)
        for frame in source.read(0, max(wanted, default=-1) + 1):
            if frame.index not in wanted:
                continue
            path = folder / pattern.format(video=safe_name(labels.name), frame=labels.name_of(frame.index))
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            Image.fromarray(frame.image).save(part, format="JPEG", quality=95)
            part.replace(path)
            written.append(path)
    return written
