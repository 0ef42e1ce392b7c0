"""Benchmarks on disk: where the truth is, and which of it counts."""

from masklet.evaluate.readers.dataset import CONVENTIONS, VideoSet, open_videos
from masklet.evaluate.readers.truth import Convention, Truth

__all__ = ["CONVENTIONS", "Convention", "Truth", "VideoSet", "open_videos"]
