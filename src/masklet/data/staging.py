"""Staging a clip: which pictures, objects and obstacles play in it, and how each of them moves."""

from __future__ import annotations

import math

import numpy as np

from masklet.data import elastic
from masklet.data.casting import drawn_sprite, how_many, labelled_masks, nested, with_doubles
from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool, LabelledImage
from masklet.data.entering import enter, enter_anywhere
from masklet.data.layers import Layer
from masklet.data.motion import log_uniform
from masklet.data.obstacles import add_obstacles
from masklet.data.sprites import Sprite, cut, fill, is_whole, toned
from masklet.data.stage import Stage, backdrop, opened, shutter


def staged(rng: np.random.Generator, pool: ImagePool, settings: ClipSettings, frames: int) -> Stage | None:
    """A clip's layers, or None when the pictures drawn do not suit."""
    kind = rng.choice(["scene", "in_place", "pasted"], p=settings.kinds)
    if kind == "pasted":
        stage = _pasted(rng, pool, settings, frames)
    else:
        stage = _own_picture(rng, pool, settings, frames, lifted=kind == "in_place")
    if stage is None:
        return None
    add_obstacles(rng, pool, settings, stage)
    return stage


def _own_picture(
    rng: np.random.Generator, pool: ImagePool, settings: ClipSettings, frames: int, *, lifted: bool
) -> Stage | None:
    """Objects in their own picture.

    lifted   False: the picture bends and its objects with it, no edge is cut.
             True: objects are lifted out, the hole is filled, and they move over the picture.
    """
    picture = pool.draw(rng)
    if picture is None:
        return None
    chosen = labelled_masks(rng, picture, settings)
    if not chosen:
        return None
    stage = opened(rng, settings, frames, picture, focus=chosen[int(rng.integers(len(chosen)))])
    if lifted:
        return stage if _lift(rng, settings, stage, picture, chosen) else None
    _bend(rng, pool, settings, stage, picture, chosen)
    return stage


def _bend(
    rng: np.random.Generator,
    pool: ImagePool,
    settings: ClipSettings,
    stage: Stage,
    picture: LabelledImage,
    chosen: list[np.ndarray],
) -> None:
    size = picture.image.shape[:2]
    bend = elastic.wobble(rng, stage.frames, size, log_uniform(rng, 0.003, 0.02))
    for mask in chosen:
        if rng.random() < 0.85:
            bend = bend + elastic.body_motion(rng, stage.frames, mask, rng.uniform(0.04, 0.2))
    labels = np.stack([mask * np.uint8(255) for mask in chosen], axis=2)
    stage.layers.append(
        Layer(
            stage.base,
            labels,
            tuple(range(len(chosen))),
            stage.pixels @ stage.lens,
            bend,
            shutter(rng, settings),
        )
    )
    stage.objects = len(chosen)
    if rng.random() < settings.visitors:
        _visit(rng, pool, settings, stage, picture, chosen)


def _visit(
    rng: np.random.Generator,
    pool: ImagePool,
    settings: ClipSettings,
    stage: Stage,
    picture: LabelledImage,
    chosen: list[np.ndarray],
) -> None:
    """Something comes into a true scene: a copy of one of its objects, or an object of another picture."""
    for _ in range(int(rng.integers(1, 3))):
        if rng.random() < 0.5:
            mask = chosen[int(rng.integers(len(chosen)))]
            sprite = cut(picture, mask, [mask], feather=rng.uniform(0.6, 1.4)) if is_whole(mask) else None
        else:
            sprite = drawn_sprite(rng, settings, pool.draw(rng))
        if sprite is None:
            continue
        sprite = toned(sprite, stage.base, rng.uniform(0, 0.6))
        enter_anywhere(rng, settings, stage, sprite if rng.random() < 0.5 else sprite.unlabelled())


def _lift(
    rng: np.random.Generator,
    settings: ClipSettings,
    stage: Stage,
    picture: LabelledImage,
    chosen: list[np.ndarray],
) -> bool:
    sprites = []
    for whole, parts in nested(chosen):
        sprite = cut(picture, whole, parts, feather=rng.uniform(0.6, 1.1))
        if sprite is not None:
            sprites.append(sprite)
    if not sprites:
        return False
    hole = np.logical_or.reduce(chosen)
    if float(hole.mean()) > 0.5:
        return False
    stage.base = fill(picture.image, hole, rng)
    stage.layers.append(backdrop(rng, settings, stage))
    for sprite in sprites:
        height, width = sprite.size
        # the sprite's middle, where it stood in its picture, as the camera first sees it
        x, y = sprite.origin[0] + width / 2, sprite.origin[1] + height / 2
        start = stage.lens[0] @ np.array([x, y, 1.0])
        scale = float(np.linalg.norm(stage.lens[0][:2, 0]))
        turn = math.atan2(stage.lens[0][1, 0], stage.lens[0][0, 0])
        enter(rng, settings, stage, sprite, (float(start[0]), float(start[1])), scale, turn)
    return True


def _pasted(rng: np.random.Generator, pool: ImagePool, settings: ClipSettings, frames: int) -> Stage | None:
    """Objects of any pictures over another picture."""
    behind = pool.draw(rng)
    if behind is None:
        return None
    stage = opened(rng, settings, frames, behind, focus=None)
    stage.layers.append(backdrop(rng, settings, stage))
    sprites: list[Sprite] = []
    first = pool.draw(rng)
    for _ in range(how_many(rng, settings)):
        # objects of one clip are often of one kind: that is what makes telling them apart hard
        picture = first if rng.random() < 0.5 else pool.draw(rng)
        sprite = drawn_sprite(rng, settings, picture)
        if sprite is not None:
            sprites.append(sprite)
    if not sprites:
        return None
    tone = rng.uniform(0, 0.6)
    for sprite in with_doubles(rng, pool, settings, sprites):
        enter_anywhere(rng, settings, stage, toned(sprite, stage.base, tone))
    return stage
