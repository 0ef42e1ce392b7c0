"""Rows on a Ray cluster: a Ray Data pipeline whose stages decode, track and encode steps.

The steps go through in the order "first step of every row, second step of every row, …", so that the
workers are at different rows; a step waits for the session of the one before it. A worker that dies is
started again by Ray, and the step it was at comes again; see `stages.attempt` for what limits that.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from masklet.batch.job import Job
from masklet.batch.ledger import Result, RowFiles
from masklet.batch.manifest import Row
from masklet.batch.stages import CountSteps, DecodeFrames, EncodeMasks, Item, Stage, TrackRows, item_of
from masklet.errors import ConfigError, MaskletError, MissingExtraError

LOOK_SECONDS = 0.5
QUIET = ("ray", "ray.data")


@dataclass(frozen=True)
class RayOptions:
    """What the pipeline may use.

    workers     models at work at once
    cpus, gpus  of each of them
    batch       steps that one call of a stage takes
    address     of the cluster; None: one that runs already, or one started on this machine for the run
    side_cpus   CPUs of a task that decodes or encodes
    """

    workers: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    batch: int = 1
    address: str | None = None
    side_cpus: float = 0.5

    def __post_init__(self) -> None:
        for name, least in (("workers", 1), ("cpus", 0), ("gpus", 0), ("batch", 1), ("side_cpus", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")


def run(rows: Sequence[Row], job: Job, stop: threading.Event, *, options: RayOptions) -> Iterator[Result]:
    """Do every row; results come as they are done. Setting `stop` ends it, and what is done stays.

    raises   MissingExtraError without Ray; MaskletError when the cluster or the pipeline fails
    """
    if not rows:
        return
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--engine ray needs Ray: pip install 'masklet[ray]'") from error
    with _cluster(ray, options):
        try:
            yield from _rounds([RowFiles.of(job, row) for row in rows], job, stop, options)
        except ray.exceptions.RayError as error:
            raise MaskletError(f"the Ray pipeline failed: {_last_line(error)}") from error


def _rounds(rows: list[RowFiles], job: Job, stop: threading.Event, options: RayOptions) -> Iterator[Result]:
    """Pipelines until every row is over; mostly one, more when steps had to wait too long."""
    by_line = {files.row.line: files for files in rows}
    counts: dict[int, int] = {}
    dataset = _dataset([item_of(files.row, 0) for files in rows], options)
    for item in _stream(dataset, [CountSteps(job)], options, stop):
        if item["error"]:
            yield by_line.pop(item["line"]).fail(item["error"])
        else:
            counts[item["line"]] = item["step"]
    before: dict[int, int] = {}
    while not stop.is_set():
        done = {line: files.steps_done() for line, files in by_line.items()}
        for line, files in list(by_line.items()):
            damage = files.damage()
            if damage is not None or done[line] >= counts[line]:  # killed right before it was put together
                yield by_line.pop(line).finish(damage)
        if not by_line:
            return
        if done == before:
            for files in by_line.values():
                yield files.fail("its steps came to no end; run again, with fewer workers")
            return
        before = done
        items = _in_turn({line: files.row for line, files in by_line.items()}, done, counts)
        stages: list[Stage | type[TrackRows]] = [DecodeFrames(job), TrackRows, EncodeMasks(job)]
        for item in _stream(_dataset(items, options), stages, options, stop, job):
            line = item["line"]
            result = by_line[line].any_result() if line in by_line and item["state"] == "done" else None
            if result is not None:
                del by_line[line]
                yield result


def _in_turn(rows: Mapping[int, Row], done: Mapping[int, int], counts: Mapping[int, int]) -> list[Item]:
    """Every step that is left: the first of each row, then the second of each, …"""
    left = {line: range(done[line], counts[line]) for line in rows}
    rounds = range(max(len(steps) for steps in left.values()))
    return [item_of(rows[line], steps[i]) for i in rounds for line, steps in left.items() if i < len(steps)]


def _dataset(items: list[Item], options: RayOptions) -> Any:
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    return ray.data.from_items(items, override_num_blocks=math.ceil(len(items) / options.batch))


def _stream(
    dataset: Any,
    stages: Sequence[Stage | type[TrackRows]],
    options: RayOptions,
    stop: threading.Event,
    job: Job | None = None,
) -> Iterator[Item]:
    """What comes out of the stages, as it comes; ends early when `stop` is set."""
    for stage in stages:
        dataset = _staged(dataset, stage, options, job)
    found: queue.Queue[Item | BaseException | None] = queue.Queue()

    def consume() -> None:
        try:
            for item in dataset.iter_rows():
                found.put(item)
            found.put(None)
        except BaseException as error:
            found.put(error)

    # In a thread of its own: waiting for Ray cannot be interrupted, waiting for a queue can.
    threading.Thread(target=consume, daemon=True).start()
    while not stop.is_set():
        try:
            item = found.get(timeout=LOOK_SECONDS)
        except queue.Empty:
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item


def _staged(dataset: Any, stage: Stage | type[TrackRows], options: RayOptions, job: Job | None) -> Any:
    import ray

    if isinstance(stage, Stage):  # a plain function: tasks on any machine, started again when they die
        return dataset.map_batches(
            stage.__call__,
            batch_size=options.batch,
            num_cpus=options.side_cpus,
            max_retries=stage.job.retries + 2,
        )
    return dataset.map_batches(
        stage,
        fn_constructor_args=(job,),
        batch_size=options.batch,
        compute=ray.data.ActorPoolStrategy(size=options.workers),
        num_cpus=options.cpus,
        num_gpus=options.gpus,
        max_restarts=-1,
        max_task_retries=-1,
    )


@contextmanager
def _cluster(ray: Any, options: RayOptions) -> Iterator[None]:
    """A connection to a cluster while the block runs; one that the caller has made stays."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    levels = {name: logging.getLogger(name).level for name in QUIET}
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if options.address is not None:
        settings["address"] = options.address
    else:
        settings["include_dashboard"] = False
        settings["num_cpus"] = math.ceil(options.workers * options.cpus + 2 * options.side_cpus + 1)
    try:
        ray.init(**settings)
    except Exception as error:  # Ray raises plain Exception, too, when it does not start
        raise MaskletError(
            f"cannot reach Ray ({_last_line(error)}); check --address, or start it again"
        ) from error
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        ray.shutdown()


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
