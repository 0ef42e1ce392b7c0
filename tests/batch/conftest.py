"""A folder for the fake workers' signs, and jobs that use them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes_batch import SPEC
from masklet.batch import processes
from masklet.batch.job import Job
from masklet.batch.ledger import Result
from masklet.batch.manifest import read_manifest
from masklet.batch.run import run_batch
from masklet.batch.storage import Store


@pytest.fixture
def signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the fake engines leave their signs, in whatever process they are."""
    folder = tmp_path / "signs"
    folder.mkdir()
    monkeypatch.setenv("FAKE_BATCH", str(folder))
    return folder


@pytest.fixture
def job(tmp_path: Path, signs: Path) -> Job:
    return Job(Store(str(tmp_path / "out")), SPEC, chunk=4)


@pytest.fixture
def done() -> Callable[..., list[Result]]:
    """Run a manifest with processes; results in its order."""

    def run(job: Job, path: Path, workers: int = 1, engine: Any = None) -> list[Result]:
        rows, refusals = read_manifest(path.read_text(), str(path.parent))

        def by_processes(rows: Any, job: Job, stop: threading.Event) -> Any:
            return processes.run(rows, job, workers=workers, stop=stop)

        found = list(run_batch(rows, refusals, job, engine or by_processes, threading.Event()))
        return sorted(found, key=lambda result: result["line"])

    return run
