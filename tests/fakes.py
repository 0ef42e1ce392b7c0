"""Fakes at the seam: a model that follows colours, and videos that are arrays.

The fake engine is deterministic, needs no weights, and tracks visibly: a prompt picks the colour under
the click (or the mean colour of a mask), memory carries the colour, and every pixel near it is object.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.engine.protocol import MemoryReading, PromptBatch
from masklet.errors import DamagedVideoError, UnknownFrameError
from masklet.types import Candidates, Frame

COLOURS = {1: (230, 30, 30), 2: (30, 230, 30), 3: (30, 30, 230), 4: (230, 230, 30)}


class FakeEngine:
    """Features are a small RGB picture [G, G, 3] in 0 … 1; a memory is a mean colour [3] (NaN: absent)."""

    name, device, slots, pointer_limit, encodes_ahead, block = "fake", "cpu", 7, 16, 0, 0

    def __init__(self, input_size: int = 128) -> None:
        self.input_size = input_size
        self.grid = input_size // 4
        self.calls: Counter[str] = Counter()
        self.batches: list[int] = []  # objects in each tracking batch
        self.readings: list[MemoryReading] = []
        self.priors: list[np.ndarray | None] = []
        self.remembered: list[tuple[int, bool]] = []
        self.remembered_logits: list[np.ndarray] = []

    def encode_image(self, image: np.ndarray) -> np.ndarray:
        self.calls["encode"] += 1
        small = Image.fromarray(image).resize((self.grid, self.grid), Image.Resampling.BOX)
        return np.asarray(small, np.float32) / 255

    def condition(self, features: np.ndarray, reading: MemoryReading | None, foveas: Any = None) -> tuple:
        self.calls["condition"] += 1
        if reading is None:
            return features, None
        self.readings.append(reading)
        colours = np.array(reading.features, np.float32).reshape(len(reading.features), -1, 3)  # [N, O, 3]
        seen = ~np.isnan(colours[..., :1])
        # The prompted frames and the neighbour weigh most, so what is read matters.
        weight = (
            np.array([4.0 if s == 0 else 1.0 / s for s in reading.slots], np.float32)[:, None, None] * seen
        )
        mean = (np.nan_to_num(colours) * weight).sum(0) / np.maximum(weight.sum(0), 1e-9)
        return features, np.where(weight.sum(0) > 0, mean, -9.0)

    def decode(self, conditioned: tuple, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        self.calls["decode"] += 1
        features, targets = conditioned
        objects = len(prompts.points)
        if prompts.points.shape[1] == 0 and targets is not None:
            self.batches.append(objects)
        else:
            self.priors.append(prompts.prior)
        return stack(
            [
                self._one(features, None if targets is None else targets[o], prompts, o, multimask)
                for o in range(objects)
            ]
        )

    def _one(self, features, target, prompts, o, multimask) -> Candidates:
        points, labels = prompts.points[o], prompts.labels[o]
        cells = np.minimum((points * self.grid).astype(int), self.grid - 1)
        colours = features[cells[:, 1], cells[:, 0]] if len(points) else np.zeros((0, 3), np.float32)
        away = colours[labels == 0]
        if (labels == 1).any():
            target = colours[labels == 1].mean(0)
        elif (labels == 2).any():
            corners = cells[(labels == 2) | (labels == 3)]
            target = features[corners[:, 1].mean().astype(int), corners[:, 0].mean().astype(int)]
        elif target is None:
            target = (
                features[prompts.prior[o, 0] > 0].mean(0) if prompts.prior is not None else np.full(3, -9.0)
            )
        distance = np.linalg.norm(features - target, axis=2)
        logits = 20 * (0.3 - distance)
        for colour in away:
            logits = np.minimum(logits, 20 * (np.linalg.norm(features - colour, axis=2) - 0.3))
        shifts, iou = ((0.0, -3.0, 3.0), (0.9, 0.6, 0.7)) if multimask else ((0.0,), (0.95,))
        occlusion = 5.0 if (logits > 0).any() else -5.0
        pointer = np.append(target, 1.0)
        return Candidates(
            np.stack([logits + s for s in shifts])[None].astype(np.float32),
            np.array([iou], np.float32),
            np.stack([pointer + k for k in range(len(shifts))])[None].astype(np.float32),
            np.array([[occlusion]], np.float32),
        )

    def decode_mask(self, features: np.ndarray, masks: np.ndarray) -> Candidates:
        self.calls["decode_mask"] += 1
        assert masks.shape[1:] == (1, self.input_size, self.input_size), masks.shape
        small = masks[:, 0].reshape(len(masks), self.grid, 4, self.grid, 4).mean((2, 4))
        logits = (20 * small - 10)[:, None].astype(np.float32)
        pointer = np.stack(
            [np.append(features[m > 0.5].mean(0) if (m > 0.5).any() else np.zeros(3), 1.0) for m in small]
        )
        visible = np.where(masks.reshape(len(masks), -1).any(1), 10.0, -10.0)
        return Candidates(
            logits,
            np.ones((len(masks), 1), np.float32),
            pointer[:, None].astype(np.float32),
            visible[:, None].astype(np.float32),
        )

    def remember(
        self, features: np.ndarray, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[np.ndarray]:
        self.calls["remember"] += 1
        assert logits.shape == (len(occlusion), 1, self.grid, self.grid), logits.shape
        assert occlusion.shape == (len(logits), 1)
        self.remembered.append((len(logits), binary))
        self.remembered_logits.append(logits)
        return [
            features[m[0] > 0].mean(0) if (m[0] > 0).any() else np.full(3, np.nan, np.float32) for m in logits
        ]


class Aside(FakeEngine):
    """Answers three places beside the object, more than an edge can be moved."""

    def decode(self, conditioned: tuple, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        found = super().decode(conditioned, prompts, multimask=multimask)
        return replace(found, logits=np.roll(found.logits, 3, axis=3))


def stack(parts: list[Candidates]) -> Candidates:
    return Candidates(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("logits", "iou", "pointer", "occlusion")
        )
    )


class Impatient(FakeEngine):
    """Someone presses Ctrl-C, or sends another signal, while a frame is encoded."""

    def __init__(self, at: int, by: int = signal.SIGINT) -> None:
        super().__init__()
        self.at, self.by = at, by

    def encode_image(self, image: np.ndarray) -> np.ndarray:
        if self.calls["encode"] == self.at:
            os.kill(os.getpid(), self.by)
        return super().encode_image(image)


class ArraySource:
    """A video that is a list of pictures; it can break off, as damaged files do."""

    rate: Fraction | None = Fraction(25)

    def __init__(self, images, name: str = "array", breaks_at: int | None = None) -> None:
        self.images, self.name, self.breaks_at = list(images), name, breaks_at
        self.height, self.width = self.images[0].shape[:2] if self.images else (0, 0)
        self.closed = False

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Frame:
        if not 0 <= index < len(self.images):
            raise UnknownFrameError(f"frame {index} is outside the video (0–{len(self.images) - 1})")
        if self.breaks_at is not None and index >= self.breaks_at:
            raise DamagedVideoError(f"the video breaks off at frame {index}")
        return Frame(index, Fraction(index, 25), self.images[index])

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        for index in range(start, stop, step):
            yield self[index]

    def close(self) -> None:
        self.closed = True


def squares(
    frames: int = 12, objects: int = 1, height: int = 96, width: int = 128, hidden: range = range(0)
) -> list[np.ndarray]:
    """Coloured squares that move to the right on grey, one row each; object 1 vanishes in `hidden`."""
    images = []
    for t in range(frames):
        image = np.full((height, width, 3), 120, np.uint8)
        for k in range(objects):
            if k == 0 and t in hidden:
                continue
            x, y = square_at(t, k + 1, width)
            image[y : y + 20, x : x + 20] = COLOURS[k + 1]
        images.append(image)
    return images


def square_at(t: int, object_id: int, width: int = 128) -> tuple[int, int]:
    """Top-left corner of an object's 20 × 20 square at frame t."""
    return (4 + 2 * t + 8 * (object_id - 1)) % (width - 24), 2 + 23 * (object_id - 1)


def inside(t: int, object_id: int, width: int = 128) -> tuple[int, int]:
    """The middle of an object's square: where to click."""
    x, y = square_at(t, object_id, width)
    return x + 10, y + 10


def truth(t: int, object_id: int, height: int = 96, width: int = 128) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    x, y = square_at(t, object_id, width)
    mask[y : y + 20, x : x + 20] = True
    return mask


def write_video(path: Path, options: dict[str, str] | None = None) -> Path:
    """The squares as an MP4 of 8 frames at 25 a second, in the order they are shown."""
    import av

    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"crf": "1", "g": "4", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for image in squares(8, 2):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path
