"""Things in front of everything: some pass by, some hide an object for a while."""

from __future__ import annotations

import math

import numpy as np

from masklet.data.casting import drawn_sprite
from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool
from masklet.data.entering import enter
from masklet.data.layers import Layer
from masklet.data.motion import log_uniform, pose_matrix
from masklet.data.occluders import occluder
from masklet.data.sprites import Sprite
from masklet.data.stage import Stage, shutter


def add_obstacles(rng: np.random.Generator, pool: ImagePool, settings: ClipSettings, stage: Stage) -> None:
    """Things in front of everything: some pass anywhere, some hide a labelled object for a moment."""
    if rng.random() < settings.obstacles:
        for _ in range(int(rng.integers(1, 3))):
            thing = _obstacle(rng, pool, settings)
            if thing is not None:
                share = log_uniform(rng, 0.08, 0.3)
                _pass_by(rng, settings, stage, thing, share)
    if stage.frames > 1 and rng.random() < settings.cover:
        thing = _obstacle(rng, pool, settings)
        if thing is not None:
            _cover(rng, settings, stage, thing)


def _obstacle(rng: np.random.Generator, pool: ImagePool, settings: ClipSettings) -> Sprite | None:
    picture = pool.draw(rng)
    if picture is None:
        return None
    if rng.random() < 0.45:
        found = drawn_sprite(rng, settings, picture)
        if found is not None:
            return found.unlabelled()
    return occluder(rng, picture.image)


def _pass_by(
    rng: np.random.Generator, settings: ClipSettings, stage: Stage, thing: Sprite, share: float
) -> None:
    scale = share / math.sqrt(max(thing.area, 1.0))
    x = rng.uniform(-0.6, 0.6) * stage.view.width
    y = rng.uniform(-0.6, 0.6) * stage.view.height
    enter(rng, settings, stage, thing, (float(x), float(y)), scale, float(rng.normal(0, 0.4)))


def _cover(rng: np.random.Generator, settings: ClipSettings, stage: Stage, thing: Sprite) -> None:
    """An obstacle larger than a labelled object crosses its way."""
    carriers = [layer for layer in stage.layers if layer.objects]
    layer = carriers[int(rng.integers(len(carriers)))]
    label = layer.labels[..., int(rng.integers(len(layer.objects)))]
    rows, columns = np.nonzero(label)
    if not rows.size:
        return
    to_view = np.linalg.inv(stage.pixels)
    box = np.array(
        [
            [columns.min(), columns.max(), columns.min(), columns.max()],
            [rows.min(), rows.min(), rows.max(), rows.max()],
            [1.0] * 4,
        ]
    )
    corners = np.stack([(to_view @ matrix @ box)[:2] for matrix in layer.matrices])  # [T, 2, 4]
    middle = corners.mean(axis=2)  # [T, 2]
    extent = np.ptp(corners, axis=2).max(axis=0)  # width, height in view units
    when = int(rng.integers(1, stage.frames))
    height, width = thing.size
    solid = 0.72  # of a shape's box, at least this share of each side is filled in the middle
    scale = float(max(extent[0] / (solid * width), extent[1] / (solid * height)) * rng.uniform(0.75, 1.4))
    if scale * max(height, width) > 3.0:
        return
    angle = rng.uniform(0, 2 * math.pi)
    need = 0.5 * (scale * max(height, width) + float(extent.max()))
    speed = need * rng.uniform(0.8, 1.3) / when
    t = np.arange(stage.frames)
    x = middle[when, 0] + speed * math.cos(angle) * (t - when)
    y = middle[when, 1] + speed * math.sin(angle) * (t - when)
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    turn = float(rng.normal(0, 0.1))
    matrices = np.stack(
        [
            stage.pixels @ pose_matrix(float(x[i]), float(y[i]), math.log(scale), turn) @ to_middle
            for i in range(stage.frames)
        ]
    )
    stage.layers.append(
        Layer(thing.premultiplied(), thing.labels, (), matrices, None, shutter(rng, settings))
    )
