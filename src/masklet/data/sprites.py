"""Objects cut out of pictures, and the hole filled that they leave."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from masklet.data.datasets import LabelledImage


@dataclass(frozen=True, eq=False)
class Sprite:
    """An object cut out of its picture.

    colour   uint8 [h, w, 3] RGB, not multiplied by alpha
    alpha    uint8 [h, w], soft along the edge
    labels   uint8 [h, w, K], 0 or 255: the object, or parts of it, to follow; empty for a distractor
    origin   x, y of the cut's corner in its picture
    touches  left, top, right, bottom: whether the picture's border cut the object off there
    group    the data set it came from
    """

    colour: np.ndarray
    alpha: np.ndarray
    labels: np.ndarray
    origin: tuple[int, int]
    touches: tuple[bool, bool, bool, bool]
    group: str

    @property
    def size(self) -> tuple[int, int]:
        """Height, width in pixels."""
        return int(self.alpha.shape[0]), int(self.alpha.shape[1])

    @property
    def area(self) -> float:
        """Pixels the object covers."""
        return float(self.alpha.sum()) / 255

    def premultiplied(self) -> np.ndarray:
        """uint8 [h, w, 4], as layers hold it."""
        colour = self.colour.astype(np.uint16) * self.alpha[..., None]
        return np.dstack([((colour + 127) // 255).astype(np.uint8), self.alpha])

    def unlabelled(self) -> Sprite:
        """The same, as a distractor."""
        return replace(self, labels=np.zeros((*self.size, 0), np.uint8))


def tidy(mask: np.ndarray, least: float = 0.02) -> np.ndarray:
    """Without specks: only connected parts of at least a share `least` of the largest. bool [H, W]."""
    import cv2

    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return (areas >= least * areas.max())[parts]


def is_whole(mask: np.ndarray) -> bool:
    """Whether a mask looks like one thing: not in pieces, and not a thin tangle."""
    import cv2

    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return False
    areas = stats[1:, cv2.CC_STAT_AREA]
    largest = int(areas.argmax())
    box = int(stats[1 + largest, cv2.CC_STAT_WIDTH]) * int(stats[1 + largest, cv2.CC_STAT_HEIGHT])
    return bool(areas[largest] >= 0.8 * areas.sum() and areas[largest] >= 0.2 * box)


def mirrored(sprite: Sprite) -> Sprite:
    """Left and right exchanged."""
    left, top, right, bottom = sprite.touches
    return replace(
        sprite,
        colour=np.ascontiguousarray(sprite.colour[:, ::-1]),
        alpha=np.ascontiguousarray(sprite.alpha[:, ::-1]),
        labels=np.ascontiguousarray(sprite.labels[:, ::-1]),
        touches=(right, top, left, bottom),
    )


def cut(
    picture: LabelledImage,
    mask: np.ndarray,
    labels: list[np.ndarray],
    *,
    feather: float,
    padding: float = 0.15,
) -> Sprite | None:
    """Cut an object out.

    mask      bool [H, W] at the picture's size
    labels    masks inside it to follow, bool [H, W] each; usually the mask itself
    feather   softness of the edge, pixels; the edge lies inside, so that no background comes along
    padding   room around the object for deformation, as a share of its side
    returns   None when the object is too thin to be cut (under 4 pixels)
    """
    import cv2

    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size < 4 or columns.size < 4:
        return None
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    room = round(padding * max(bottom - top, right - left)) + 3
    inner = mask[top:bottom, left:right].astype(np.uint8) * 255
    solid = cv2.copyMakeBorder(inner, room, room, room, room, cv2.BORDER_CONSTANT, value=0)
    blurred = cv2.GaussianBlur(solid, (0, 0), feather).astype(np.float32)
    # the upper half of the blurred step: 0 on the mask's edge, full about two feathers inside
    alpha = np.clip((blurred - 118) * (255 / 118), 0, 255).astype(np.uint8)
    if int((alpha >= 128).sum()) < 16:
        return None
    x0, y0 = left - room, top - room
    colour = _window(picture.image, x0, y0, solid.shape)
    shown = alpha >= 128
    parts = [_window(label, x0, y0, solid.shape, outside=False) & shown for label in labels]
    stacked = np.zeros((*solid.shape, len(parts)), np.uint8)
    for k, part in enumerate(parts):
        stacked[..., k] = part * np.uint8(255)
    touches = (left <= 1, top <= 1, right >= width - 1, bottom >= height - 1)
    return Sprite(colour, alpha, stacked, (x0, y0), touches, picture.group)


def _window(
    array: np.ndarray, x0: int, y0: int, shape: tuple[int, ...], *, outside: bool = True
) -> np.ndarray:
    """The part of a picture from (x0, y0); beyond its border the border is repeated, or False."""
    height, width = array.shape[:2]
    ys, xs = np.arange(y0, y0 + shape[0]), np.arange(x0, x0 + shape[1])
    result = array[np.clip(ys, 0, height - 1)][:, np.clip(xs, 0, width - 1)]
    if outside:
        return result
    within = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))[None]
    return result & within


def toned(sprite: Sprite, scene: np.ndarray, strength: float) -> Sprite:
    """Bring the sprite's brightness and contrast nearer to a scene's.

    strength   0 (as it is) to 1 (the scene's mean and spread in every channel)
    """
    inside = sprite.colour[sprite.alpha >= 128].astype(np.float32)
    around = scene[::4, ::4].reshape(-1, 3).astype(np.float32)
    mean, spread = inside.mean(axis=0), inside.std(axis=0) + 8
    wish_mean, wish_spread = around.mean(axis=0), around.std(axis=0) + 8
    new_mean = mean + strength * (wish_mean - mean)
    gain = np.clip((wish_spread / spread) ** strength, 0.6, 1.6)
    levels = np.arange(256, dtype=np.float32)[:, None]
    return recoloured(sprite, (levels - mean) * gain + new_mean)


def recoloured(sprite: Sprite, curve: np.ndarray) -> Sprite:
    """Apply a tone curve, [256, 3] values 0 to 255."""
    import cv2

    table = np.clip(curve, 0, 255).astype(np.uint8)[None]
    return replace(sprite, colour=cv2.LUT(sprite.colour, table))


def fill(image: np.ndarray, hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cover a hole with what lies around it: smooth colour from the rim, texture from beside the hole.

    image   uint8 [H, W, 3]
    hole    bool [H, W]
    """
    import cv2

    grown = cv2.dilate(hole.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    if grown.all() or not grown.any():
        return image
    smooth = _pull_push(image.astype(np.float32), ~grown)
    beside = _beside(image, grown, rng)
    detail = beside - cv2.GaussianBlur(beside, (0, 0), 12)
    patched = np.clip(smooth + detail, 0, 255)
    weight = cv2.GaussianBlur(grown.astype(np.float32), (0, 0), 2.0)[..., None]
    weight = np.maximum(weight, grown[..., None].astype(np.float32) * 0.999)
    return (image * (1 - weight) + patched * weight + 0.5).astype(np.uint8)


def _beside(image: np.ndarray, hole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture moved so that as little of the hole as possible falls into the hole, float32."""
    rows, columns = np.flatnonzero(hole.any(axis=1)), np.flatnonzero(hole.any(axis=0))
    far_x = int(columns[-1] - columns[0]) + 1
    far_y = int(rows[-1] - rows[0]) + 1
    choices = [(far_x, 0), (-far_x, 0), (0, far_y), (0, -far_y), (far_x, far_y), (-far_x, far_y)]
    rng.shuffle(choices)
    worst = [np.roll(hole, (dy, dx), (0, 1))[hole].mean() for dx, dy in choices]
    dx, dy = choices[int(np.argmin(worst))]
    return np.roll(image, (dy, dx), (0, 1)).astype(np.float32)


def _pull_push(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Unknown pixels from averages of ever larger surroundings, float32 [H, W, 3]."""
    import cv2

    if min(image.shape[:2]) <= 2 or known.all():
        weight = known.astype(np.float32)[..., None]
        mean = (image * weight).sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.where(known[..., None], image, mean).astype(np.float32)
    height, width = known.shape
    small = ((width + 1) // 2, (height + 1) // 2)
    weight = known.astype(np.float32)
    sums = cv2.resize(image * weight[..., None], small, interpolation=cv2.INTER_AREA)
    share = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    coarse = _pull_push(sums / np.maximum(share, 1e-6)[..., None], share > 1e-3)
    wide = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where(known[..., None], image, wide).astype(np.float32)
