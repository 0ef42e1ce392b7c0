"""J, the region similarity: intersection over union of two masks.

Source: Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object
Segmentation", CVPR 2016, section 4. Two empty masks agree: J = 1.
"""

from __future__ import annotations

import numpy as np

from masklet.errors import MaskError


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
