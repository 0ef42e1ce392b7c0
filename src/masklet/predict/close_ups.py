"""Close-ups of a picture around what was found in it: where they lie, and how answers go in and come back.

Numbers alone; `closer` looks at them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from masklet.types import Box, Prompt

WIDER = 1.9
"""A close-up's side is at least so many times the object's longer one."""

LARGEST = 2.5
"""A close-up is shown at most so many times its own size: beyond, it is blur that the model sees larger."""

MOST = 0.7
"""Share of the picture above which a close-up shows hardly more than the picture does."""

STEPS = 8
"""Close-ups lie at multiples of their side by this, so that answers that differ little share one."""


@dataclass(frozen=True)
class CloseUp:
    """A part of a picture: columns left to right, rows top to bottom, in pixels, ends left out."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def cut(self, image: np.ndarray) -> np.ndarray:
        """[H, W, …] → what lies in it, a copy."""
        return np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])


def close_up_for(
    found: tuple[float, float, float, float], prompt: Prompt, width: int, height: int, input_size: int
) -> CloseUp | None:
    """The close-up for an answer and its prompt; None where a closer look is hardly closer.

    A picture no larger than what the model sees of it has no detail to show.

    found         x0, y0, x1, y1 of the answer in pixels, ends left out
    input_size    side at which the model sees any picture
    """
    if max(width, height) <= input_size:
        return None
    x0, y0, x1, y1 = found
    corners = [(click.x, click.y) for click in prompt.clicks if click.positive]
    if prompt.box is not None:
        bx0, by0, bx1, by1 = prompt.box.corners
        corners += [(bx0, by0), (bx1, by1)]
    x0, x1 = min([x0, *(x for x, _ in corners)]), max([x1, *(x for x, _ in corners)])
    y0, y1 = min([y0, *(y for _, y in corners)]), max([y1, *(y for _, y in corners)])
    side = max(WIDER * max(x1 - x0, y1 - y0), input_size / LARGEST)
    side = 2.0 ** (math.ceil(2 * math.log2(side)) / 2)  # few sizes: √2 apart
    left, right = _span((x0 + x1) / 2, side, width)
    top, bottom = _span((y0 + y1) / 2, side, height)
    part = CloseUp(left, top, right, bottom)
    return part if part.width * part.height <= MOST * width * height else None


def _span(middle: float, side: float, whole: int) -> tuple[int, int]:
    side = min(float(whole), side)
    step = side / STEPS
    start = min(max(0.0, round((middle - side / 2) / step) * step), whole - side)
    return math.floor(start), math.ceil(start + side)


def prompt_in(prompt: Prompt, part: CloseUp) -> Prompt | None:
    """The prompt as the close-up has it, without clicks outside of it; None when nothing is left."""
    clicks = tuple(
        replace(click, x=click.x - part.left, y=click.y - part.top)
        for click in prompt.clicks
        if part.left <= click.x < part.right and part.top <= click.y < part.bottom
    )
    box = None
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box.corners
        box = Box(
            max(0.0, x0 - part.left),
            max(0.0, y0 - part.top),
            min(float(part.width), x1 - part.left),
            min(float(part.height), y1 - part.top),
        )
    return Prompt(clicks, box) if clicks or box is not None else None


def logits_in(logits: np.ndarray, part: CloseUp, width: int, height: int) -> np.ndarray:
    """A picture's logits float32 [h, h] as the close-up's, of the same shape."""
    side = len(logits)
    x, y = side / width, side / height
    where = (part.left * x, part.top * y, part.right * x, part.bottom * y)
    return _resized(logits, (side, side), where)


def logits_back(closer: np.ndarray, logits: np.ndarray, part: CloseUp, width: int, height: int) -> np.ndarray:
    """A picture's logits with the close-up's in the grid places that lie whole in it; both float32 [h, h]."""
    side = len(logits)
    x, y = width / side, height / side
    left, right = math.ceil(part.left / x), math.floor(part.right / x)
    top, bottom = math.ceil(part.top / y), math.floor(part.bottom / y)
    if left >= right or top >= bottom:
        return logits
    across, down = side / part.width, side / part.height
    where = (
        max(0.0, (left * x - part.left) * across),
        max(0.0, (top * y - part.top) * down),
        min(float(side), (right * x - part.left) * across),
        min(float(side), (bottom * y - part.top) * down),
    )
    result = logits.copy()
    result[top:bottom, left:right] = _resized(closer, (right - left, bottom - top), where)
    return result


def _resized(
    logits: np.ndarray, size: tuple[int, int], where: tuple[float, float, float, float]
) -> np.ndarray:
    """Part of a map at another size: bilinear when it grows, means when it shrinks."""
    picture = Image.fromarray(np.ascontiguousarray(logits, np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=where), np.float32)
