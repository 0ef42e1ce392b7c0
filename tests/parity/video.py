"""A session of 20 frames, driven the same way through ours and the published predictors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.engine.torch_engine import TorchEngine
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Sam2
from masklet.predict.answer import Answer, answer_of
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession
from masklet.types import Candidates
from masklet.video.arrays import ArrayFrames

HEIGHT, WIDTH = 96, 160


@dataclass(frozen=True)
class Found:
    """One object on one frame: logits [S/4, S/4], pointer [C], occlusion score."""

    logits: Tensor
    pointer: Tensor
    occlusion: float


Tracked = dict[tuple[int, int], Found]
"""(object, frame) → what was found there."""


@dataclass(frozen=True)
class Given:
    """A prompt: clicks (x, y, positive) and box (x0, y0, x1, y1) in pixels of the frame, or a mask [H, W]."""

    clicks: tuple[tuple[float, float, bool], ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask: np.ndarray | None = None

    def points(self, size: int) -> tuple[Tensor, Tensor]:
        """Points [P, 2] on the model's grid and labels [P]; a box is two points, first."""
        corners = [] if self.box is None else [self.box[:2], self.box[2:]]
        points = torch.tensor([*corners, *(c[:2] for c in self.clicks)], dtype=torch.float32)
        labels = [2, 3][: len(corners)] + [int(c[2]) for c in self.clicks]
        return points / torch.tensor([WIDTH, HEIGHT]) * size, torch.tensor(labels, dtype=torch.int32)


class Video(Protocol):
    """What the scenarios call."""

    def prompt(self, frame: int, object_id: int, given: Given) -> Found:
        """A prompt on a frame, in addition to earlier ones there; what it finds at once."""
        ...

    def propagate(self, start: int | None = None, limit: int | None = None, reverse: bool = False) -> Tracked:
        """Track at most `limit` frames on (back, in reverse), without those that are prompted."""
        ...


def scene(frames: int = 20, seed: int = 5) -> np.ndarray:
    """uint8 [T, HEIGHT, WIDTH, 3]: soft random shapes that drift and change."""
    generator = torch.Generator().manual_seed(seed)
    anchors = torch.randn(5, 3, 8, 12, generator=generator)
    times = torch.linspace(0, 3.999, frames)
    small = torch.stack([torch.lerp(anchors[int(t)], anchors[int(t) + 1], float(t - int(t))) for t in times])
    large = F.interpolate(small, (HEIGHT, WIDTH), mode="bicubic")
    shifted = torch.stack([image.roll(2 * i, dims=2) for i, image in enumerate(large)])
    return (128 + 60 * shifted).clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def pixels(images: np.ndarray, size: int) -> Tensor:
    """The scene as the network takes it: [T, 3, size, size]."""
    raw = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    raw = F.interpolate(raw, (size, size), mode="bilinear", align_corners=False, antialias=True)
    mean, std = (torch.tensor(v)[None, :, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    return (raw - mean) / std


def square_mask(mask: np.ndarray, size: int) -> Tensor:
    """A mask prompt as the published code prepares it: [1, 1, size, size], 0 or 1."""
    soft = F.interpolate(
        torch.from_numpy(mask)[None, None].float(),
        (size, size),
        mode="bilinear",
        align_corners=False,
        antialias=True,
    )
    return (soft >= 0.5).float()


class _Engine(TorchEngine):
    """Keeps its answers, since a session shows masks and not logits."""

    def __init__(self, model: Sam2) -> None:
        super().__init__(model, device="cpu", dtype="float32")
        self.answers: list[Answer] = []

    def decode(self, *args: Any, **kwargs: Any) -> Candidates:
        return self._keep(super().decode(*args, **kwargs))

    def decode_mask(self, *args: Any) -> Candidates:
        return self._keep(super().decode_mask(*args))

    def _keep(self, candidates: Candidates) -> Candidates:
        self.answers += [answer_of(candidates, row) for row in range(len(candidates.iou))]
        return candidates


class OurVideo:
    """masklet's VideoSession under a policy."""

    def __init__(self, model: Sam2, images: np.ndarray, policy: TrackingPolicy) -> None:
        self.engine = _Engine(model)
        self.session = VideoSession(ArrayFrames(images), self.engine, policy)

    def prompt(self, frame: int, object_id: int, given: Given) -> Found:
        preview = self.session.prompt(frame, object_id, clicks=given.clicks, box=given.box, mask=given.mask)
        return self._found(preview.occlusion)

    def propagate(self, start: int | None = None, limit: int | None = None, reverse: bool = False) -> Tracked:
        tracked = {}
        self.engine.answers.clear()
        if reverse:
            stop = None if start is None else start + 1
            frames = self.session.propagate("backward", stop=stop, limit=limit)
        else:
            frames = self.session.propagate("forward", start=start, limit=limit)
        for frame, shown in frames:
            for object_id in shown.masks.keys() - shown.prompted:
                tracked[object_id, frame.index] = self._found(shown.occlusion[object_id])
            self.engine.answers.clear()
        return tracked

    def _found(self, occlusion: float) -> Found:
        """The engine's latest answer with this score: a session names its objects, an engine does not."""
        answer = next(a for a in reversed(self.engine.answers) if a.occlusion == occlusion)
        return Found(torch.tensor(answer.logits), torch.tensor(answer.pointer), answer.occlusion)
