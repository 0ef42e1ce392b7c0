"""Rows in worker processes: one that dies or hangs costs itself; what was done stays, whoever is killed."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fakes_batch import HANGS, KILLS, KILLS_ONCE, SPEC, encoded, film, manifest, row
from masklet.batch import processes
from masklet.batch.job import Job, ModelSpec
from masklet.batch.ledger import RowFiles
from masklet.batch.manifest import read_manifest, row_of
from masklet.batch.stages import attempt
from masklet.batch.storage import Store
from masklet.errors import ConfigError, MaskletError


def test_bad_and_poisonous_rows_are_isolated(job: Job, tmp_path: Path, signs: Path, done) -> None:
    lines = manifest(
        tmp_path / "m.jsonl",
        row(film(tmp_path / "poison", moods={5: KILLS}), id="poison"),
        "not a row",
        row(film(tmp_path / "once", moods={7: KILLS_ONCE})),
        row(film(tmp_path / "fine")),
        row("fine", id="the same again"),
    )
    (signs / "killed").unlink(missing_ok=True)
    found = done(job, lines, workers=2)
    assert [one["status"] for one in found] == ["failed", "refused", "done", "done", "done"]
    assert [one["line"] for one in found] == [1, 2, 3, 4, 5]
    assert found[0]["error"].startswith("its worker process died (SIGKILL), 2 times; check the video")
    assert found[4]["masks"] == found[3]["masks"]
    assert (found[3]["id"], found[4]["id"]) == (None, "the same again")
    written = [json.loads(line) for line in job.out.read("results.jsonl").splitlines()]
    assert written == found
    before = encoded(signs)
    again = done(job, manifest(tmp_path / "done.jsonl", *(row(tmp_path / n) for n in ("once", "fine"))))
    assert [one["masks"] for one in again] == [found[2]["masks"], found[3]["masks"]]
    assert encoded(signs) == before


def test_a_row_that_hangs_is_stopped(job: Job, tmp_path: Path, done) -> None:
    lines = manifest(
        tmp_path / "m.jsonl", row(film(tmp_path / "hangs", moods={5: HANGS})), row(film(tmp_path / "fine", 2))
    )
    found = done(dataclasses.replace(job, time_limit=20.0), lines)
    assert (
        found[0]["error"] == "it took longer than 20 s; give more time with --time-limit, or a shorter range"
    )
    assert found[1]["status"] == "done"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (dataclasses.replace(SPEC, model="lost"), "no model is called lost"),
        (ModelSpec(loader="nosuch:load"), "loader 'nosuch:load' cannot be found"),
    ],
)
def test_a_model_that_cannot_be_opened_ends_the_run(job: Job, tmp_path: Path, done, spec, message) -> None:
    lines = manifest(tmp_path / "m.jsonl", row(film(tmp_path / "fine", 2)))
    with pytest.raises(MaskletError, match=message):
        done(dataclasses.replace(job, model=spec), lines)


def test_stopping_keeps_what_is_done(job: Job, tmp_path: Path) -> None:
    """Ctrl-C: finished rows have their masks and results; the one at hand keeps its steps."""
    lines = manifest(
        tmp_path / "m.jsonl", row(film(tmp_path / "fine", 2)), row(film(tmp_path / "hangs", moods={5: HANGS}))
    )
    rows, _ = read_manifest(lines.read_text())
    hangs = RowFiles.of(job, rows[1])
    stop = threading.Event()
    results = []

    def soon() -> None:
        while not hangs.steps_done() and not stop.wait(0.05):
            pass
        stop.set()

    watcher = threading.Thread(target=soon)
    watcher.start()
    for result in processes.run(rows, job, workers=1, stop=stop):
        results.append(result)
    watcher.join()
    assert [one["line"] for one in results] == [1]
    assert Path(results[0]["masks"]).is_file()
    assert hangs.steps_done() == 1
    assert hangs.any_result() is None


def test_outputs_that_cannot_be_written_end_the_run(tmp_path: Path, signs: Path, done) -> None:
    (tmp_path / "out").write_text("a file where the folder is to be")
    lines = manifest(tmp_path / "m.jsonl", row(film(tmp_path / "fine", 2)))
    with pytest.raises(MaskletError, match=r"out.*(Not a directory|File exists)"):
        done(Job(Store(str(tmp_path / "out")), SPEC), lines)


@pytest.mark.parametrize("change", [{"chunk": 0}, {"retries": -1}, {"time_limit": 0.0}])
def test_limits_are_checked(change: dict) -> None:
    with pytest.raises(ConfigError, match="must be"):
        Job(Store("out"), **change)


HANGING = """
import sys, time
from masklet.batch.job import Job
from masklet.batch.ledger import RowFiles
from masklet.batch.manifest import row_of
from masklet.batch.stages import attempt
from masklet.batch.storage import Store
job = Job(Store(sys.argv[1]), time_limit=0.5)
with attempt(RowFiles.of(job, row_of(1, {"video": "v", "prompts": [{"clicks": [[1, 1]]}]})), "track", 0):
    time.sleep(3600)
"""


def test_the_watchdog_of_an_attempt(tmp_path: Path) -> None:
    """A process that hangs ends itself, and who tries next learns why."""
    job = Job(Store(str(tmp_path)), time_limit=0.5)
    files = RowFiles.of(job, row_of(1, {"video": "v", "prompts": [{"clicks": [[1, 1]]}]}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(tmp_path)], env=environment, capture_output=True, timeout=300
    )
    assert ended.returncode == 1
    assert b"Timeout" in ended.stderr
    with pytest.raises(MaskletError, match=r"it took longer than 0\.5 s"), attempt(files, "track", 0):
        raise AssertionError("begun again")
    files.forget_failure()
    with attempt(files, "track", 0):  # another run tries again
        assert job.out.names(files.parts) == ["attempt-track-0-0"]
    assert job.out.names(files.parts) == []


def test_attempts_that_died_are_counted(tmp_path: Path) -> None:
    job = Job(Store(str(tmp_path)), retries=1)
    files = RowFiles.of(job, row_of(1, {"video": "v", "prompts": [{"clicks": [[1, 1]]}]}))
    for number in range(2):
        job.out.write(f"{files.parts}/attempt-decode-3-{number}", str(time.time()).encode())
    with attempt(files, "track", 3), attempt(files, "decode", 4):
        pass
    with (
        pytest.raises(MaskletError, match=r"died \(at decode, step 3\), 2 times"),
        attempt(files, "decode", 3),
    ):
        raise AssertionError("begun again")
