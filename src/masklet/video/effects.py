"""Looks: what is done to the pixels of the objects and of what is behind them.

Lengths go by the frame's shorter side, so that a small preview looks like the full picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from masklet.errors import ConfigError
from masklet.types import Mask
from masklet.video.colours import colour as colour_of

KINDS = (
    "none",
    "erase",
    "blur",
    "pixelate",
    "grey",
    "colour",
    "gradient",
    "spotlight",
    "cutout",
    "outline",
)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
BLACK, WHITE, GREEN = (0, 0, 0), (255, 255, 255), (0, 255, 0)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Effect:
    """One effect.

    kind       one of KINDS
    strength   0 (hardly) to 1 (fully)
    colour     RGB; None takes what suits the kind
    colour2    the lower end of a gradient
    """

    kind: str = "none"
    strength: float = 0.5
    colour: Colour | None = None
    colour2: Colour | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"effect {self.kind!r} is unknown; there are {', '.join(KINDS)}")
        if not 0 <= self.strength <= 1:
            raise ConfigError(f"effect strength {self.strength:g} must lie between 0 and 1")


@dataclass(frozen=True)
class Look:
    """Effects of a whole picture.

    background   of every pixel that belongs to no object
    object       of the objects
    objects      object id → its own effect instead
    colours      object id → its colour; None or missing takes the usual one
    """

    background: Effect = field(default_factory=Effect)
    object: Effect = field(default_factory=Effect)
    objects: Mapping[int, Effect] = field(default_factory=dict)
    colours: Mapping[int, Colour] = field(default_factory=dict)


def rgb(text: str) -> Colour:
    """A colour from "#rrggbb"."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        raise ConfigError(f"colour {text!r} must look like #1e90ff")
    return (int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16))


def render(image: np.ndarray, masks: Mapping[int, Mask], look: Look) -> np.ndarray:
    """The picture with its effects, uint8 [H, W, 3]: the background first, then objects by rising id."""
    arrays = {i: mask.to_array() for i, mask in sorted(masks.items())}
    union = np.zeros(image.shape[:2], bool)
    for mask in arrays.values():
        union |= mask
    result = np.array(image)
    _background(result, image, union, look.background)
    for object_id, mask in arrays.items():
        effect = look.objects.get(object_id, look.object)
        own = look.colours.get(object_id) or colour_of(object_id)
        if mask.any():
            _object(result, image, mask, effect, own, union)
    return result


def _background(result: np.ndarray, image: np.ndarray, union: np.ndarray, effect: Effect) -> None:
    if effect.kind == "outline":
        grown = _grown(union, _line(image, effect))
        result[grown & ~union] = effect.colour or WHITE
    elif effect.kind == "spotlight":
        result[~union] = _u8(image[~union] * (1 - 0.9 * effect.strength))
    elif effect.kind in ("erase", "cutout"):
        result[~union] = effect.colour or (GREEN if effect.kind == "cutout" else BLACK)
    elif effect.kind != "none":
        result[~union] = _PLAIN[effect.kind](image, effect, effect.colour or BLACK)[~union]


def _object(
    result: np.ndarray, image: np.ndarray, mask: np.ndarray, effect: Effect, own: Colour, union: np.ndarray
) -> None:
    if effect.kind == "outline":
        inner = ~_grown(~mask, _line(image, effect))
        result[mask & ~inner] = effect.colour or own
    elif effect.kind == "spotlight":
        bright = image[mask].astype(np.float32)
        result[mask] = _u8(bright + (255 - bright) * 0.3 * effect.strength)
    elif effect.kind == "erase" and effect.colour is None:
        result[mask] = filled(result, union)[mask]
    elif effect.kind == "erase":
        result[mask] = effect.colour
    elif effect.kind not in ("none", "cutout"):
        result[mask] = _PLAIN[effect.kind](image, effect, effect.colour or own)[mask]


def _blur(image: np.ndarray, effect: Effect, _: Colour) -> np.ndarray:
    from PIL import Image, ImageFilter

    sigma = max(0.5, 0.06 * effect.strength * min(image.shape[:2]))
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(sigma)))


def _pixelate(image: np.ndarray, effect: Effect, _: Colour) -> np.ndarray:
    from PIL import Image

    side = max(2, round(0.12 * effect.strength * min(image.shape[:2])))
    blocks = np.asarray(Image.fromarray(image).reduce(side))
    return np.repeat(np.repeat(blocks, side, 0), side, 1)[: image.shape[0], : image.shape[1]]


def _grey(image: np.ndarray, effect: Effect, _: Colour) -> np.ndarray:
    luma = (image.astype(np.float32) @ LUMA)[..., None]
    return _mixed(image, luma, effect.strength)


def _colour(image: np.ndarray, effect: Effect, colour: Colour) -> np.ndarray:
    return _mixed(image, np.array(colour, np.float32), effect.strength)


def _gradient(image: np.ndarray, effect: Effect, colour: Colour) -> np.ndarray:
    upper, lower = np.array(colour, np.float32), np.array(effect.colour2 or WHITE, np.float32)
    down = np.linspace(0, 1, image.shape[0], dtype=np.float32)[:, None, None]
    return _mixed(image, upper + (lower - upper) * down, effect.strength)


_PLAIN: dict[str, Callable[[np.ndarray, Effect, Colour], np.ndarray]] = {
    "blur": _blur,
    "pixelate": _pixelate,
    "grey": _grey,
    "colour": _colour,
    "gradient": _gradient,
}


def filled(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """The picture with `hole` filled smoothly from its surroundings (push and pull over a pyramid)."""
    levels = [(image.astype(np.float32), (~hole).astype(np.float32)[..., None])]
    while min(levels[-1][0].shape[:2]) > 1 and not levels[-1][1].all():
        levels.append(_halved(*levels[-1]))
    colour = levels[-1][0]
    for finer, weight in reversed(levels[:-1]):
        from PIL import Image

        size = (finer.shape[1], finer.shape[0])
        coarse = np.asarray(Image.fromarray(_u8(colour)).resize(size, Image.Resampling.BILINEAR))
        colour = (finer * weight + coarse * (1 - weight)).astype(np.float32)
    return _u8(colour)


def _halved(colour: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Half the size; every pixel the weighted mean of the known ones below it, known if any of them is."""
    rows, columns = colour.shape[0] % 2, colour.shape[1] % 2
    pad = ((0, rows), (0, columns), (0, 0))
    sums, weights = np.pad(colour * weight, pad), np.pad(weight, pad)

    def four(a: np.ndarray) -> np.ndarray:
        return a[::2, ::2] + a[1::2, ::2] + a[::2, 1::2] + a[1::2, 1::2]

    total = four(weights)
    return four(sums) / np.maximum(total, 1e-6), np.minimum(total, 1)


def _grown(mask: np.ndarray, steps: int) -> np.ndarray:
    from scipy import ndimage

    return ndimage.binary_dilation(mask, iterations=steps)


def _line(image: np.ndarray, effect: Effect) -> int:
    return max(1, round(0.02 * effect.strength * min(image.shape[:2])))


def _mixed(image: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    return _u8(image * np.float32(1 - share) + other * np.float32(share))


def _u8(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
