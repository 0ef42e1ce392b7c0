"""The measures, each in a file of its own; every one is defined in docs/evaluation.md."""

from masklet.evaluate.metrics.aggregate import Statistics, decay, recall, statistics
from masklet.evaluate.metrics.contour import boundary, contour_accuracy, region_and_contour, tolerance_pixels
from masklet.evaluate.metrics.region import jaccard

__all__ = [
    "Statistics",
    "boundary",
    "contour_accuracy",
    "decay",
    "jaccard",
    "recall",
    "region_and_contour",
    "statistics",
    "tolerance_pixels",
]
