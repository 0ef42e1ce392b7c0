"""Watching a session from outside: an engine, a source and a sink that tell how long they took."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

import numpy as np

from masklet.engine.protocol import Engine, Fovea, MemoryReading, PromptBatch
from masklet.types import Candidates, Frame, FrameMasks
from masklet.video.protocol import FrameSource, MaskSink


class Stopwatch:
    """Seconds by stage and frame. A frame's own thread is the one that calls `lap`."""

    def __init__(self) -> None:
        self.laps: list[dict[str, float]] = []
        self.beside: dict[str, list[float]] = defaultdict(list)
        """Seconds of each item of work on other threads (decoding, encoding ahead), by stage."""
        self._home = threading.get_ident()
        self._current: dict[str, float] = defaultdict(float)
        self._start = time.perf_counter()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            if threading.get_ident() == self._home:
                self._current[stage] += seconds
            else:
                self.beside[stage].append(seconds)

    def start(self) -> None:
        """Forget what was until now; the first frame begins."""
        self.laps.clear()
        self._current.clear()
        self._start = time.perf_counter()

    def lap(self) -> None:
        """A frame is done."""
        now = time.perf_counter()
        total = now - self._start
        lap = dict(self._current)
        lap["rest"] = total - sum(lap.values())
        lap["total"] = total
        self.laps.append(lap)
        self._current.clear()
        self._start = now


class TimedEngine:
    """An engine whose verbs are timed."""

    def __init__(self, engine: Engine, watch: Stopwatch) -> None:
        self._engine, self._watch = engine, watch
        self.name, self.device, self.input_size = engine.name, engine.device, engine.input_size
        self.slots, self.pointer_limit = engine.slots, engine.pointer_limit
        self.encodes_ahead, self.block = engine.encodes_ahead, engine.block

    def encode_image(self, image: np.ndarray) -> Any:
        with self._watch("encode"):
            return self._engine.encode_image(image)

    def condition(
        self, features: Any, reading: MemoryReading | None, foveas: Sequence[Fovea] | None = None
    ) -> Any:
        with self._watch("condition"):
            return self._engine.condition(features, reading, foveas)

    def decode(self, conditioned: Any, prompts: PromptBatch, *, multimask: bool) -> Candidates:
        with self._watch("decode_masks"):
            return self._engine.decode(conditioned, prompts, multimask=multimask)

    def decode_mask(self, features: Any, masks: np.ndarray) -> Candidates:
        with self._watch("decode_masks"):
            return self._engine.decode_mask(features, masks)

    def remember(
        self, features: Any, logits: np.ndarray, occlusion: np.ndarray, *, binary: bool
    ) -> list[Any]:
        with self._watch("remember"):
            return self._engine.remember(features, logits, occlusion, binary=binary)


class TimedFrame(Frame):
    """A frame that tells what its pixels cost, on whichever thread asks for them."""

    _frame: Frame
    _watch: Stopwatch

    def __init__(self, frame: Frame, watch: Stopwatch) -> None:
        self.__dict__.update(index=frame.index, time=frame.time, _frame=frame, _watch=watch)

    @property
    def height(self) -> int:
        return self._frame.height

    @property
    def width(self) -> int:
        return self._frame.width

    @property
    def image(self) -> np.ndarray:  # type: ignore[override]
        with self._watch("decode"):
            return self._frame.image

    def fitted(self, side: int) -> np.ndarray:
        with self._watch("preprocess"):
            return self._frame.fitted(side)

    def at(self, index: int) -> TimedFrame:
        return TimedFrame(self._frame.at(index), self._watch)


class TimedSource:
    """A source whose frames are timed one by one, on whichever thread reads them."""

    def __init__(self, source: FrameSource, watch: Stopwatch) -> None:
        self._source, self._watch = source, watch
        self.name, self.width, self.height = source.name, source.width, source.height
        self.rate: Fraction | None = source.rate
        self.concurrent = getattr(source, "concurrent", False)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        with self._watch("decode"):
            return TimedFrame(self._source[index], self._watch)

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        frames = self._source.read(start, stop, step)
        while True:
            with self._watch("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            yield TimedFrame(frame, self._watch)

    def close(self) -> None:
        self._source.close()


class TimedSink:
    """A sink whose writing is timed."""

    def __init__(self, sink: MaskSink, watch: Stopwatch) -> None:
        self._sink, self._watch = sink, watch

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        with self._watch("write"):
            self._sink.write(frame, masks)

    def close(self) -> None:
        self._sink.close()
