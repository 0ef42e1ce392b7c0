"""DAVIS: a folder of indexed pictures a video, pixel value = object id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from masklet.annotate.formats.labels import Labelled, VideoLabels, safe_name
from masklet.errors import DataError
from masklet.evaluate.readers import open_videos
from masklet.evaluate.readers.truth import Truth
from masklet.types import Mask
from masklet.video.palette import write_mask_png


def read(path: Path) -> list[VideoLabels]:
    """All videos of a DAVIS folder (or a YouTube-VOS, MOSE, LVOS one, which look alike)."""
    videos = open_videos(path, "all", need_frames=False)
    return [from_truth(videos.truth(name)) for name in videos.names]


def from_truth(truth: Truth) -> VideoLabels:
    """True masks of a benchmark as labels."""
    nothing = Mask.empty(truth.height, truth.width)
    return VideoLabels(
        name=truth.name,
        width=truth.width,
        height=truth.height,
        frames=len(truth.names),
        masklets={
            number: Labelled(
                {t: truth.masks[number].get(t, nothing) for t in truth.annotated[number]},
                truth.categories.get(number, "object"),
            )
            for number in truth.objects
        },
        names=truth.names,
    )


def write(folder: Path, videos: Iterable[VideoLabels]) -> list[Path]:
    """`Annotations/480p/VIDEO/00000.png`, `ImageSets/2017/all.txt`. Higher ids lie on top."""
    written: list[Path] = []
    names: list[str] = []
    for video in videos:
        too_high = [number for number in video.masklets if not 1 <= number <= 254]
        if too_high:
            raise DataError(
                f"video {video.name} has object {too_high[0]}; a DAVIS picture holds ids 1 to 254"
            )
        place = folder / "Annotations" / "480p" / safe_name(video.name)
        place.mkdir(parents=True, exist_ok=True)
        names.append(place.name)
        nothing = {1: Mask.empty(video.height, video.width)}
        for t in sorted({t for one in video.masklets.values() for t in one.masks}):
            here = {n: one.masks[t] for n, one in video.masklets.items() if t in one.masks}
            path = place / f"{safe_name(video.name_of(t))}.png"
            write_mask_png(path, here or nothing)
            written.append(path)
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True, exist_ok=True)
    (lists / "all.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    return [*written, lists / "all.txt"]
