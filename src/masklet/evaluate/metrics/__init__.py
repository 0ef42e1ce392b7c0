"""The measures, each in a file of its own; every one is defined in docs/evaluation.md."""

from masklet.evaluate.metrics.aggregate import Statistics, decay, recall, statistics
from masklet.evaluate.metrics.contour import boundary, contour_accuracy, tolerance_pixels
from masklet.evaluate.metrics.region import jaccard, jaccard_masks

__all__ = [
    "Statistics",
    "boundary",
    "contour_accuracy",
    "decay",
    "jaccard",
    "jaccard_masks",
    "recall",
    "statistics",
    "tolerance_pixels",
]
