"""The stage of a clip: its virtual frame, the picture behind everything, the camera on it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from masklet.data import elastic
from masklet.data.clips import ClipSettings
from masklet.data.datasets import LabelledImage
from masklet.data.layers import Layer
from masklet.data.motion import View, camera, log_uniform

SHAPES = ((16 / 9, 0.45), (4 / 3, 0.2), (1.0, 0.15), (3 / 4, 0.1), (9 / 16, 0.1))
"""Aspect ratios of the virtual frame and how often each is used: most films are wide."""


@dataclass
class Stage:
    """A clip being put together.

    view      the virtual frame
    frames    T
    base      the picture behind everything, uint8 [H, W, 3]
    lens      float64 [T, 3, 3], pixels of the base picture → view units
    layers    back to front
    objects   how many labelled objects there are
    pace      how fast things move in this clip: 1 is ordinary
    """

    view: View
    frames: int
    base: np.ndarray
    lens: np.ndarray
    layers: list[Layer] = field(default_factory=list)
    objects: int = 0
    pace: float = 1.0

    @property
    def pixels(self) -> np.ndarray:
        return self.view.to_pixels()


def opened(
    rng: np.random.Generator,
    settings: ClipSettings,
    frames: int,
    picture: LabelledImage,
    focus: np.ndarray | None,
) -> Stage:
    """A stage with a camera on the picture; `focus` is a mask bool [H, W] to have in the first frame."""
    height, width = picture.image.shape[:2]
    aspects = np.array([shape for shape, _ in SHAPES])
    if focus is not None and rng.random() < 0.6:
        # objects of a portrait picture would fill a wide frame
        aspect = float(aspects[np.argmin(np.abs(np.log(aspects) - math.log(width / height)))])
    else:
        aspect = float(rng.choice(aspects, p=[share for _, share in SHAPES]))
    view = View(settings.size, aspect)
    pace = log_uniform(rng, 2.0, 5.0) if rng.random() < settings.fast else log_uniform(rng, 0.3, 1.8)
    zoom, place = log_uniform(rng, 1.0, 1.9), None
    if focus is not None:
        rows, columns = np.nonzero(focus)
        place = (float(columns.mean()), float(rows.mean()))
        fit = max(view.width / width, view.height / height)
        extent = max(
            np.ptp(columns) * fit / view.width,
            np.ptp(rows) * fit / view.height,
        )
        zoom = max(1.0, min(log_uniform(rng, 1.0, 2.6), rng.uniform(0.6, 0.95) / max(extent, 0.02)))
    still = rng.random() < settings.still
    lens = camera(
        rng,
        frames,
        view,
        (height, width),
        focus=place,
        speed=0.001 if still else pace * log_uniform(rng, 0.006, 0.045),
        zoom=zoom,
        shake=log_uniform(rng, 0.002, 0.012) if rng.random() < settings.shake else 0.0,
    ).matrices
    return Stage(view, frames, picture.image, lens, pace=pace)


def backdrop(rng: np.random.Generator, settings: ClipSettings, stage: Stage) -> Layer:
    height, width = stage.base.shape[:2]
    bend = None
    if rng.random() < 0.5:
        bend = elastic.wobble(rng, stage.frames, (height, width), log_uniform(rng, 0.002, 0.01))
    return Layer(
        stage.base,
        np.zeros((height, width, 0), np.uint8),
        (),
        stage.pixels @ stage.lens,
        bend,
        shutter(rng, settings),
    )


def shutter(rng: np.random.Generator, settings: ClipSettings) -> float:
    return float(rng.uniform(0.15, 0.6)) if rng.random() < settings.motion_blur else 0.0
