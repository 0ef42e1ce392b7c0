"""Running one configuration: here, or in a process of its own so that loading and memory are its own."""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from masklet.bench.case import MASKLET, STAGES, Case, Measured
from masklet.bench.clip import Clip
from masklet.bench.stages import Stopwatch, TimedEngine, TimedSink, TimedSource
from masklet.types import FrameMasks

Load = Callable[..., Any]
"""`masklet.load`, or what a test gives for it."""


def measure_apart(case: Case, clip: Clip | None) -> Measured:
    """`measure` in a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(measure, case, clip).result()


def measure(case: Case, clip: Clip | None, load: Load | None = None) -> Measured:
    """Track `case.objects` through the video and tell how long each frame took.

    clip   the truth, when the video shows it
    """
    if case.by != MASKLET:
        from masklet.bench.peers import measure_peer

        return measure_peer(case, clip)
    start = time.perf_counter()
    model = _open(case, load)
    loaded = time.perf_counter() - start
    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        first, found = _track(model, case, watch, Path(folder))
    counted = watch.laps[case.warmup :]
    beside = {name: seconds[case.warmup :] for name, seconds in watch.beside.items()}
    # A frame is read on a thread of its own, but its edges ask for its colours where it is tracked.
    stages = {
        name: float(np.mean(beside.get(name) or [0.0]) + np.mean([lap.get(name, 0.0) for lap in counted]))
        for name in STAGES
    }
    return Measured(
        case=case,
        device=model.engine.device,
        input_size=model.engine.input_size,
        load=loaded,
        first=first,
        totals=tuple(lap["total"] for lap in counted),
        stages=stages,
        peak_memory=peak_memory(),
        iou=None if clip is None or case.random else mean_iou(clip, found, case),
    )


def _track(model: Any, case: Case, watch: Stopwatch, folder: Path) -> tuple[float, dict[int, FrameMasks]]:
    """Seconds to the first mask, and what was found by frame; the watch has the rest."""
    from masklet.predict.session import VideoSession
    from masklet.video.json_masks import CocoJson
    from masklet.video.source import open_source

    start = time.perf_counter()
    source = TimedSource(open_source(case.video), watch)
    found: dict[int, FrameMasks] = {}
    sink = TimedSink(CocoJson(folder / "masks.json"), watch)
    with VideoSession(source, TimedEngine(model.engine, watch), close_source=True) as session:
        for number, box in enumerate(case.boxes[: case.objects]):
            session.prompt(0, number + 1, box=box)
            if number == 0:
                first = time.perf_counter() - start
        watch.start()
        for frame, masks in session.propagate("forward", limit=case.frames - 1):
            sink.write(frame, masks)
            watch.lap()
            found[frame.index] = masks
    sink.close()
    return first, found


def mean_iou(clip: Clip, found: Mapping[int, FrameMasks], case: Case) -> float:
    """Over the counted frames and all objects."""
    return float(
        np.mean(
            [
                masks.masks[number + 1].iou(clip.truth(number, t))
                for t, masks in found.items()
                if t >= case.warmup
                for number in range(case.objects)
            ]
        )
    )


def _open(case: Case, load: Load | None) -> Any:
    from masklet import loading

    given: dict[str, Any] = {
        "device": case.device,
        "dtype": case.dtype,
        "input_size": case.input_size,
        "engine": case.engine,
        "compiled": case.compiled or None,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    if case.random:
        from masklet.bench.random_weights import random_model

        return random_model(case)
    return (load or loading.load)(case.model, **{"device": None, **chosen})


def peak_memory() -> int | None:
    """Most bytes this process has held in memory; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak
