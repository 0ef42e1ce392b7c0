"""Pictures and frames of videos without labels: what a student can learn from its teacher on."""

from __future__ import annotations

from pathlib import Path

from masklet.data.datasets import ImageSet, LabelledImage
from masklet.data.folders import PICTURES
from masklet.data.pictures import read_picture
from masklet.data.problems import Problems
from masklet.errors import DataError, VideoError

VIDEOS = frozenset({".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v"})
EVERY = 5
"""Frames from one that is used to the next: neighbours teach the same."""


def plain_sets(folder: str | Path) -> list[ImageSet]:
    """Every picture below a folder, and every few frames of the videos there.

    raises   DataError when the folder does not exist or holds neither
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give one with pictures or videos")
    sets: list[ImageSet] = [one for one in (PlainPictures(folder), PlainFrames(folder)) if len(one)]
    if not sets:
        raise DataError(f"{folder} holds no picture and no video")
    return sets


class PlainPictures:
    """Every picture below a folder, without objects; `problems` names those that cannot be read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.problems = Problems()
        self._files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, index: int) -> LabelledImage | None:
        """The picture, or None when it is bad (then it stands in `problems`)."""
        path = self._files[index]
        name = f"{self.name}/{path.relative_to(self.folder).as_posix()}"
        image = read_picture(path, name, self.problems)
        return None if image is None else LabelledImage(image, (), name, self.name)


class PlainFrames:
    """Every few frames of every video below a folder, without objects; `problems` names bad ones."""

    def __init__(self, folder: Path, every: int = EVERY) -> None:
        from masklet.video.file import VideoFile

        self.folder = folder
        self.name = folder.name
        self.problems = Problems()
        self._frames: list[tuple[Path, int]] = []
        for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in VIDEOS):
            try:
                self._frames += [(path, index) for index in range(0, len(VideoFile(path)), every)]
            except VideoError as error:
                self.problems.add(self._name(path), "video cannot be read", str(error))

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, index: int) -> LabelledImage | None:
        """The frame, or None when it is bad (then it stands in `problems`)."""
        from masklet.video.file import VideoFile

        path, frame = self._frames[index]
        name = f"{self._name(path)} frame {frame}"
        try:
            # Opened anew each time: what is open cannot be sent to a worker process.
            image = VideoFile(path)[frame].image
        except (VideoError, IndexError) as error:
            self.problems.add(name, "frame cannot be read", str(error))
            return None
        return LabelledImage(image, (), name, self.name)

    def _name(self, path: Path) -> str:
        return f"{self.name}/{path.relative_to(self.folder).as_posix()}"
