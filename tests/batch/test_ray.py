"""A real Ray on this machine: two workers, one killed in the middle; the same callable in Ray Serve."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fakes_batch import KILLS, SPEC, WAITS, film, load, manifest, row
from masklet.batch.job import Job
from masklet.batch.ledger import RowFiles
from masklet.batch.manifest import row_of
from masklet.batch.stages import TrackRows
from masklet.batch.storage import Store
from masklet.batch.whole import work

ray = pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TIMEOUT = 600
PATIENCE = {
    "RAY_agent_register_timeout_ms": f"{TIMEOUT}000",
    "RAY_raylet_start_wait_time_s": f"{TIMEOUT}",
    "RAY_worker_register_timeout_seconds": f"{TIMEOUT}",
    "RAY_health_check_timeout_ms": f"{TIMEOUT}000",
    "RAY_worker_niceness": "0",
}
"""On a busy machine Ray's own processes take minutes to start, and it would give them up."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Ray with two processors and little memory; gives the folder of its workers' signs."""
    signs = tmp_path_factory.mktemp("signs")
    logs = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets have short names
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAKE_BATCH", str(signs))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        for name, value in PATIENCE.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        try:
            started(logs)
            yield signs
        finally:
            ray.shutdown()
            shutil.rmtree(logs, ignore_errors=True)


def started(logs: str) -> None:
    """Start Ray, which gives itself 30 seconds; on a busy machine the second try may do it."""
    for attempts_left in (2, 1, 0):
        try:
            ray.init(
                address="local",
                num_cpus=2,
                object_store_memory=100 * 2**20,
                include_dashboard=False,
                log_to_driver=False,
                _temp_dir=logs,
            )
            return
        except Exception as error:
            ray.shutdown()
            if not attempts_left:
                pytest.skip(f"Ray does not start on this machine: {error}")


def kill_who_waits(signs: Path, gone: threading.Event, killed: list[int]) -> None:
    """Kill the worker that a picture keeps waiting, then let its successor go on."""
    while not gone.wait(0.05):
        if found := list(signs.glob("waiting-*")):
            killed.append(int(found[0].name.partition("-")[2]))
            os.kill(killed[0], signal.SIGKILL)
            break
    (signs / "go").touch()


def test_two_workers_one_killed_in_the_middle(cluster: Path, tmp_path: Path, done) -> None:
    from masklet.batch import ray_engine

    job = Job(Store(str(tmp_path / "out")), SPEC, chunk=4)
    videos = [
        film(tmp_path / "first", 10),
        film(tmp_path / "killed", 10, moods={6: WAITS}),
        film(tmp_path / "poison", 10, moods={5: KILLS}),
        tmp_path / "lost.mp4",
    ]
    lines = manifest(tmp_path / "m.jsonl", *(row(video) for video in videos))
    options = ray_engine.RayOptions(workers=2, cpus=0.5)
    gone, killed = threading.Event(), list[int]()
    killer = threading.Thread(target=kill_who_waits, args=(cluster, gone, killed))
    killer.start()
    try:
        found = done(job, lines, engine=partial(ray_engine.run, options=options))
    finally:
        gone.set()
        killer.join()
    assert killed
    assert [one["status"] for one in found] == ["done", "done", "failed", "failed"]
    assert "worker process died" in found[2]["error"]
    assert "2 times" in found[2]["error"]
    assert "lost.mp4" in found[3]["error"]
    # The same masks as in one process where nobody dies.
    alone = Job(Store(str(tmp_path / "alone")), SPEC, chunk=4)
    for one, video in zip(found[:2], videos, strict=False):
        calm = work(RowFiles.of(alone, row_of(1, row(video))), load("any"))
        assert Path(one["masks"]).read_bytes() == Path(calm["masks"]).read_bytes()
        assert one["statistics"] == calm["statistics"]
    assert job.out.names("masks") == sorted(f"{one['key']}.json" for one in found[:2])
    # Rows that are done are not done again, so Ray is not even asked.
    again = manifest(tmp_path / "again.jsonl", *(row(video) for video in videos[:2]))
    assert [one["masks"] for one in done(job, again, engine=None)] == [one["masks"] for one in found[:2]]


def test_the_callable_serves(cluster: Path, tmp_path: Path) -> None:
    """What Ray Data has as its actor is a Ray Serve deployment as it is."""
    serve = pytest.importorskip("ray.serve", reason="Ray Serve is not installed (ray[serve])")
    job = Job(Store(str(tmp_path / "out")), SPEC, chunk=4)
    given = row(film(tmp_path / "clip", 6))
    serve.start(proxy_location="Disabled")
    try:
        deployment = serve.deployment(TrackRows).options(ray_actor_options={"num_cpus": 0.5})
        handle = serve.run(deployment.bind(job), name="masklet", route_prefix=None)
        answer = handle.remote({"row": [json.dumps(given)]}).result(timeout_s=TIMEOUT)
    finally:
        serve.shutdown()
    assert answer["state"] == ["done"]
    found = RowFiles.of(job, row_of(1, given)).result()
    assert found is not None
    assert found["statistics"]["frames"] == 6
