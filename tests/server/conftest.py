"""A server in this process, with the fake model behind it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fakes import squares
from masklet.predict.segmenter import Segmenter
from studio_kit import FRAMES, WAIT, GatedEngine, film, until

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

if any(find_spec(name) is None for name in ("fastapi", "uvicorn", "websockets", "httpx", "sqlalchemy")):
    collect_ignore_glob = ["test_*.py"]  # the extra `server` is not installed


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An MP4 of 12 frames: two squares that move."""
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", squares(FRAMES, 2))


@pytest.fixture(scope="session")
def photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(squares(1, 2)[0]).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def engine() -> GatedEngine:
    return GatedEngine()


Serving = Callable[..., Any]


@pytest.fixture
def serving(tmp_path: Path, engine: GatedEngine) -> Serving:
    """Run a server: `with serving(token="t") as client`; the store outlives it."""

    @contextmanager
    def run(*, crash: bool = False, workers: int = 1, **options: Any) -> Iterator[TestClient]:
        from fastapi.testclient import TestClient

        from masklet.server.app import create_app
        from masklet.server.settings import Settings
        from masklet.server.studio import Studio

        settings = Settings(**{"store": tmp_path / "store", "isolate": False, **options})
        studio = Studio(settings, [lambda: Segmenter(engine)] * workers)
        if crash:
            studio.drain = lambda: _crash(studio)  # type: ignore[method-assign]
        with TestClient(create_app(studio), base_url="http://localhost") as client:
            client.studio = studio  # type: ignore[attr-defined]
            until(lambda: client.get("/healthz").status_code == 200)
            yield client

    return run


def _crash(studio: Any) -> None:
    """End as kill -9 does: nothing is saved; only the threads go, which a process would take with it."""
    studio.draining = True
    for live in studio.live_sessions:
        live.lane.stop()
    studio.exports.close()
    studio.scheduler.close(WAIT)
    studio.pictures.close()
    studio.records.close()


@pytest.fixture
def client(serving: Serving) -> Iterator[TestClient]:
    with serving() as client:
        yield client
