"""J, the region similarity: intersection over union of two masks.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation", CVPR 2016, section 4. Two empty masks agree: J = 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masklet.errors import MaskError
from masklet.types import Mask


def jaccard(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """J of bool masks [..., H, W], all leading axes at once → float64 [...].

    raises   MaskError when the shapes differ
    """
    prediction, truth = np.asarray(prediction, dtype=bool), np.asarray(truth, dtype=bool)
    if prediction.shape != truth.shape:
        raise MaskError(
            f"masks of shapes {list(prediction.shape)} and {list(truth.shape)} cannot be compared; resize one"
        )
    both = np.count_nonzero(prediction & truth, axis=(-2, -1))
    either = np.count_nonzero(prediction | truth, axis=(-2, -1))
    return np.where(either == 0, 1.0, both / np.maximum(either, 1))


def jaccard_masks(predictions: Sequence[Mask], truths: Sequence[Mask]) -> np.ndarray:
    """J frame by frame, counted on the runs without decoding → float64 [T]."""
    if len(predictions) != len(truths):
        raise MaskError(f"{len(predictions)} predictions cannot be compared with {len(truths)} true masks")
    return np.array([p.iou(t) for p, t in zip(predictions, truths, strict=True)], dtype=np.float64)
