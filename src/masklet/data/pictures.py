"""Reading one picture file as RGB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from masklet.data.problems import Problems


def read_picture(path: Path, name: str, problems: Problems) -> np.ndarray | None:
    """uint8 [H, W, 3] RGB, or None when it is missing or damaged, which is then noted under `name`."""
    return decode_picture(path.read_bytes, name, problems)


def decode_picture(read: Callable[[], bytes], name: str, problems: Problems) -> np.ndarray | None:
    """The same of a file's bytes, which `read` gives; what it raises (OSError) is noted too."""
    import cv2

    try:
        data = np.frombuffer(read(), dtype=np.uint8)
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        reason = "picture is missing" if gone else "picture cannot be read"
        problems.add(name, reason, str(error.strerror or error))
        return None
    picture = None
    if data.size:
        try:
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        except cv2.error as error:
            problems.add(name, "picture cannot be read", str(error).splitlines()[0])
            return None
    if picture is None:
        problems.add(name, "picture cannot be read")
        return None
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), dtype=np.uint8)
