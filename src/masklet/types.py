"""The values that cross between layers: frames, prompts, masks, results.

Coordinates are pixels of the original frame, origin at the top-left corner of the top-left
pixel, x to the right. Arrays are numpy; nothing here knows about files, networks or devices.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from masklet import rle
from masklet.errors import MaskError, PromptError


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    index   position in its source, from 0
    time    seconds from the start, exact
    image   uint8 [H, W, 3] RGB, read-only
    """

    index: int
    time: Fraction
    image: np.ndarray

    def __post_init__(self) -> None:
        if self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3:
            raise MaskError(
                f"frame {self.index} must be uint8 [H, W, 3], got {self.image.dtype} {list(self.image.shape)}"
            )
        self.image.setflags(write=False)

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    def fitted(self, side: int) -> np.ndarray:
        """The picture for a network of this input size: uint8 [side, side, 3] where it comes cheaper so, else
        as it is."""
        return self.image

    def at(self, index: int) -> Frame:
        """The same picture at another place."""
        return replace(self, index=index)


@dataclass(frozen=True)
class Click:
    """A point on the object (positive) or off it (negative), in pixels."""

    x: float
    y: float
    positive: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise PromptError(f"click ({self.x}, {self.y}) must have finite coordinates")


@dataclass(frozen=True)
class Box:
    """A rectangle around the object: (x0, y0) top-left, (x1, y1) bottom-right, in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.x0, self.y0, self.x1, self.y1)):
            raise PromptError(f"box {self.corners} must have finite coordinates")
        if self.x1 <= self.x0 or self.y1 <= self.y0:
            raise PromptError(
                f"box {self.corners} is inside out or empty; give x0, y0, x1, y1 with x0 < x1 and y0 < y1"
            )

    @property
    def corners(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)


@dataclass(frozen=True)
class Mask:
    """A binary mask as COCO run-length encoding: lossless, small, hashable."""

    counts: bytes
    height: int
    width: int

    @classmethod
    def from_array(cls, array: np.ndarray) -> Mask:
        """Encode an array [H, W] of bool, or of 0 and one other value (1 or 255, mostly)."""
        array = np.asarray(array)
        if array.ndim != 2:
            raise MaskError(f"a mask must be [H, W], got {list(array.shape)}")
        if array.dtype != bool:
            _check_binary(array)
            array = array != 0
        return cls(rle.encode(array), int(array.shape[0]), int(array.shape[1]))

    @classmethod
    def empty(cls, height: int, width: int) -> Mask:
        return cls.from_array(np.zeros((height, width), dtype=bool))

    def to_array(self) -> np.ndarray:
        """bool [H, W]."""
        return rle.decode(self.counts, self.height, self.width)

    def crop(self, box: tuple[int, int, int, int]) -> np.ndarray:
        """What lies in x0, y0, x1, y1 (x1, y1 exclusive), bool [y1 - y0, x1 - x0]."""
        return rle.decode_part(self.counts, self.height, self.width, box)

    @property
    def area(self) -> int:
        """Number of object pixels."""
        return rle.area(self.counts, self.height, self.width)

    @property
    def is_empty(self) -> bool:
        return self.area == 0

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """x0, y0, x1, y1 with x1, y1 exclusive; None when the mask is empty."""
        return rle.box(self.counts, self.height, self.width)

    def iou(self, other: Mask) -> float:
        """Intersection over union; 1.0 when both are empty."""
        if (self.height, self.width) != (other.height, other.width):
            raise MaskError(
                f"masks of {self.width}×{self.height} and {other.width}×{other.height} cannot be compared"
            )
        return rle.iou(self.counts, other.counts, self.height, self.width)


@dataclass(frozen=True)
class Prompt:
    """What a user gives for one object on one frame: clicks and/or a box, or a mask alone."""

    clicks: tuple[Click, ...] = ()
    box: Box | None = None
    mask: Mask | None = None

    def __post_init__(self) -> None:
        if self.mask is not None and (self.clicks or self.box is not None):
            raise PromptError("a mask prompt stands alone; give clicks and box in another call")
        if self.mask is None and not self.clicks and self.box is None:
            raise PromptError("a prompt needs a click, a box or a mask")

    @classmethod
    def of(
        cls,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
    ) -> Prompt:
        """Build from plain values: clicks (x, y) or (x, y, positive), box (x0, y0, x1, y1), mask [H, W]."""
        return cls(
            clicks=tuple(_click(c) for c in clicks),
            box=box if box is None or isinstance(box, Box) else _box(box),
            mask=mask if mask is None or isinstance(mask, Mask) else Mask.from_array(mask),
        )

    def check_inside(self, width: int, height: int) -> None:
        """Raise PromptError when the prompt does not lie on a frame of this size."""
        for click in self.clicks:
            if not (0 <= click.x < width and 0 <= click.y < height):
                raise PromptError(
                    f"click ({click.x:g}, {click.y:g}) is outside the frame ({width}×{height}); "
                    f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
                )
        if self.box is not None:
            x0, y0, x1, y1 = self.box.corners
            if x0 < 0 or y0 < 0 or x1 > width or y1 > height:
                raise PromptError(
                    f"box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) reaches outside the frame "
                    f"({width}×{height}); cut it off there"
                )
        if self.mask is not None and (self.mask.width, self.mask.height) != (width, height):
            raise PromptError(
                f"mask is {self.mask.width}×{self.mask.height} but the frame is {width}×{height}; "
                "resize the mask"
            )

    def merged(self, later: Prompt) -> Prompt:
        """This prompt with a later one on the same frame: clicks add up, a box or mask replaces."""
        if later.mask is not None:
            return later
        if self.mask is not None:
            return later
        return Prompt(
            clicks=self.clicks + later.clicks,
            box=later.box if later.box is not None else self.box,
        )


def _check_binary(array: np.ndarray) -> None:
    """Refuse logits, probabilities and ids: nearly every one differs from 0, so all would be the object."""
    if not np.issubdtype(array.dtype, np.number):
        raise MaskError(f"a mask must hold numbers or bool, got {array.dtype}")
    if not np.isfinite(array).all():
        raise MaskError("a mask must hold finite values, got NaN or infinity")
    if array.size and (array.min() < 0 or not ((array == 0) | (array == array.max())).all()):
        raise MaskError(
            f"a mask of {array.dtype} must hold 0 and one other value, got {array.min():g} to "
            f"{array.max():g}; threshold it first: logits > 0, soft masks > 127, ids == one"
        )


def _click(value: Click | Sequence[Any]) -> Click:
    if isinstance(value, Click):
        return value
    numbers = _numbers(value)
    if len(numbers) not in (2, 3):
        raise PromptError(f"click {value!r} must be (x, y) or (x, y, positive); clicks are a list of these")
    if len(numbers) == 3 and numbers[2] not in (0, 1):
        raise PromptError(f"click {value!r} must end in True (on the object) or False (off it)")
    return Click(numbers[0], numbers[1], len(numbers) == 2 or numbers[2] == 1)


def _box(value: Sequence[float]) -> Box:
    numbers = _numbers(value)
    if len(numbers) != 4:
        raise PromptError(f"box {value!r} must be (x0, y0, x1, y1)")
    return Box(*numbers)


def _numbers(value: Any) -> list[float]:
    """Plain numbers; empty when it is anything else."""
    if isinstance(value, str):
        return []
    try:
        return [float(v) for v in value]
    except (TypeError, ValueError):
        return []


@dataclass(frozen=True, eq=False)
class Candidates:
    """What decoding gives: M candidate masks for each of O objects.

    logits      float32 [O, M, S/4, S/4]; > 0 is the object
    iou         float32 [O, M]  predicted IoU, 0 to 1
    pointer     float32 [O, M, C]  object pointers; already the no-object pointer where occlusion <= 0
    occlusion   float32 [O, 1]  occlusion score; > 0 is visible
    M is 3 for an ambiguous prompt or a tracked frame, else 1.
    """

    logits: np.ndarray
    iou: np.ndarray
    pointer: np.ndarray
    occlusion: np.ndarray

    def __post_init__(self) -> None:
        objects, candidates = self.logits.shape[:2]
        if candidates not in (1, 3):
            raise MaskError(f"candidates must be 1 or 3 an object, got {candidates}")
        if self.iou.shape != (objects, candidates) or self.pointer.shape[:2] != (objects, candidates):
            raise MaskError(
                f"candidates disagree: logits {self.logits.shape}, iou {self.iou.shape}, "
                f"pointer {self.pointer.shape}"
            )

    @property
    def best(self) -> np.ndarray:
        """Index of the candidate with the highest predicted IoU, int [O]."""
        return np.argmax(self.iou, axis=1)


@dataclass(frozen=True)
class FrameMasks:
    """All objects' masks on one frame.

    masks       object id → Mask at the frame's size
    iou         object id → predicted IoU, 0 to 1
    occlusion   object id → occlusion score; > 0 is visible
    prompted    ids that have a prompt on this frame
    """

    index: int
    masks: Mapping[int, Mask]
    iou: Mapping[int, float] = field(default_factory=dict)
    occlusion: Mapping[int, float] = field(default_factory=dict)
    prompted: frozenset[int] = frozenset()

    def __getitem__(self, object_id: int) -> Mask:
        return self.masks[object_id]

    def __iter__(self) -> Any:
        return iter(self.masks)

    def __len__(self) -> int:
        return len(self.masks)


@dataclass(frozen=True)
class Masklet:
    """One object's masks through a video; frames sorted."""

    object_id: int
    masks: Mapping[int, Mask]
    prompted: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        if list(self.masks) != sorted(self.masks):
            object.__setattr__(self, "masks", dict(sorted(self.masks.items())))
