"""Decode, track, encode: a step's way through three callables, each at home in a process of its own.

They take and give batches as Ray Data has them, columns by name, and know nothing of Ray: `TrackRows` is
as well a Ray Serve deployment, or a plain function. What they agree on lies in the store (see ledger):

line, row     a row's line and its JSON
step          the step's number; -1 asks TrackRows for the whole row, from video to result
frames        bytes of HeldFrames, empty when there are none
part          bytes of the step's Part, empty when there is none
state         "open" on the way; "done": there is a result; "later": the step before is not over yet
error         why the row fails, empty when it does not
"""

from __future__ import annotations

import faulthandler
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from masklet.batch.held import HeldFrames
from masklet.batch.job import Job
from masklet.batch.ledger import RowFiles
from masklet.batch.manifest import Row, row_of
from masklet.batch.parts import Part
from masklet.batch.steps import Step, steps_of
from masklet.batch.storage import fetched
from masklet.batch.track import check_prompts, track_step
from masklet.batch.whole import work
from masklet.errors import MaskletError
from masklet.predict.segmenter import Segmenter

Batch = Mapping[str, Sequence[Any]]
Item = dict[str, Any]

COLUMNS = ("line", "row", "step", "frames", "part", "state", "error")
WAIT_SECONDS = 30.0
"""How long a step waits for the one before, which another worker is at; then it comes again later."""
LOOK_SECONDS = 0.1
STDERR = 2


def item_of(row: Row, step: int) -> Item:
    """A step as it enters the first stage."""
    empty = {"frames": b"", "part": b"", "state": "open", "error": ""}
    return {"line": row.line, "row": json.dumps(row.given), "step": step, **empty}


class Stage:
    """What the three have in common: batches in and out, and rows that are over pass through."""

    name = ""

    def __init__(self, job: Job) -> None:
        self.job = job

    def __call__(self, batch: Batch) -> dict[str, list[Any]]:
        count = len(batch["row"])
        done = [self._one({name: batch[name][i] for name in COLUMNS if name in batch}) for i in range(count)]
        return {name: [one[name] for one in done] for name in COLUMNS}

    def _one(self, given: Item) -> Item:
        row = row_of(int(given.get("line", 0)), json.loads(given["row"]))
        files = RowFiles.of(self.job, row)
        item = {**item_of(row, -1), **given}
        item["step"] = int(item["step"])
        if item["state"] != "open" or item["error"]:
            return item
        if files.any_result() is not None:
            return over(item)
        try:
            return self.do(item, files)
        except MaskletError as error:
            return {**over(item, "open"), "error": str(error)}
        except Exception as error:
            # One row must not cost the others.
            return {**over(item, "open"), "error": f"unexpected {type(error).__name__}: {error}"}

    def do(self, item: Item, files: RowFiles) -> Item:
        raise NotImplementedError


def over(item: Item, state: str = "done") -> Item:
    """The item without what it carried."""
    return {**item, "frames": b"", "part": b"", "state": state}


class CountSteps(Stage):
    """Opens the video once and says in `step` how many steps the row has."""

    name = "count"

    def do(self, item: Item, files: RowFiles) -> Item:
        with attempt(files, self.name, 0), _opened(files) as (_, steps):
            return {**item, "step": len(steps)}


class DecodeFrames(Stage):
    """Fetches and opens the video and decodes what the step needs."""

    name = "decode"

    def do(self, item: Item, files: RowFiles) -> Item:
        if item["step"] < files.steps_done():
            return over(item)
        with attempt(files, self.name, item["step"]), _opened(files) as (source, steps):
            if item["step"] >= len(steps):
                return over(item)
            held = HeldFrames.of(source, steps[item["step"]].read)
            return {**item, "frames": held.to_bytes()}


class TrackRows(Stage):
    """Holds a model and carries steps, or whole rows, on."""

    name = "track"

    def __init__(self, job: Job, model: Segmenter | None = None) -> None:
        super().__init__(job)
        self.model = model or job.model.load()

    def do(self, item: Item, files: RowFiles) -> Item:
        if item["step"] < 0:
            with attempt(files, self.name, 0):
                work(files, self.model)
            return over(item)
        if item["step"] < files.steps_done():
            return over(item)
        held = HeldFrames.from_bytes(item["frames"])
        step = steps_of(files.row, len(held), self.job.chunk)[item["step"]]
        if not _session_there(files, step):
            return over(item, "later")
        with (
            attempt(files, self.name, step.number),
            files.sessions(step.number, last=step.last) as (taken, handed),
        ):
            part = track_step(self.model, held, files.row, step, taken, handed)
        return {**item, "frames": b"", "part": part.to_bytes()}


class EncodeMasks(Stage):
    """Stores what a step found; after the last one the row's masks and result."""

    name = "encode"

    def _one(self, given: Item) -> Item:
        item = super()._one(given)
        if item["error"] and item["state"] == "open":
            RowFiles.of(self.job, row_of(int(item["line"]), json.loads(item["row"]))).fail(item["error"])
            return over(item)
        return item

    def do(self, item: Item, files: RowFiles) -> Item:
        part = Part.from_bytes(item["part"])
        count = len(steps_of(files.row, part.length, self.job.chunk))
        files.store_part(item["step"], item["part"])
        if files.steps_done() == count or part.damage is not None:
            files.finish(part.damage)
            return over(item)
        return over(item, "stored")


@contextmanager
def _opened(files: RowFiles) -> Iterator[tuple[Any, list[Step]]]:
    """The row's video and its steps on it."""
    from masklet.video.source import open_source

    with fetched(files.row.video) as path, closing(open_source(path)) as source:
        check_prompts(files.row, source)
        yield source, steps_of(files.row, len(source), files.job.chunk)


def _session_there(files: RowFiles, step: Step) -> bool:
    """Wait for what the step before hands over."""
    until = time.monotonic() + WAIT_SECONDS
    while step.number and not files.has_session(step.number - 1):
        if time.monotonic() >= until or files.any_result() is not None:
            return False
        time.sleep(LOOK_SECONDS)
    return True


@contextmanager
def attempt(files: RowFiles, stage: str, step: int) -> Iterator[None]:
    """A try that may take its process with it.

    It leaves a sign that goes when it ends in any way a process survives; signs that stayed tell how
    often it did not. A watchdog that needs no Python ends the process when the row's time is up.

    raises   MaskletError when there were too many, or when the last one was ended for its time
    """
    from masklet.batch.processes import died, too_long

    job, signs = files.job, f"{files.parts}/attempt-{stage}-{step}-"
    earlier = [name for name in job.out.names(files.parts) if f"{files.parts}/{name}".startswith(signs)]
    began = [float(job.out.read(f"{files.parts}/{name}")) for name in earlier]
    limit = job.time_limit
    left = None
    if limit is not None:
        left = limit - files.spent()
        if left <= 0 or (began and time.time() - max(began) >= left):
            raise MaskletError(too_long(limit))
    if len(earlier) > job.retries:
        raise MaskletError(died(f"at {stage}, step {step}", len(earlier)))
    sign = f"{signs}{len(earlier)}"
    job.out.write(sign, str(time.time()).encode())
    if left is not None:
        faulthandler.dump_traceback_later(left, exit=True, file=STDERR)
    try:
        yield
    finally:
        if left is not None:
            faulthandler.cancel_dump_traceback_later()
        for name in [*earlier, sign.rsplit("/", 1)[-1]]:
            job.out.remove(f"{files.parts}/{name}")
