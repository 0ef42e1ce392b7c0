"""The sound of a video, put beside its painted pictures."""

from __future__ import annotations

import sys
from pathlib import Path

from masklet.errors import MaskletError
from masklet.video.protocol import FrameSource


def add_sound(overlay: Path, source: FrameSource, first: int) -> None:
    """Give an overlay that begins with frame `first` the sound of its source, if that has any.

    The pictures are what counts: when the sound cannot be had, a line on stderr says so.
    """
    from masklet.video.file import VideoFile
    from masklet.video.sound import with_sound

    if not isinstance(source, VideoFile) or not overlay.is_file():
        return
    try:
        with_sound(overlay, source.path, overlay, start=source.time(first))
    except MaskletError as error:
        print(f"{overlay} has no sound: {error}", file=sys.stderr)
