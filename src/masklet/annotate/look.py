"""A masklet as a video to look at: the object as it is, everything else dark and grey.

A tint would hide what has to be judged, and on an object of its own colour it does not show at all.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from masklet.annotate.masklets import Kept, get, masks
from masklet.annotate.project import Project
from masklet.errors import ProjectError
from masklet.types import Frame, FrameMasks

SHADE = 0.4
"""Brightness of what is not the object."""


def play(project: Project, masklet: int, path: str | Path) -> None:
    """Write an MP4 of a masklet; the corner of every frame names it, for corrections.

    raises   ProjectError when the masklet has no mask yet
    """
    from masklet.video.overlay_video import OverlayVideo
    from masklet.video.protocol import sample_aspect_of

    entry = get(project, masklet)
    found = masks(project, masklet)
    if not found:
        raise ProjectError(f"masklet {masklet} has no mask yet; prompt it first")
    source = project.source(project.video(entry.video))
    aspect = sample_aspect_of(source)
    with closing(source), OverlayVideo(path, opacity=0, sample_aspect=aspect) as out:
        for frame in source.read(0, len(source)):
            kept = found.get(frame.index)
            shown = Frame(frame.index, frame.time, _shaded(frame.image, kept, frame.index))
            here = {} if kept is None else {entry.number: kept.mask}
            out.write(shown, FrameMasks(frame.index, here))


def _shaded(image: np.ndarray, kept: Kept | None, index: int) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(image)
    grey = canvas.convert("L").point([round(SHADE * level) for level in range(256)]).convert("RGB")
    if kept is not None and not kept.mask.is_empty:
        grey.paste(canvas, (0, 0), Image.fromarray(kept.mask.to_array()))
    font = ImageFont.load_default(max(12, round(max(image.shape[:2]) / 40)))
    pen = ImageDraw.Draw(grey)
    pen.text((6, 4), _words(kept, index), font=font, fill="white", stroke_width=2, stroke_fill="black")
    return np.array(grey)


def _words(kept: Kept | None, index: int) -> str:
    if kept is None:
        return f"{index}, nobody looked"
    return f"{index}{', not here' if kept.mask.is_empty else ''}{', prompted' if kept.prompted else ''}"
