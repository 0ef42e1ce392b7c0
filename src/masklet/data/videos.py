"""Real videos with masks as training clips: SA-V, DAVIS, YouTube-VOS, MOSE and their kin."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from masklet.data.clips import Clip, ClipSettings
from masklet.data.light import filmed
from masklet.data.pictures import read_picture
from masklet.data.problems import Problems
from masklet.errors import DataError, VideoError
from masklet.evaluate.readers.dataset import VideoSet, open_videos
from masklet.evaluate.readers.folders import pictures
from masklet.evaluate.readers.truth import Truth

ATTEMPTS = 60
KEPT = 64
"""Videos whose masks are kept in memory (as RLE: some 100 kB each)."""


class VideoClips:
    """Makes clips from videos that have masks, on annotated frames only.

    videos     a set that is open
    settings   frames, size, max_objects, min_area and light count
    strides    least and most steps from one annotated frame to the next of a clip
    problems   videos that were left out and frames that could not be read, with the reason
    """

    def __init__(
        self, videos: VideoSet, settings: ClipSettings, *, strides: tuple[int, int] = (1, 3)
    ) -> None:
        self.videos = videos
        self.settings = settings
        self.strides = strides
        self._problems = Problems()
        self._good = list(videos.names)
        self._truths: OrderedDict[str, Truth | None] = OrderedDict()

    @classmethod
    def open(
        cls,
        root: str | Path,
        format: str,
        settings: ClipSettings,
        *,
        strides: tuple[int, int] = (1, 3),
        split: str | None = None,
    ) -> VideoClips:
        """Clips from a data set on disk: davis, ytvos, mose, lvos, vipseg, sav (JSON or folders), or all.

        raises   DataError when there is no data set here, ConfigError for an unknown format
        """
        videos = open_videos(root, format, split=split)
        clips = cls(videos, settings, strides=strides)
        for name in _without_masks(videos) if split is None else ():
            clips._problems.add(name, "video has no masks")
        return clips

    @property
    def problems(self) -> list[Problems]:
        return [self._problems]

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        """A new clip, the same for the same state of the generator.

        raises   DataError when the videos give none
        """
        count = self.settings.frames if frames is None else frames
        for _ in range(ATTEMPTS):
            name = self._good[int(rng.integers(len(self._good)))]
            truth = self._truth(name)
            clip = self._attempt(rng, name, truth, count) if truth is not None else None
            if clip is not None:
                return clip
        raise DataError(
            f"no clip of {count} frames in {ATTEMPTS} draws from {self.videos.layout.root}; {self._problems}"
        )

    def _truth(self, name: str) -> Truth | None:
        """The masks of a video; None when they cannot be used, which is noted once."""
        if name not in self._truths:
            try:
                self._truths[name] = self.videos.truth(name)
            except DataError as error:
                self._problems.add(name, "masks cannot be used", str(error))
                self._truths[name] = None
            while len(self._truths) > KEPT:
                self._truths.popitem(last=False)
        self._truths.move_to_end(name)
        return self._truths[name]

    def _attempt(self, rng: np.random.Generator, name: str, truth: Truth, count: int) -> Clip | None:
        positions = sorted({p for annotated in truth.annotated.values() for p in annotated})
        low, high = self.strides
        stride = min(int(rng.integers(low, high + 1)), max(1, (len(positions) - 1) // max(1, count - 1)))
        reach = (count - 1) * stride + 1
        if len(positions) < reach:
            self._problems.add(name, "video is shorter than a clip", f"{len(positions)} annotated frames")
            return None
        start = int(rng.integers(len(positions) - reach + 1))
        chosen = positions[start : start + reach : stride]
        if rng.random() < 0.5:
            chosen = chosen[::-1]
        objects = self._followable(truth, chosen)
        if not objects:
            return None
        objects = [objects[int(i)] for i in rng.permutation(len(objects))[: self.settings.max_objects]]
        images = self._frames(name, truth, chosen)
        if images is None:
            return None
        return self._filmed(rng, images, truth, chosen, objects)

    def _followable(self, truth: Truth, chosen: list[int]) -> list[int]:
        """Objects that are annotated on all these frames and large enough on the first one."""
        least = self.settings.min_area * truth.height * truth.width
        return [
            number
            for number in truth.objects
            if truth.mask(number, chosen[0]).area >= max(1, least)
            and set(chosen) <= set(truth.annotated[number])
        ]

    def _frames(self, name: str, truth: Truth, chosen: list[int]) -> list[np.ndarray] | None:
        """Pictures at these positions, or None when one is bad."""
        place = self.videos.frames(name)
        if place is None:
            self._problems.add(name, "video has no frames")
            return None
        images = (
            self._of_file(place, name, chosen) if place.is_file() else self._of_folder(place, truth, chosen)
        )
        for position, image in zip(chosen, images, strict=True):
            if image is None:
                return None
            if image.shape[:2] != (truth.height, truth.width):
                found = f"{image.shape[1]}×{image.shape[0]}, not {truth.width}×{truth.height}"
                self._problems.add(
                    f"{name}/{truth.names[position]}", "mask has another size than its picture", found
                )
                return None
        return [image for image in images if image is not None]

    def _of_folder(self, folder: Path, truth: Truth, chosen: list[int]) -> list[np.ndarray | None]:
        files = pictures(folder)
        found: list[np.ndarray | None] = []
        for position in chosen:
            stem = truth.names[position]
            item = f"{truth.name}/{stem}"
            if stem not in files:
                self._problems.add(item, "picture is missing")
                found.append(None)
            else:
                found.append(read_picture(files[stem], item, self._problems))
        return found

    def _of_file(self, path: Path, name: str, chosen: list[int]) -> list[np.ndarray | None]:
        from masklet.video.file import VideoFile

        try:
            video = VideoFile(path)
            read = {position: video[position].image for position in sorted(chosen)}
        except (VideoError, IndexError) as error:
            self._problems.add(name, "video cannot be read", str(error))
            return [None] * len(chosen)
        return [read[position] for position in chosen]

    def _filmed(
        self,
        rng: np.random.Generator,
        images: list[np.ndarray],
        truth: Truth,
        chosen: list[int],
        objects: list[int],
    ) -> Clip | None:
        import cv2

        size = self.settings.size
        small = [cv2.resize(i, (size, size), interpolation=cv2.INTER_AREA) for i in images]
        frames: np.ndarray = np.stack(small)
        masks: np.ndarray = np.zeros((len(chosen), len(objects), size, size), bool)
        for t, position in enumerate(chosen):
            for o, number in enumerate(objects):
                whole = truth.mask(number, position).to_array().astype(np.float32)
                masks[t, o] = cv2.resize(whole, (size, size), interpolation=cv2.INTER_AREA) >= 0.5
        # A thin object may be gone at this size.
        masks = masks[:, masks[0].any(axis=(1, 2))]
        if not masks.shape[1]:
            return None
        if rng.random() < 0.5:
            frames, masks = frames[:, :, ::-1], masks[..., ::-1]
        frames = filmed(rng, np.ascontiguousarray(frames), self.settings.light)
        masks = np.ascontiguousarray(masks)
        return Clip(frames, masks, np.asarray(masks.any(axis=(2, 3))))


def _without_masks(videos: VideoSet) -> list[str]:
    """Videos of which only frames are on disk."""
    frames = videos.layout.frames
    if frames is None:
        return []
    found = {path.stem for path in frames.glob("*.mp4")}
    if frames != videos.layout.annotations:
        found |= {path.name for path in frames.iterdir() if path.is_dir()}
    return sorted(found - set(videos.names))
