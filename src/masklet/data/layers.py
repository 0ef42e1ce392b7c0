"""Layers of a clip and how they are put on top of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class Layer:
    """A picture, moving.

    pixels      uint8 [h, w, 4] RGB with alpha, colours already multiplied by alpha;
                [h, w, 3] for a base that covers everything
    labels      uint8 [h, w, K], 0 or 255: masks of the labelled objects on this layer; K may be 0
    objects     K numbers: which object of the clip each mask is
    matrices    float64 [T, 3, 3], layer pixels → output pixels
    field       float32 [T, G, G, 2] displacement in layer pixels (see `elastic`), or None
    blur        motion blur: the share of the way to the next frame that the shutter is open, 0 to 1
    """

    pixels: np.ndarray
    labels: np.ndarray
    objects: tuple[int, ...]
    matrices: np.ndarray
    field: np.ndarray | None = None
    blur: float = 0.0

    @property
    def frames(self) -> int:
        return int(self.matrices.shape[0])

    @property
    def size(self) -> tuple[int, int]:
        """Height, width in pixels."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @property
    def is_base(self) -> bool:
        return int(self.pixels.shape[2]) == 3


def fitted(layer: Layer) -> Layer:
    """The same layer with its pixels reduced to what is shown, so that shrinking does not alias."""
    import cv2

    shown = max(_factor(matrix) for matrix in layer.matrices)
    if shown > 0.75:
        return layer
    height, width = layer.size
    factor = max(shown * 1.2, 4 / min(height, width))
    if factor >= 1:
        return layer
    new_w, new_h = max(4, round(width * factor)), max(4, round(height * factor))
    sx, sy = width / new_w, height / new_h
    # pixel centres: old = (new + 0.5) * s - 0.5
    to_old = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5], [0, 0, 1]])
    pixels = cv2.resize(layer.pixels, (new_w, new_h), interpolation=cv2.INTER_AREA)
    labels = layer.labels
    smaller = np.zeros((new_h, new_w, labels.shape[2]), np.uint8)
    for k in range(labels.shape[2]):
        smaller[..., k] = cv2.resize(labels[..., k], (new_w, new_h), interpolation=cv2.INTER_AREA)
    field = layer.field
    if field is not None:
        field = field / np.array([sx, sy], np.float32)
    return replace(layer, pixels=pixels, labels=smaller, matrices=layer.matrices @ to_old, field=field)


