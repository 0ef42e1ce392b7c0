"""Masks and prompts painted over a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from masklet.errors import MaskError
from masklet.types import Mask, Prompt
from masklet.video.colours import colour

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WHITE, GREEN, RED = (255, 255, 255), (40, 200, 80), (230, 50, 50)


def draw(
    image: np.ndarray,
    masks: Mapping[int, Mask | np.ndarray],
    *,
    opacity: float = 0.45,
    outline: int = 2,
    labels: bool = False,
    prompts: Mapping[int, Prompt] | None = None,
) -> np.ndarray:
    """A new picture with every object tinted in its colour and outlined.

    image     uint8 [H, W, 3] RGB, left as it is
    masks     object id → mask of the picture's size; MaskError when another size
    opacity   of the tint, 0 (none) to 1 (solid)
    outline   width of the outline in pixels, inside the object; 0 for none
    labels    write the object id on each object
    prompts   object id → what the user gave on this frame: green and red dots, a box
    """
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image)
    boxes = {}
    for object_id, mask in masks.items():
        mask = mask if isinstance(mask, Mask) else Mask.from_array(mask)
        if (mask.height, mask.width) != image.shape[:2]:
            raise MaskError(
                f"mask of object {object_id} is {mask.width}×{mask.height} but the picture is "
                f"{image.shape[1]}×{image.shape[0]}"
            )
        box = mask.box
        if box is not None:
            boxes[object_id] = box
            _paint(canvas, mask.crop(box), box, colour(object_id), opacity, outline)
    if labels or prompts:
        pen = ImageDraw.Draw(canvas)
        scale = max(image.shape[:2]) / 640
        for object_id, prompt in (prompts or {}).items():
            _mark(pen, prompt, colour(object_id), scale)
        for object_id, box in boxes.items() if labels else ():
            _label(pen, str(object_id), box, colour(object_id), scale)
    return np.array(canvas)


def _paint(
    canvas: Image,
    mask: np.ndarray,
    box: tuple[int, int, int, int],
    tint: tuple[int, int, int],
    opacity: float,
    outline: int,
) -> None:
    from PIL import Image

    """`mask` is what lies in the box, which the object fills from side to side."""
    alpha = np.where(mask, np.uint8(round(255 * opacity)), np.uint8(0))
    if outline > 0:
        # Beside the box is background, except where the picture ends: its border is no edge.
        x0, y0, x1, y1 = box
        ends = ((y0 == 0, y1 == canvas.height), (x0 == 0, x1 == canvas.width))
        pads = [[(0 if end else 1) for end in pair] for pair in ends]
        edge = _edge(np.pad(mask, pads), outline)
        rows, columns = (slice(a, size + a) for (a, _), size in zip(pads, mask.shape, strict=True))
        alpha[edge[rows, columns]] = 255
    canvas.paste(tint, box, Image.fromarray(alpha))


def _edge(mask: np.ndarray, width: int) -> np.ndarray:
    """Object pixels within `width` steps of the background (steps along rows and columns)."""
    inner = mask
    for _ in range(width):
        shrunk = inner.copy()
        shrunk[1:] &= inner[:-1]
        shrunk[:-1] &= inner[1:]
        shrunk[:, 1:] &= inner[:, :-1]
        shrunk[:, :-1] &= inner[:, 1:]
        inner = shrunk
    return mask & ~inner


def _mark(pen: ImageDraw, prompt: Prompt, tint: tuple[int, int, int], scale: float) -> None:
    width = max(1, round(2 * scale))
    if prompt.box is not None:
        pen.rectangle(prompt.box.corners, outline=tint, width=width)
    radius = max(3.0, 5 * scale)
    for click in prompt.clicks:
        around = (click.x - radius, click.y - radius, click.x + radius, click.y + radius)
        pen.ellipse(around, fill=GREEN if click.positive else RED, outline=WHITE, width=width)


def _label(
    pen: ImageDraw, text: str, box: tuple[int, int, int, int], tint: tuple[int, int, int], scale: float
) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(max(10, round(13 * scale)))
    place = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    left, top, right, bottom = pen.textbbox(place, text, font=font, anchor="mm")
    margin = max(2, round(3 * scale))
    plate = (left - margin, top - margin, right + margin, bottom + margin)
    pen.rounded_rectangle(plate, radius=margin, fill=tint)
    dark = tint[0] * 0.299 + tint[1] * 0.587 + tint[2] * 0.114 < 140
    pen.text(place, text, font=font, anchor="mm", fill=WHITE if dark else (0, 0, 0))
