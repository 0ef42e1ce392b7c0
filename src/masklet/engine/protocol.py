"""What an engine does: the four verbs of the model on one piece of hardware.

Everything above an engine sees numpy arrays and the opaque values named here. Points are in unit
coordinates (0 to 1 across the frame), so no layer above needs to know the model's input size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from masklet.types import Candidates

ImageFeatures = Any
"""One encoded image (strides 4, 8, 16), as the engine keeps it."""

Conditioned = Any
"""Stride-16 features of a frame after reading memory, for a batch of objects, with the finer strides."""

MemoryFeature = Any
"""One object's remembered frame [c, S/16, S/16], as the engine keeps it."""


@dataclass(frozen=True)
class Fovea:
    """The square of a frame in which a tracked object is looked at closely, in places of S/16."""

    top: int
    left: int
    side: int

    @property
    def bottom(self) -> int:
        return self.top + self.side

    @property
    def right(self) -> int:
        return self.left + self.side

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns in a map of S/16."""
        return self.scaled(1)

    def scaled(self, by: int) -> tuple[slice, slice]:
        """Its rows and columns in a map of `by` times as many."""
        return slice(by * self.top, by * self.bottom), slice(by * self.left, by * self.right)


@dataclass(frozen=True, eq=False)
class PromptBatch:
    """Prompts of O objects on one frame.

    points   float32 [O, P, 2] unit coordinates (x, y); P may be 0
    labels   int32 [O, P]: 1 positive, 0 negative, 2 box top-left, 3 box bottom-right, -1 padding
    prior    float32 [O, 1, S/4, S/4] logits of an earlier answer to refine, or None
    """

    points: np.ndarray
    labels: np.ndarray
    prior: np.ndarray | None = None

    @classmethod
    def none(cls, objects: int) -> PromptBatch:
        """No prompt: what a tracked frame gets."""
        return cls(np.zeros((objects, 0, 2), np.float32), np.zeros((objects, 0), np.int32))


@dataclass(frozen=True, eq=False)
class MemoryReading:
    """What O objects read at a frame; all share the layout (N memories, P pointers).

    features    N lists of O memory features
    slots       N temporal slots: 0 a prompted frame, 1 … slots-1 how many steps ago
    pointers    float32 [O, P, C]
    distances   P frame distances, signed, positive is past (in the direction of tracking)
    foveas      N lists of O: where each object was, for readings in foveas
    """

    features: Sequence[Sequence[MemoryFeature]]
    slots: Sequence[int]
    pointers: np.ndarray
    distances: Sequence[int]
    foveas: Sequence[Sequence[Fovea]] = ()


class Engine(Protocol):
    """Runs the four verbs. Thread-compatible: calls may come from any thread, one at a time,
    but for `encode_image` where frames are encoded ahead."""

    name: str
    """The checkpoint's name."""
    device: str
    """Where it runs, in words ("cpu", "cuda:0 bf16")."""
    input_size: int
    """S: images are resized to S × S."""
    slots: int
    """Temporal slots of the memory (SAM 2: 7): one for prompted frames, the others for recent ones."""
    pointer_limit: int
    """Most object pointers a reading may hold (16)."""
    block: int
    """Side, in places of S/16, of the blocks around a fovea, whose corners and sides are multiples of it; 0
    where the engine sees whole frames only."""
    encodes_ahead: int
    """Frames worth encoding on a thread of their own while others are tracked; 0 where the two would only
    wait for each other."""

    def encode_image(self, image: np.ndarray) -> ImageFeatures:
        """uint8 [H, W, 3] RGB of any size → features, once a frame whatever the number of objects."""
        ...

    def condition(
        self,
        features: ImageFeatures,
        reading: MemoryReading | None,
        foveas: Sequence[Fovea] | None = None,
    ) -> Conditioned:
        """Let a frame attend to memory; None (a first prompt, a photo) adds the no-memory embedding.

        foveas   one for each object, of the same side as the reading's: there this frame and the remembered
                 ones are seen place by place, elsewhere in blocks
        """
        ...

    def decode(self, conditioned: Conditioned, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        """Prompts of O objects → 3 candidates (multimask) or 1. `conditioned` is of O objects or of none.

        With foveas it takes no prompts, and the logits are those of the foveas, [O, M, 4 · side, 4 · side].
        """
        ...

    def decode_mask(self, features: ImageFeatures, masks: np.ndarray) -> Candidates:
        """Given masks, float32 [O, 1, S, S] in 0 … 1 → one candidate: the mask itself, with its pointer."""
        ...

    def remember(
        self, features: ImageFeatures, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[MemoryFeature]:
        """Encode what O objects look like on a frame into what later frames attend to.

        logits      float32 [O, 1, S/4, S/4]
        occlusion   float32 [O, 1]; <= 0 adds the no-object embedding
        binary      True on prompted frames: the mask enters as 0 / 1 instead of probabilities
        """
        ...