def compose(layers: list[Layer], size: int, objects: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the layers, first at the back.

    layers    the first one must be a base
    objects   number of labelled objects O in the clip
    returns   frames uint8 [T, S, S, 3]; masks bool [T, O, S, S], what is seen of every object;
              whole int [T, O], pixels of every object in the frame were nothing in front of it
    """
    frames = layers[0].frames
    pictures = np.empty((frames, size, size, 3), np.uint8)
    masks = np.zeros((frames, objects, size, size), bool)
    whole = np.zeros((frames, objects), np.int64)
    layers = [fitted(layer) for layer in layers]
    for t in range(frames):
        canvas: np.ndarray | None = None
        for layer in layers:
            drawn = _draw(layer, t, size)
            if drawn is None:
                continue
            x0, y0, x1, y1 = drawn.window
            if canvas is None:
                canvas = drawn.pixels
            else:
                under = canvas[y0:y1, x0:x1]
                keep = 255 - drawn.pixels[..., 3:].astype(np.uint16)
                mixed = (under * keep + 127) // 255 + drawn.pixels[..., :3]
                canvas[y0:y1, x0:x1] = np.minimum(mixed, 255).astype(np.uint8)
                masks[t, :, y0:y1, x0:x1] &= ~drawn.solid
            for k, number in enumerate(layer.objects):
                found = drawn.labels[..., k] >= 128
                whole[t, number] = int(found.sum())
                masks[t, number, y0:y1, x0:x1] |= found
        assert canvas is not None
        pictures[t] = canvas
    return pictures, masks, whole


@dataclass(frozen=True, eq=False)
class _Drawn:
    window: tuple[int, int, int, int]
    pixels: np.ndarray
    labels: np.ndarray
    solid: np.ndarray


def _draw(layer: Layer, t: int, size: int) -> _Drawn | None:
    """One layer on one frame, only where it may be seen; None when that is nowhere."""
    import cv2

    window = (0, 0, size, size) if layer.is_base else _window(layer, t, size)
    if window is None:
        return None
    border = cv2.BORDER_REFLECT_101 if layer.is_base else cv2.BORDER_CONSTANT
    map_x, map_y = _sampling(layer, t, window)
    pixels = cv2.remap(layer.pixels, map_x, map_y, cv2.INTER_LINEAR, borderMode=border)
    labels = np.zeros((*map_x.shape, len(layer.objects)), np.uint8)
    for k in range(len(layer.objects)):
        labels[..., k] = cv2.remap(layer.labels[..., k], map_x, map_y, cv2.INTER_LINEAR)
    solid = np.zeros(map_x.shape, bool) if layer.is_base else pixels[..., 3] >= 128
    trail = _trail(layer, t)
    if trail is not None:
        pixels = cv2.filter2D(pixels, -1, trail, borderType=border)
    return _Drawn(window, pixels, labels, solid)


def _window(layer: Layer, t: int, size: int) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the output that the layer reaches on frame t, or None."""
    height, width = layer.size
    corners = np.array([[-1, -1, 1], [width, -1, 1], [-1, height, 1], [width, height, 1]]).T
    x, y = (layer.matrices[t] @ corners)[:2]
    spread = 2.0 + layer.blur * _travel(layer, t)[0]
    x0, y0 = max(0, math.floor(x.min() - spread)), max(0, math.floor(y.min() - spread))
    x1, y1 = min(size, math.ceil(x.max() + spread) + 1), min(size, math.ceil(y.max() + spread) + 1)
    return (x0, y0, x1, y1) if x1 - x0 >= 2 and y1 - y0 >= 2 else None


def _sampling(layer: Layer, t: int, window: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """For every pixel of the window, where in the layer it comes from: two float32 [h, w]."""
    import cv2

    x0, y0, x1, y1 = window
    back = np.linalg.inv(layer.matrices[t])
    xs, ys = np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32)[:, None]
    a = back.astype(np.float32)
    map_x = (a[0, 0] * xs + a[0, 2])[None] + a[0, 1] * ys
    map_y = (a[1, 0] * xs + a[1, 2])[None] + a[1, 1] * ys
    if layer.field is not None:
        field = layer.field[t]
        grid_h, grid_w = field.shape[:2]
        height, width = layer.size
        to_grid = np.diag([grid_w / width, grid_h / height, 1.0]) @ back @ _shift(x0, y0)
        moved = cv2.warpAffine(
            field,
            to_grid[:2],
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        map_x, map_y = map_x + moved[..., 0], map_y + moved[..., 1]
    return map_x, map_y


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0, x], [0, 1.0, y], [0, 0, 1.0]])


def _factor(matrix: np.ndarray) -> float:
    """How many output pixels a layer pixel is wide, the larger way."""
    return float(np.linalg.norm(matrix[:2, :2], ord=2))


def _travel(layer: Layer, t: int) -> tuple[float, float, float]:
    """How far the layer's middle moves to the next frame (or from the last): length, dx, dy in pixels."""
    if layer.frames < 2:
        return 0.0, 0.0, 0.0
    height, width = layer.size
    middle = np.array([width / 2, height / 2, 1.0])
    a, b = (t, t + 1) if t + 1 < layer.frames else (t - 1, t)
    dx, dy = (layer.matrices[b] @ middle - layer.matrices[a] @ middle)[:2]
    return float(math.hypot(dx, dy)), float(dx), float(dy)


def _trail(layer: Layer, t: int) -> np.ndarray | None:
    """The motion blur's kernel, float32 [k, k], or None when it would not be seen."""
    import cv2

    length, dx, dy = _travel(layer, t)
    length *= layer.blur
    if length < 1.5:
        return None
    longest = 25.0
    shorten = min(1.0, longest / length)
    reach_x, reach_y = (0.5 * layer.blur * shorten * d for d in (dx, dy))
    half = math.ceil(max(abs(reach_x), abs(reach_y))) + 1
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.float32)
    ends = [(round((half + sign * reach_x) * 16), round((half + sign * reach_y) * 16)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    total = float(kernel.sum())
    return kernel / total if total > 0 else None
