"""A real process killed with SIGKILL in the middle of tracking, and started again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes import inside
from masklet.errors import ConfigError
from masklet.server.running import serve
from masklet.server.settings import Settings
from studio_kit import FRAMES, bulk, click, new_session, ok, run_of, track, until

SERVER = """
import sys, time
sys.path.insert(0, {tests!r})
from fakes import FakeEngine
from masklet.cli import program
from masklet.predict.segmenter import Segmenter

class Slow(FakeEngine):
    def remember(self, *arguments, **named):
        time.sleep({seconds})
        return super().remember(*arguments, **named)

program.main(["serve", "--port", "0", "--no-browser", "--store", {store!r}],
             load=lambda *_, **__: Segmenter(Slow()))
"""


@contextmanager
def server(store: Path, seconds: float) -> Iterator[tuple[Any, httpx.Client]]:
    """A server whose model takes so long over a tracked frame, with a client."""
    tests = str(Path(__file__).parent.parent)
    code = SERVER.format(tests=tests, store=str(store), seconds=seconds)
    process = subprocess.Popen([sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with httpx.Client(base_url=address, timeout=60) as client:
            until(lambda: client.get("/healthz").status_code == 200)
            yield process, client
    finally:
        process.kill()
        process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_killed_while_it_tracks_it_has_every_prompt_when_it_is_started_again(clip, tmp_path: Path) -> None:
    with server(tmp_path, seconds=0.5) as (process, client):
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 1))
        click(client, session, 3, inside(3, 2), 2)
        ok(client.post(f"/api/sessions/{session}/track", json={}))
        until(lambda: run_of(client, session)["done"] > 1)
        before = ok(client.get(f"/api/sessions/{session}"))
        assert before["run"]["state"] == "running"
        process.kill()
        process.wait()
    with server(tmp_path, seconds=0) as (_, client):
        after = ok(client.get(f"/api/sessions/{session}"))
        for what in ("objects", "prompts", "revision", "undo", "name"):
            assert after[what] == before[what]
        assert after["run"] is None
        assert track(client, session)["state"] == "done"
        assert set(bulk(client, session)) == set(range(FRAMES))


@pytest.mark.skipif(os.name == "nt", reason="nobody is kept out of a store on Windows")
def test_a_second_server_on_a_store_is_refused_and_leaves_the_first_one_s_files(tmp_path: Path) -> None:
    with server(tmp_path, seconds=0) as (process, _):
        left = tmp_path / "exports" / "made"
        left.write_text("to be fetched")
        with pytest.raises(ConfigError, match=rf"store {tmp_path} is in use by another server.* --store"):
            serve(Settings(store=tmp_path, port=0), [lambda: None])
        assert left.exists()
        process.kill()
        process.wait()
    with server(tmp_path, seconds=0):  # the lock went with the process
        assert not left.exists()
