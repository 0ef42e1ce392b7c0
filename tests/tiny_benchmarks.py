"""Tiny benchmarks on disk: moving squares whose true masks are known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fakes import FakeEngine, squares, truth
from masklet.predict.segmenter import Segmenter


def save_palette(path: Path, ids: np.ndarray) -> None:
    """Object ids as an indexed PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids.astype(np.uint8)).convert("P")
    picture.putdata(ids.ravel().tolist())
    picture.putpalette([v for k in range(256) for v in (k, 255 - k, 128)])
    picture.save(path)


def save_grey(path: Path, mask: np.ndarray) -> None:
    """One object, white on black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def ids_at(t: int, objects: Sequence[int], hidden: range = range(0)) -> np.ndarray:
    """Object ids [96, 128] of the squares video at frame t."""
    ids = np.zeros((96, 128), np.uint8)
    for object_id in objects:
        if not (object_id == 1 and t in hidden):
            ids[truth(t, object_id)] = object_id
    return ids


def make_davis(root: Path, frames: int = 8, hidden: range = range(0), **sequences: int) -> Path:
    """A DAVIS folder: sequence name → number of objects."""
    for name, objects in (sequences or {"two": 2}).items():
        for t, image in enumerate(squares(frames, objects, hidden=hidden)):
            place = root / "JPEGImages" / "480p" / name / f"{t:05d}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place)
            ids = ids_at(t, range(1, objects + 1), hidden)
            save_palette(root / "Annotations" / "480p" / name / f"{t:05d}.png", ids)
    return root


class Loader:
    """Opens the fake model, as a worker process would open a real one; notes for which worker."""

    def __init__(self) -> None:
        self.workers: list[int] = []
        self.engine = FakeEngine()

    def __call__(self, worker: int) -> Segmenter:
        self.workers.append(worker)
        return Segmenter(self.engine)
