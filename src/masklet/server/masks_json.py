"""Masks in JSON: COCO RLE, as the rest of the world writes it, or a PNG in base64."""

from __future__ import annotations

import base64
import binascii
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masklet.errors import MaskError
from masklet.rle import from_runs
from masklet.types import Mask


def rle_of(mask: Mask) -> dict[str, Any]:
    return {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}


def mask_of(given: Mapping[str, Any], width: int, height: int) -> Mask:
    """A mask from RLE (compressed text or a list of runs) or {"png": base64} of one object, checked."""
    if "png" in given:
        return one_of(masks_in_png(_decoded(given["png"]), width, height), None)
    try:
        rows, columns = (int(n) for n in given["size"])
        counts = given["counts"]
        if (columns, rows) != (width, height):
            raise MaskError(f"mask is {columns}×{rows} but the frame is {width}×{height}; resize the mask")
        if isinstance(counts, str):
            mask = Mask(counts.encode("ascii"), rows, columns)
        else:
            mask = Mask(from_runs([int(n) for n in counts], rows, columns), rows, columns)
    except MaskError:
        raise
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise MaskError('a mask must be {"size": [H, W], "counts": …} or {"png": …}') from error
    _ = mask.area  # raises MaskError when the code is broken
    return mask


def masks_in_png(data: bytes, width: int, height: int) -> dict[int, Mask]:
    """Object id → mask in the bytes of a picture; an all-black one is object 1, empty."""
    from PIL import Image

    from masklet.video.palette import read_palette_png

    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.size != (width, height):  # told by the header, before anything is unpacked
                raise MaskError(
                    f"mask is {image.width}×{image.height} but the frame is {width}×{height}; resize the mask"
                )
            if image.mode in ("1", "L", "P") and image.getextrema() in ((0, 0), None):
                return {1: Mask.empty(height, width)}
    except MaskError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise MaskError("the mask cannot be read as a picture; send a PNG") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(data)
        try:
            return read_palette_png(path, (width, height))
        except MaskError as error:
            raise MaskError(str(error).replace(f"{path} ", "")) from error


def one_of(masks: Mapping[int, Mask], object_id: int | None) -> Mask:
    """The mask of one object, or the only one there is."""
    if object_id is not None and object_id in masks:
        return masks[object_id]
    if len(masks) > 1:
        raise MaskError(f"the picture shows objects {', '.join(map(str, masks))}; send one of them alone")
    return next(iter(masks.values()))


def _decoded(text: Any) -> bytes:
    if not isinstance(text, str):
        raise MaskError("a mask's png must be base64 text")
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MaskError("a mask's png must be base64 text") from error
