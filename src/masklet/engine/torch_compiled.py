"""The PyTorch engine with its verbs compiled: `torch.compile` of each as a whole, with few fixed shapes.

A compiled graph is of one shape, and compiling takes the better part of a minute. So what varies from frame
to frame is filled up: objects to the next power of two, memories and pointers to what a full memory bank
holds (what fills is hidden from attention). On a GPU the graphs are replayed as CUDA graphs, which costs the
processor one launch instead of hundreds. Prompts vary too much and are rare: with them, decoding stays plain.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.engine.protocol import Fovea, MemoryReading, PromptBatch
from masklet.engine.torch_engine import Seen, TorchEngine, candidates_of
from masklet.model.sam2 import Decoded, Features, Prompts, Reading, Sam2
from masklet.types import Candidates

_log = logging.getLogger(__name__)

MOST_SHAPES = 64
"""Graphs kept of one verb; PyTorch's own limit of eight would send later shapes back to plain code."""


@dataclass(frozen=True)
class Shape:
    """What a reading is filled up to."""

    objects: int
    memories: int
    pointers: int


def shape_for(objects: int, memories: int, pointers: int, slots: int, pointer_limit: int) -> Shape:
    """The smallest fixed shape that holds a reading.

    Memories and pointers: a full bank with one prompted frame; with more of them, `slots` and `pointer_limit`
    more at a time.
    """
    return Shape(
        power_of_two(objects),
        slots * -(-max(1, memories) // slots),
        pointer_limit * -(-max(1, pointers) // pointer_limit),
    )


class Compiled:
    """A function that is compiled at its first call, or called as it is where that cannot be.

    name      for the log
    backend   of `torch.compile`; "inductor" on a GPU replays CUDA graphs
    """

    def __init__(self, name: str, function: Callable[..., Any], backend: str, *, on_gpu: bool) -> None:
        self._name, self._plain = name, function
        mode = "reduce-overhead" if on_gpu and backend == "inductor" else None
        self._quick: Callable[..., Any] | None = torch.compile(
            function, fullgraph=True, dynamic=False, backend=backend, mode=mode
        )

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        if self._quick is not None:
            from torch._dynamo import config

            try:
                with config.patch(recompile_limit=MOST_SHAPES):
                    return self._quick(*inputs, **named)
            except Exception as error:
                reason = " ".join(str(error).split())[:200]
                _log.warning("%s cannot be compiled here and runs as it is: %s", self._name, reason)
                self._quick = None
        return self._plain(*inputs, **named)


class CompiledTorchEngine(TorchEngine):
    """As `TorchEngine`; the first frames of each shape are slow, all others quick.

    backend   of `torch.compile`
    """

    def __init__(
        self, model: Sam2, device: str | None = None, dtype: str | None = None, backend: str = "inductor"
    ) -> None:
        super().__init__(model, device, dtype)
        self.device += " compiled"
        # A graph for every side and number of objects would cost more than it saves.
        self.block = 0
        # A CUDA graph belongs to the thread that recorded it.
        self.encodes_ahead = 0
        on_gpu = self._device.type == "cuda"
        net = self._model

        def decode_nothing(image: Tensor, stride8: Tensor, stride4: Tensor, *, multimask: bool) -> Decoded:
            points = image.new_zeros(len(image), 0, 2, dtype=torch.float32)
            labels = torch.zeros(len(image), 0, dtype=torch.long, device=image.device)
            features = Features(image, stride8, stride4)
            return net.decode(features, Prompts(points, labels), multimask=multimask)

        self._encode = Compiled("encode", net.encode, backend, on_gpu=on_gpu)
        self._read = Compiled("condition", net.condition, backend, on_gpu=on_gpu)
        self._decode_nothing = Compiled("decode", decode_nothing, backend, on_gpu=on_gpu)
        self._remember = Compiled("remember", net.remember, backend, on_gpu=on_gpu)

    def encode_image(self, image: np.ndarray) -> Features:
        with torch.inference_mode(), self._autocast():
            return _kept(self._encode(self._pixels(image)))

    def condition(
        self, features: Features, reading: MemoryReading | None, foveas: Sequence[Fovea] | None = None
    ) -> Features | Seen:
        if reading is None or foveas:
            return super().condition(features, reading, foveas)
        objects = len(reading.pointers)
        shape = shape_for(
            objects, len(reading.features), reading.pointers.shape[1], self.slots, self.pointer_limit
        )
        with torch.inference_mode(), self._autocast():
            conditioned = _kept(self._read(features, self._filled(reading, shape)))
        return features.conditioned(conditioned.stride16[:objects])

    def decode(self, conditioned: Features | Seen, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        if isinstance(conditioned, Seen) or prompts.points.shape[1] or prompts.prior is not None:
            return super().decode(conditioned, prompts, multimask=multimask)
        objects = len(prompts.points)
        image = conditioned.stride16.expand(objects, -1, -1, -1)
        with torch.inference_mode(), self._autocast():
            decoded = self._decode_nothing(
                _more_rows(image, power_of_two(objects)),
                conditioned.stride8,
                conditioned.stride4,
                multimask=multimask,
            )
            return candidates_of(
                Decoded(
                    decoded.logits[:objects],
                    decoded.iou[:objects],
                    decoded.pointers[:objects],
                    decoded.occlusion[:objects],
                )
            )

    def remember(
        self, features: Features, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[Tensor]:
        objects = len(logits)
        with torch.inference_mode(), self._autocast():
            memory = self._remember(
                features,
                _more_rows(self._tensor(logits), power_of_two(objects)),
                _more_rows(self._tensor(occlusion), power_of_two(objects)),
                binary=binary,
            )
            return [memory[i : i + 1].clone() for i in range(objects)]

    def _filled(self, reading: MemoryReading, shape: Shape) -> Reading:
        """The reading in the fixed shape, with what is missing said."""
        maps = [_more_rows(torch.cat(list(objects)), shape.objects) for objects in reading.features]
        # Each its own: graphs are kept apart by which of their inputs are one and the same.
        maps += [torch.zeros_like(maps[0]) for _ in range(shape.memories - len(maps))]
        pointers = _more_rows(self._tensor(reading.pointers), shape.objects)
        there = pointers.shape[1]
        pointers = F.pad(pointers, (0, 0, 0, shape.pointers - there))
        missing = torch.ones(shape.memories + shape.pointers, dtype=torch.bool)
        missing[: len(reading.features)] = False
        missing[shape.memories : shape.memories + there] = False
        return Reading(
            maps,
            self._row(reading.slots, shape.memories, torch.long),
            pointers,
            self._row(reading.distances, shape.pointers, torch.float32),
            missing.to(self._device),
        )

    def _row(self, numbers: Sequence[int], length: int, dtype: torch.dtype) -> Tensor:
        filled = [*numbers, *[0] * (length - len(numbers))]
        return torch.tensor(filled, dtype=dtype, device=self._device)


def power_of_two(objects: int) -> int:
    """The smallest one that is not less."""
    return 1 << max(0, objects - 1).bit_length()


def _more_rows(rows: Tensor, count: int) -> Tensor:
    """The same with its first row again until there are so many."""
    if len(rows) == count:
        return rows
    return torch.cat((rows, rows[:1].expand(count - len(rows), *rows.shape[1:])))


def _kept(features: Features) -> Features:
    """A copy: a CUDA graph writes its next results over these."""
    return Features(features.stride16.clone(), features.stride8.clone(), features.stride4.clone())
