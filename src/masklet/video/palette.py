"""Indexed PNGs as DAVIS writes them: pixel value = object id. Read as prompts, written as masks."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from masklet.errors import MaskError, SinkError
from masklet.types import Frame, FrameMasks, Mask
from masklet.video.draft import Draft, make_folder, writing
from masklet.video.sink import Sink
from masklet.video.soft_mask import hardened, is_black_and_white, is_soft

MOST_ID = 255
"""The largest object id that a PNG of 8 bits holds."""
MOST_OBJECTS = 64
"""A picture with more grey levels or colours than this is a photo, not ids."""
JPEG_TINT = 16
"""Most that a JPEG's channels differ where it is grey: its colours are rounded apart from its brightness."""

frame_png = "{:05d}.png".format
"""DAVIS's file name of a frame index."""


@lru_cache(maxsize=1)
def davis_palette() -> np.ndarray:
    """uint8 [256, 3]: PASCAL VOC's and DAVIS's colours, the id's bits dealt to red, green, blue in turn."""
    palette = np.zeros((256, 3), np.uint8)
    for index in range(256):
        for bit in range(8):
            palette[index, bit % 3] |= ((index >> bit) & 1) << (7 - bit // 3)
    palette.setflags(write=False)
    return palette


def read_palette_png(path: str | os.PathLike[str], size: tuple[int, int] | None = None) -> dict[int, Mask]:
    """Masks from a picture, object id → mask; `size` (width, height) is what the frame has.

    An indexed picture holds ids, and so does a grey one: 128 is object 128. But white (255, or 65535 of
    16 bits) on black is object 1, and so is what is half as bright as white or more where the edge
    between them is shaded, or where the picture is a JPEG. A transparent picture is a cut-out: what is
    opaque is object 1. In colour, the DAVIS colours are their ids and other colours count 1, 2, … by their
    value. Raises MaskError when the picture cannot be read, is empty, too colourful, a JPEG of anything but
    black and white, or of another size than the frame.
    """
    from PIL import Image

    path = Path(path)
    try:
        with Image.open(path) as image:
            ids = _ids(image, path)
    except FileNotFoundError as error:
        raise MaskError(f"no file {path}; check the path") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, MaskError):
            raise
        raise MaskError(f"{path} cannot be read as a picture: {error}") from error
    height, width = ids.shape
    if size is not None and (width, height) != tuple(size):
        raise MaskError(
            f"mask {path} is {width}×{height} but the frame is {size[0]}×{size[1]}; resize the mask"
        )
    masks = {int(i): Mask.from_array(ids == i) for i in np.unique(ids) if i != 0}
    if not masks:
        raise MaskError(f"mask {path} is empty: every pixel is background")
    return masks


def write_mask_png(path: str | os.PathLike[str], masks: Mask | Mapping[int, Mask]) -> None:
    """Write masks of one size as an indexed PNG; one mask alone is object 1. Higher ids lie on top."""
    from PIL import Image

    draft = Draft(path)
    try:
        objects = {1: masks} if isinstance(masks, Mask) else masks
        image = Image.fromarray(_indexed(objects, draft.target))
        image.putpalette(davis_palette().tobytes())
        with writing(draft.target):
            image.save(draft.path, format="PNG")
    except BaseException:
        draft.discard()
        raise
    draft.commit()


class PalettePng(Sink):
    """A folder of indexed PNGs, one a frame (DAVIS: 00000.png, 00001.png, …), pixel value = object id.

    name   file name of a frame index

    Ids must be 1 to 255. Where masks overlap the higher id lies on top. Each file is complete when
    it appears; frames may come in any order, and a frame written again replaces its file.
    """

    def __init__(self, folder: str | os.PathLike[str], *, name: Callable[[int], str] = frame_png) -> None:
        self.folder = Path(folder)
        self._name = name
        make_folder(self.folder)

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        objects: Mapping[int, Mask] = masks.masks or {1: Mask.empty(frame.height, frame.width)}
        write_mask_png(self.folder / self._name(masks.index), objects)

    def close(self) -> None: ...


def _indexed(masks: Mapping[int, Mask], target: Path) -> np.ndarray:
    bad = [i for i in masks if not 1 <= i <= MOST_ID]
    if bad:
        raise SinkError(
            f"cannot write {target}: object id {bad[0]} does not fit a PNG, ids must be 1 to {MOST_ID}"
        )
    sizes = {(m.width, m.height) for m in masks.values()}
    if len(sizes) != 1:
        known = ", ".join(f"{w}×{h}" for w, h in sorted(sizes)) or "none"
        raise SinkError(f"cannot write {target}: masks must have one size, got {known}")
    width, height = sizes.pop()
    ids = np.zeros((height, width), np.uint8)
    for object_id in sorted(masks):
        ids[masks[object_id].to_array()] = object_id
    return ids


def _ids(image: object, path: Path) -> np.ndarray:
    """Object ids [H, W] of any picture, 0 is background."""
    from PIL import Image

    assert isinstance(image, Image.Image)
    if image.mode == "P":
        return _white_is_one(np.array(image), 255)
    if image.format in ("JPEG", "MPO"):
        return _from_jpeg(np.array(image.convert("RGB")), path)
    if "A" in image.getbands():
        alpha = np.array(image.getchannel("A"))
        if alpha.min() < 255:
            return (alpha >= 128).astype(np.uint8)
        image = image.convert("RGB")
    if len(image.getbands()) == 1:
        return _from_grey(np.array(image).astype(np.int64), 255 if image.mode in ("1", "L") else 65535, path)
    return _from_colours(np.array(image.convert("RGB")), path)


def _from_grey(grey: np.ndarray, top: int, path: Path) -> np.ndarray:
    return hardened(grey) if is_soft(grey, top) else _few(_white_is_one(grey, top), path)


def _from_jpeg(rgb: np.ndarray, path: Path) -> np.ndarray:
    """JPEG blurs numbers and colours into their neighbours; of black and white it leaves enough."""
    values = rgb.astype(np.int64)
    grey = values.max(axis=2)
    if (grey - values.min(axis=2)).max() > JPEG_TINT or not is_black_and_white(grey):
        raise MaskError(f"mask {path} is a JPEG, which blurs object ids and colours; save it as PNG")
    return hardened(grey)


def _white_is_one(ids: np.ndarray, top: int) -> np.ndarray:
    """White on black is one object; 0 and 2 stays object 2."""
    values = np.unique(ids[ids != 0])
    return (ids != 0).astype(np.uint8) if len(values) == 1 and values[0] == top else ids


def _from_colours(rgb: np.ndarray, path: Path) -> np.ndarray:
    grey = rgb[:, :, 0].astype(np.int64)
    if (rgb == rgb[:, :, :1]).all() and is_soft(grey, 255):
        return hardened(grey)
    codes = rgb.astype(np.int64) @ np.array([65536, 256, 1])
    _few(codes, path)
    colours = np.unique(codes)
    palette = {int(c): i for i, c in enumerate(davis_palette().astype(np.int64) @ np.array([65536, 256, 1]))}
    if all(int(c) in palette for c in colours):
        ids = [palette[int(c)] for c in colours]
    else:
        ids = list(np.cumsum(colours != 0))
    return np.array(ids)[np.searchsorted(colours, codes)]


def _few(values: np.ndarray, path: Path) -> np.ndarray:
    count = len(np.unique(values))
    if count > MOST_OBJECTS + 1:
        raise MaskError(
            f"mask {path} has {count} different values; object ids are wanted, threshold or index it first"
        )
    return values
