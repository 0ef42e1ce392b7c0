"""Who plays in a clip: masks of a picture to follow, objects to cut out, their doubles and distractors."""

from __future__ import annotations

import numpy as np

from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool, LabelledImage
from masklet.data.sprites import Sprite, cut, is_whole, mirrored, recoloured, tidy
from masklet.types import Mask


def labelled_masks(
    rng: np.random.Generator, picture: LabelledImage, settings: ClipSettings
) -> list[np.ndarray]:
    """Masks of a picture that are large enough to follow, bool [H, W] each.

    A few more than wanted: the camera will not see all of them.
    """
    pixels = picture.image.shape[0] * picture.image.shape[1]
    usable = [m for m in picture.masks if settings.min_area * 0.7 <= m.area / pixels <= 0.75]
    wanted = min(len(usable), how_many(rng, settings) + 2)
    return [tidy(usable[int(i)].to_array()) for i in rng.permutation(len(usable))[:wanted]]


def how_many(rng: np.random.Generator, settings: ClipSettings) -> int:
    # several objects cost little more than one and teach to tell them apart
    return int(max(rng.integers(1, settings.max_objects + 1, 2)))


def nested(chosen: list[np.ndarray]) -> list[tuple[np.ndarray, list[np.ndarray]]]:
    """Masks that lie inside another one move with it: (the outer mask, all labels on it)."""
    order = sorted(chosen, key=lambda mask: -int(mask.sum()))
    groups: list[tuple[np.ndarray, list[np.ndarray]]] = []
    for mask in order:
        for outer, parts in groups:
            if int((mask & outer).sum()) > 0.7 * int(mask.sum()):
                parts.append(mask)
                break
        else:
            groups.append((mask, [mask]))
    return groups


def drawn_sprite(
    rng: np.random.Generator, settings: ClipSettings, picture: LabelledImage | None
) -> Sprite | None:
    """One object of the picture, sometimes with a part of it as the label instead of all of it."""
    if picture is None:
        return None
    pixels = picture.image.shape[0] * picture.image.shape[1]
    usable = [m for m in picture.masks if m.area >= max(400, 0.006 * pixels) and m.area <= 0.6 * pixels]
    if not usable:
        return None
    mask = tidy(usable[int(rng.integers(len(usable)))].to_array())
    whole = _around(rng, mask, usable) if rng.random() < settings.parts else mask
    if not is_whole(whole):
        return None
    sprite = cut(picture, whole, [mask], feather=rng.uniform(0.6, 1.4))
    return mirrored(sprite) if sprite is not None and rng.random() < 0.5 else sprite


def _around(rng: np.random.Generator, mask: np.ndarray, others: list[Mask]) -> np.ndarray:
    """A larger mask that this one is a part of, together with it; the mask itself where there is none."""
    area = int(mask.sum())
    found = []
    for other in others:
        if other.area > 1.2 * area:
            candidate = other.to_array()
            if int((candidate & mask).sum()) > 0.9 * area:
                found.append(candidate)
    return tidy(found[int(rng.integers(len(found)))] | mask) if found else mask


def with_doubles(
    rng: np.random.Generator, pool: ImagePool, settings: ClipSettings, sprites: list[Sprite]
) -> list[Sprite]:
    """The sprites and their distractors in random order, back to front."""
    result = list(sprites)
    if rng.random() < settings.look_alike:
        for _ in range(int(rng.integers(1, 3))):
            double = sprites[int(rng.integers(len(sprites)))].unlabelled()
            if rng.random() < 0.6:
                levels = np.arange(256, dtype=np.float32)[:, None]
                double = recoloured(double, levels * rng.uniform(0.75, 1.25, 3) + rng.uniform(-20, 20, 3))
            result.append(double)
    if rng.random() < settings.distractors:
        for _ in range(int(rng.integers(1, 4))):
            other = drawn_sprite(rng, settings, pool.draw(rng))
            if other is not None:
                result.append(other.unlabelled())
    rng.shuffle(result)  # type: ignore[arg-type]
    return result
