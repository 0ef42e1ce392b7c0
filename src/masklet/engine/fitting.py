"""A picture of any size on a network's input grid."""

from __future__ import annotations

import numpy as np
from PIL import Image


def fit_picture(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [H, W, 3] → [side, side, 3], antialiased; the aspect is not kept, as in SAM 2."""
    if image.shape[:2] == (side, side):
        return np.ascontiguousarray(image)
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))
