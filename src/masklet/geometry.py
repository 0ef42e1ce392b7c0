"""Where things are: pixels of a frame as unit coordinates (0 to 1 across it), and prompts as points.

Unit coordinates are x / width and y / height. The model resizes every frame to S × S without
keeping its proportions, so unit × S is the model's pixel; the prompt encoder itself adds the half
pixel to the middle (SAM 2, prompt encoder), therefore nothing here does.
"""

from __future__ import annotations

import numpy as np

from masklet.types import Prompt

NEGATIVE, POSITIVE, BOX_TOP_LEFT, BOX_BOTTOM_RIGHT, PADDING = 0, 1, 2, 3, -1
"""Labels of points as the model knows them (SAM 2, prompt encoder)."""


def to_unit(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pixels [..., 2] as (x, y) on a frame of this size → float32 unit coordinates [..., 2]."""
    return (np.asarray(points, dtype=np.float64) / _size(width, height)).astype(np.float32)


def prompt_points(prompt: Prompt, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Clicks and box of a prompt as the model reads them: unit points float32 [P, 2], labels int32 [P].

    A box counts as two points and goes first. A mask prompt has no points (P is 0). Raises
    PromptError when the prompt does not lie on the frame.
    """
    prompt.check_inside(width, height)
    points: list[tuple[float, float]] = []
    labels: list[int] = []
    if prompt.box is not None:
        points += [(prompt.box.x0, prompt.box.y0), (prompt.box.x1, prompt.box.y1)]
        labels += [BOX_TOP_LEFT, BOX_BOTTOM_RIGHT]
    points += [(click.x, click.y) for click in prompt.clicks]
    labels += [POSITIVE if click.positive else NEGATIVE for click in prompt.clicks]
    pixels = np.array(points, dtype=np.float64).reshape(-1, 2)
    return to_unit(pixels, width, height), np.array(labels, dtype=np.int32)


def _size(width: int, height: int) -> np.ndarray:
    if width < 1 or height < 1:
        raise ValueError(f"a frame must have a size of at least 1×1, got {width}×{height}")
    return np.array([width, height], dtype=np.float64)
