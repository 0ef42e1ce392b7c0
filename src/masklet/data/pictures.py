"""Reading one picture file as RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from masklet.data.problems import Problems


def read_picture(path: Path, name: str, problems: Problems) -> np.ndarray | None:
    """uint8 [H, W, 3] RGB, or None when it is missing or damaged, which is then noted under `name`."""
    import cv2

    try:
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        problems.add(name, "picture is missing", str(error.strerror))
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
