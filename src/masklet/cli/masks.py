"""Masks as the commands print and write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from masklet.types import Mask


def rle_of(mask: Mask) -> dict[str, Any]:
    """COCO RLE, ready for JSON."""
    return {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}


def described(mask: Mask) -> dict[str, Any]:
    """RLE, area in pixels, and box as x, y, width, height (COCO's order; null when empty)."""
    box = mask.box
    bbox = None if box is None else [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    return {"segmentation": rle_of(mask), "area": mask.area, "bbox": bbox}


def write_mask(path: Path, mask: Mask) -> None:
    """An 8-bit PNG, white on black, written beside and renamed; raises SinkError."""
    import numpy as np
    from PIL import Image

    from masklet.video.draft import Draft, writing

    draft = Draft(path)
    try:
        with writing(path):
            Image.fromarray(mask.to_array().astype(np.uint8) * 255).save(draft.path, format="PNG")
    except BaseException:
        draft.discard()
        raise
    draft.commit()


def write_text(path: Path, text: str) -> None:
    """A text file, written beside and renamed; raises SinkError."""
    from masklet.video.draft import Draft, writing

    draft = Draft(path)
    try:
        with writing(path):
            draft.path.write_text(text + "\n", encoding="utf-8")
    except BaseException:
        draft.discard()
        raise
    draft.commit()
