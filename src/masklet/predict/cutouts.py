"""Cut-outs of a picture around what was found in it: where they lie, and how answers go in and come back.

Numbers alone; `closer` looks at them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from masklet.types import Box, Prompt

WIDER = 1.9
"""A cut-out's side is at least so many times the object's longer one."""

LARGEST = 2.5
"""A cut-out is shown at most so many times its own size: beyond, it is blur that the model sees larger."""

MOST = 0.7
"""Share of the picture above which a cut-out shows hardly more than the picture does."""

STEPS = 8
"""Cut-outs lie at multiples of their side by this, so that answers that differ little share one."""


@dataclass(frozen=True)
class Window:
    """A cut-out of a picture: columns left to right, rows top to bottom, in pixels, ends left out."""

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
        """[H, W, …] → what lies in the window, a copy."""
        return np.ascontiguousarray(image[self.top : self.bottom, self.left : self.right])


def window_for(
    found: tuple[float, float, float, float], prompt: Prompt, width: int, height: int, input_size: int
) -> Window | None:
    """The cut-out for an answer and its prompt; None where a closer look is hardly closer.

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
    window = Window(left, top, right, bottom)
    return window if window.width * window.height <= MOST * width * height else None


def _span(middle: float, side: float, whole: int) -> tuple[int, int]:
    side = min(float(whole), side)
    step = side / STEPS
    start = min(max(0.0, round((middle - side / 2) / step) * step), whole - side)
    return math.floor(start), math.ceil(start + side)


def prompt_in(prompt: Prompt, window: Window) -> Prompt | None:
    """The prompt as the cut-out has it, without clicks outside of it; None when nothing is left."""
    clicks = tuple(
        replace(click, x=click.x - window.left, y=click.y - window.top)
        for click in prompt.clicks
        if window.left <= click.x < window.right and window.top <= click.y < window.bottom
    )
    box = None
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box.corners
        box = Box(
            max(0.0, x0 - window.left),
            max(0.0, y0 - window.top),
            min(float(window.width), x1 - window.left),
            min(float(window.height), y1 - window.top),
        )
    return Prompt(clicks, box) if clicks or box is not None else None


def logits_in(logits: np.ndarray, window: Window, width: int, height: int) -> np.ndarray:
    """A picture's logits float32 [h, h] as the cut-out's, of the same shape."""
    side = len(logits)
    x, y = side / width, side / height
    where = (window.left * x, window.top * y, window.right * x, window.bottom * y)
    return _resized(logits, (side, side), where)


def logits_back(
    closer: np.ndarray, logits: np.ndarray, window: Window, width: int, height: int
) -> np.ndarray:
    """A picture's logits with the cut-out's in the grid places that lie wholly in it; both float32 [h, h]."""
    side = len(logits)
    x, y = width / side, height / side
    left, right = math.ceil(window.left / x), math.floor(window.right / x)
    top, bottom = math.ceil(window.top / y), math.floor(window.bottom / y)
    if left >= right or top >= bottom:
        return logits
    across, down = side / window.width, side / window.height
    where = (
        max(0.0, (left * x - window.left) * across),
        max(0.0, (top * y - window.top) * down),
        min(float(side), (right * x - window.left) * across),
        min(float(side), (bottom * y - window.top) * down),
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
