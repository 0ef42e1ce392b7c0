"""How objects come onto the stage and move on it."""

from __future__ import annotations

import math

import numpy as np

from masklet.data import elastic
from masklet.data.clips import ClipSettings
from masklet.data.layers import Layer
from masklet.data.motion import View, away, log_uniform, object_path, pose_matrix
from masklet.data.sprites import Sprite
from masklet.data.stage import Stage, shutter


def enter_anywhere(rng: np.random.Generator, settings: ClipSettings, stage: Stage, sprite: Sprite) -> None:
    """Put a sprite somewhere in the frame, small or large."""
    share = log_uniform(rng, *settings.object_size)
    # enlarging a picture more than about twice shows, and no film looks like that
    scale = min(share / math.sqrt(max(sprite.area, 1.0)), 2.2 / settings.size)
    half_w, half_h = 0.5 * scale * sprite.size[1], 0.5 * scale * sprite.size[0]
    room_x, room_y = stage.view.width / 2, stage.view.height / 2
    x, y = rng.uniform(-0.85, 0.85) * room_x, rng.uniform(-0.85, 0.85) * room_y
    if rng.random() < 0.75:
        # what its own picture cut off belongs outside this one
        left, top, right, bottom = sprite.touches
        inset = 0.22 * min(half_w, half_h)
        if bottom:
            y = room_y - half_h + inset
        elif top:
            y = -room_y + half_h - inset
        if left != right:
            x = room_x - half_w + inset if right else -room_x + half_w - inset
    enter(rng, settings, stage, sprite, (float(x), float(y)), scale, float(rng.normal(0, 0.1)))


def enter(
    rng: np.random.Generator,
    settings: ClipSettings,
    stage: Stage,
    sprite: Sprite,
    start: tuple[float, float],
    scale: float,
    turn: float,
) -> None:
    """Add a sprite as a layer with a motion of its own.

    start   view units, where its middle is on the first frame
    scale   view units a sprite pixel
    """
    length = scale * math.sqrt(max(sprite.area, 1.0))
    speed = min(stage.pace * log_uniform(rng, 0.015, 0.12), 0.33) * length
    motion = object_path(rng, stage.frames, speed, lively=min(1.0, 0.5 * stage.pace) * rng.random())
    gone = np.zeros(stage.frames)
    if sprite.labels.shape[2] and rng.random() < settings.leave:
        gone = away(rng, stage.frames)
    out_x, out_y = _way_out(rng, stage.view, start, 0.5 * scale * max(sprite.size))
    followed = rng.random() < 0.3  # the camera follows it: it stays while the picture moves
    matrices = np.empty((stage.frames, 3, 3))
    height, width = sprite.size
    to_middle = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1.0]])
    first = np.linalg.inv(stage.lens[0])
    for t in range(stage.frames):
        x = start[0] + motion.x[t] + gone[t] * (out_x - motion.x[t])
        y = start[1] + motion.y[t] + gone[t] * (out_y - motion.y[t])
        pose = pose_matrix(x, y, math.log(scale) + motion.scale[t], turn + motion.turn[t])
        carried = np.eye(3) if followed else stage.lens[t] @ first
        matrices[t] = stage.pixels @ carried @ pose @ to_middle
    labels = sprite.labels.shape[2]
    numbers = tuple(range(stage.objects, stage.objects + labels))
    stage.objects += labels
    stage.layers.append(
        Layer(
            sprite.premultiplied(),
            sprite.labels,
            numbers,
            matrices,
            _own_deformation(rng, settings, stage, sprite),
            shutter(rng, settings),
        )
    )


def _own_deformation(
    rng: np.random.Generator, settings: ClipSettings, stage: Stage, sprite: Sprite
) -> np.ndarray | None:
    if rng.random() >= settings.elastic:
        return None
    liveliness = min(1.5, 0.7 + 0.4 * stage.pace)
    bend = elastic.wobble(rng, stage.frames, sprite.size, liveliness * log_uniform(rng, 0.006, 0.035))
    if rng.random() < 0.5:
        bend = bend + elastic.sway(rng, stage.frames, sprite.size, liveliness * rng.uniform(0.01, 0.05))
    return bend


def _way_out(
    rng: np.random.Generator, view: View, start: tuple[float, float], reach: float
) -> tuple[float, float]:
    """Offset that takes something at `start` with radius `reach` out of the frame, mostly the near way."""
    exits = [
        (view.width / 2 + reach - start[0], 0.0),
        (-view.width / 2 - reach - start[0], 0.0),
        (0.0, view.height / 2 + reach - start[1]),
        (0.0, -view.height / 2 - reach - start[1]),
    ]
    lengths = np.array([math.hypot(*way) for way in exits])
    chances = 1 / np.maximum(lengths, 0.05) ** 2
    x, y = exits[int(rng.choice(4, p=chances / chances.sum()))]
    return 1.05 * x, 1.05 * y
