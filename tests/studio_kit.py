"""What the tests of the server share: a model that can be held up, and a person's usual requests."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fakes import FakeEngine
from masklet.server.wire import split, unpack
from masklet.types import Frame, FrameMasks
from masklet.video.overlay_video import OverlayVideo

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

FRAMES = 12
WAIT = 60.0
"""Seconds to wait for what must happen; long, because the machine may be busy."""


class GatedEngine(FakeEngine):
    """A fake model whose tracked frames wait for permission: `gate.release()` lets one pass."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: threading.Semaphore | None = None
        self.waiting = False

    def remember(self, *arguments: Any, **named: Any) -> Any:
        gate = self.gate
        if gate is not None and not gate.acquire(blocking=False):
            self.waiting = True
            assert gate.acquire(timeout=WAIT), "the gate stayed shut"
            self.waiting = False
        return super().remember(*arguments, **named)


def film(path: Path, images: list[np.ndarray], **options: Any) -> bytes:
    with OverlayVideo(path, **options) as video:
        for t, image in enumerate(images):
            video.write(Frame(t, Fraction(t, 25), image), FrameMasks(t, {}))
    return path.read_bytes()


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    pause = threading.Event()
    for _ in range(int(WAIT / 0.02)):
        if happened():
            return
        pause.wait(0.02)
    raise AssertionError("it did not happen in time")


def while_held(client: TestClient, session: str, engine: GatedEngine, request: Callable[[], Any]) -> Any:
    """Send a request while tracking waits at the gate; what waits is let go once the request is queued."""
    assert engine.gate is not None
    answers: list[Any] = []
    sending = threading.Thread(target=lambda: answers.append(request()))
    sending.start()
    lane = client.studio.known(session).lane  # type: ignore[attr-defined]
    until(lambda: bool(lane.questions))
    engine.gate.release(1000)
    sending.join(WAIT)
    engine.gate = None
    return answers[0]


def hold(engine: GatedEngine, client: TestClient, session: str, after: int, **body: Any) -> None:
    """Begin to track, and hold it up when so many frames have been remembered."""
    engine.gate = threading.Semaphore(after)
    ok(client.post(f"/api/sessions/{session}/track", json=body))
    until(lambda: engine.gate is not None and engine.waiting)


def ok(response: Any) -> Any:
    """The JSON of an answer that went well."""
    assert response.status_code < 300, response.text
    return response.json() if response.content else None


def problem(response: Any, status: int, code: str) -> str:
    """The line of an error answer."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert "\n" not in error["message"]
    return error["message"]


def upload(client: TestClient, data: bytes, name: str = "clip.mp4") -> dict[str, Any]:
    return ok(client.post("/api/videos", params={"name": name}, content=data))


def new_session(client: TestClient, data: bytes, name: str = "clip.mp4") -> str:
    video = upload(client, data, name)
    return ok(client.post("/api/sessions", json={"video": video["id"]}))["id"]


def click(client: TestClient, session: str, frame: int, at: tuple[float, float], object: int = 1) -> Any:
    body = {"object": object, "frame": frame, "clicks": [[*at, 1]]}
    return ok(client.post(f"/api/sessions/{session}/prompts", json=body))


def track(client: TestClient, session: str, **body: Any) -> dict[str, Any]:
    """Track to the end; returns the run."""
    ok(client.post(f"/api/sessions/{session}/track", json=body))
    return finished(client, session)


def run_of(client: TestClient, session: str) -> dict[str, Any]:
    return ok(client.get(f"/api/sessions/{session}"))["run"]


def finished(client: TestClient, session: str) -> dict[str, Any]:
    until(lambda: run_of(client, session)["state"] not in ("queued", "running"))
    return run_of(client, session)


def text_of(message: dict[str, Any]) -> dict[str, Any]:
    return json.loads(message["text"])


def bulk(client: Any, session: str, **parameters: Any) -> dict[int, FrameMasks]:
    answer = client.get(f"/api/sessions/{session}/masks", params=parameters)
    assert answer.status_code == 200, answer.text
    return {m.masks.index: m.masks for m in map(unpack, split(answer.content))}


def ended(client: Any, export: dict[str, Any]) -> dict[str, Any]:
    def state() -> dict[str, Any]:
        return ok(client.get(f"/api/exports/{export['id']}"))

    until(lambda: state()["state"] not in ("queued", "running"))
    return state()


@contextmanager
def running(app: Any) -> Iterator[int]:
    """The application on a port of its own; whoever gives it starts and ends its models."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()
