"""What was verified, as a set of videos with true masks: for training and for measuring."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from masklet.annotate.formats.labels import VideoLabels
from masklet.annotate.project import Project
from masklet.annotate.transfer import project_labels
from masklet.errors import ProjectError, UnknownObjectError
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.readers.folders import Layout, pictures
from masklet.evaluate.readers.truth import YOUTUBE, Truth


class Verified(VideoSet):
    """The satisfactory masklets of some videos. Read once, when it is made."""

    def __init__(self, project: Project, names: Iterable[str]) -> None:
        chosen = set(names)
        labels = [one for one in project_labels(project, ("satisfactory",)) if one.name in chosen]
        places = {video.name: Path(video.path) for video in project.videos()}
        truths = {one.name: truth for one in labels if (truth := truth_of(one, places[one.name])) is not None}
        root = project.folder
        super().__init__("project", Layout(root, root, root), tuple(truths), YOUTUBE)
        # The base is frozen: its fields are its identity, these are what they stand for.
        object.__setattr__(self, "_truths", truths)
        object.__setattr__(self, "_places", places)

    def truth(self, name: str) -> Truth:
        found: dict[str, Truth] = self.__dict__["_truths"]
        if name not in found:
            raise UnknownObjectError(f"video {name} has no verified masklet")
        return found[name]

    def frames(self, name: str) -> Path | None:
        place: Path = self.__dict__["_places"][name]
        if not place.exists():
            raise ProjectError(f"video {name} is not at {place} any more; put it back")
        return place


def truth_of(labels: VideoLabels, place: Path) -> Truth | None:
    """Verified labels as truth; None when no object of the video is ever seen.

    place   of the frames: a folder's files give the frames their names
    """
    masks = {
        number: {t: mask for t, mask in one.masks.items() if not mask.is_empty}
        for number, one in labels.masklets.items()
    }
    seen = {number: found for number, found in masks.items() if found}
    if not seen:
        return None
    names = tuple(pictures(place)) if place.is_dir() else tuple(f"{t:05d}" for t in range(labels.frames))
    return Truth(
        name=labels.name,
        height=labels.height,
        width=labels.width,
        names=names,
        masks=seen,
        annotated={number: tuple(sorted(labels.masklets[number].masks)) for number in seen},
        categories={number: labels.masklets[number].category for number in seen},
    )
