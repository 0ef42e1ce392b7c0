"""An annotation project with people, two videos and masklets that wait: for the server and its page."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from fakes import squares, truth
from masklet.annotate import journal, masklets
from masklet.annotate.masklets import Kept
from masklet.annotate.project import Project
from masklet.types import Mask
from studio_kit import film

FRAMES, HEIGHT, WIDTH = 16, 192, 256
DOUBTS = {"walk": (0.1, 0.9), "stills": (0.5,)}
"""Video → doubt of each masklet. `walk` is a file, `stills` a folder of pictures."""
ORDER = (2, 3, 1)
"""The masklets' numbers, what is doubted most first."""


def make_project(folder: Path) -> Path:
    """ann draws (she drew masklet 3), rita and rolf review, boss does both. Returns the project's folder."""
    images = squares(FRAMES, 2, HEIGHT, WIDTH)
    film(folder / "walk.mp4", images)
    (folder / "stills").mkdir()
    for t, image in enumerate(images):
        Image.fromarray(image).save(folder / "stills" / f"{t:05d}.png")
    with Project.create(folder / "birds", model="fake") as project:
        for name, role in {
            "ann": "annotator",
            "rita": "reviewer",
            "rolf": "reviewer",
            "boss": "admin",
        }.items():
            project.add_person(name, role)
        for path in (folder / "walk.mp4", folder / "stills"):
            project.add_video(path)
        for video, doubts in DOUBTS.items():
            for number, doubt in enumerate(doubts, 1):
                masklets.add(
                    project,
                    video,
                    origin="automatic",
                    status="submitted",
                    doubt=doubt,
                    masks=true_masks(number),
                )
        journal.record(project, "prompt", masklet=3, person=1, frame=0, seconds=4.0, clicks=1)
        journal.record(project, "submit", masklet=3, person=1, seconds=2.0)
    return folder / "birds"


def true_masks(number: int) -> dict[int, Kept]:
    """True masks; on frames 9 and 10 the model doubts, on the last the object is gone."""
    kept = {}
    for t in range(FRAMES):
        array = truth(t, number, HEIGHT, WIDTH)
        if t == FRAMES - 1:
            array[:] = False
        iou = 0.3 if t in (9, 10) else 0.9
        kept[t] = Kept(Mask.from_array(array), iou, -4.0 if t == FRAMES - 1 else 4.0, t == 0)
    return kept
