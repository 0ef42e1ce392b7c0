"""What batch workers of the tests open: the fake model, which some pictures kill, hang or report to.

The colour of a frame's first pixel says what happens when the frame is encoded.
"""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fakes import FakeEngine, inside, squares
from masklet.batch.job import ModelSpec
from masklet.errors import CheckpointError
from masklet.predict.segmenter import Segmenter

KILLS, HANGS, KILLS_ONCE, WAITS, BREAKS = (9, 0, 0), (0, 9, 0), (0, 0, 9), (9, 9, 0), (9, 0, 9)
"""KILLS_ONCE: the first time, as far as the folder FAKE_BATCH knows; WAITS until FAKE_BATCH/go is there."""


SPEC = ModelSpec(loader="fakes_batch:load")


class MoodyEngine(FakeEngine):
    """Does to its process what the picture says; counts encoded pictures in files of FAKE_BATCH."""

    def encode_image(self, image: np.ndarray) -> np.ndarray:
        mood = tuple(int(v) for v in image[0, 0])
        folder = Path(os.environ["FAKE_BATCH"])
        with (folder / f"encoded-{os.getpid()}").open("a") as file:
            file.write(".")
        if mood == KILLS or (mood == KILLS_ONCE and not (folder / "killed").exists()):
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if mood == BREAKS:
            raise ZeroDivisionError("by a picture")
        if mood == HANGS:
            time.sleep(3600)
        if mood == WAITS:
            (folder / f"waiting-{os.getpid()}").touch()
            while not (folder / "go").exists():
                time.sleep(0.02)
        return super().encode_image(image)


def load(name: str, *, device: str | None = None, input_size: int | None = None) -> Segmenter:
    if name == "lost":
        raise CheckpointError("no model is called lost")
    return Segmenter(MoodyEngine(input_size or 128))


def film(folder: Path, frames: int = 10, objects: int = 1, moods: dict[int, Any] | None = None) -> Path:
    """A folder of pictures: squares that move, and at some frames a mood."""
    folder.mkdir(parents=True)
    for t, image in enumerate(squares(frames, objects)):
        if moods and t in moods:
            image[0, 0] = moods[t]
        Image.fromarray(image).save(folder / f"{t:04}.png")
    return folder


def row(video: Path | str, frame: int = 0, objects: int = 1, **more: Any) -> dict[str, Any]:
    """A row that clicks on every square of a frame."""
    prompts = [
        {"object": i, "frame": frame, "clicks": [list(inside(frame, i))]} for i in range(1, objects + 1)
    ]
    return {"video": str(video), "prompts": prompts, **more}


def manifest(path: Path, *rows: Any) -> Path:
    """Rows as JSON lines; a string stands as it is."""
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows))
    return path


def encoded(folder: Path) -> int:
    """How many pictures all workers have encoded."""
    return sum(path.stat().st_size for path in folder.glob("encoded-*"))
