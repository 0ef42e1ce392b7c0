"""masklet: segment any object in an image or a video, and follow it.

    model = masklet.load()
    mask = model.image("truck.jpg").segment(clicks=[(500, 375)]).best

The names below are the public ones. They are loaded when they are first used: importing masklet is
silent, quick, and brings neither PyTorch nor a video decoder.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from masklet.client.connection import connect
    from masklet.errors import MaskletError
    from masklet.loading import load
    from masklet.predict.automatic import AutomaticOptions
    from masklet.predict.policy import TrackingPolicy
    from masklet.predict.segmenter import Segmenter
    from masklet.types import Box, Click, Frame, FrameMasks, Mask, Masklet, Prompt
    from masklet.video.camera import Camera
    from masklet.video.cutout import CutOut
    from masklet.video.effect_video import EffectVideo
    from masklet.video.effects import Effect, Look
    from masklet.video.json_masks import CocoJson
    from masklet.video.overlay_video import OverlayVideo
    from masklet.video.palette import PalettePng
    from masklet.video.sink import Several
    from masklet.video.source import open_source
    from masklet.video.stream import StreamOf

_HOME = {
    "AutomaticOptions": "predict.automatic",
    "Box": "types",
    "Camera": "video.camera",
    "Click": "types",
    "CocoJson": "video.json_masks",
    "CutOut": "video.cutout",
    "Effect": "video.effects",
    "EffectVideo": "video.effect_video",
    "Frame": "types",
    "FrameMasks": "types",
    "Look": "video.effects",
    "Mask": "types",
    "Masklet": "types",
    "MaskletError": "errors",
    "OverlayVideo": "video.overlay_video",
    "PalettePng": "video.palette",
    "Prompt": "types",
    "Segmenter": "predict.segmenter",
    "Several": "video.sink",
    "StreamOf": "video.stream",
    "TrackingPolicy": "predict.policy",
    "connect": "client.connection",
    "load": "loading",
    "open_source": "video.source",
}
"""Public name → the module it lives in."""

__all__ = [*_HOME, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'masklet' has no attribute {name!r}")
    value = getattr(import_module(f"masklet.{_HOME[name]}"), name)
    globals()[name] = value  # the next use finds it without asking
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
