"""A real Chromium before a real server: the page as a person meets it, with the fake model behind."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from fakes import FakeEngine, squares
from masklet.predict.segmenter import Segmenter
from studio_kit import film, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NEEDED = ("fastapi", "uvicorn", "websockets", "playwright")
FRAMES = 16
PATIENCE = 120_000
"""Milliseconds to wait for what must happen; long, because the machine may be busy."""


def chromium_path() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"no browser test: {', '.join(missing)} is not installed")
    path = chromium_path()
    if path is None:
        pytest.skip("no browser test: there is no Chromium on this machine (apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE
        )
        yield browser
        browser.close()


class Running:
    """A server in a thread; it can be stopped, and started again at the same address with the same store."""

    def __init__(self, store: Path, gallery: Path, **options: Any) -> None:
        self.store, self.gallery, self.options = store, gallery, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        import uvicorn

        from masklet.server.app import create_app
        from masklet.server.settings import Settings
        from masklet.server.studio import Studio

        settings = Settings(
            store=self.store, gallery=self.gallery, port=self.port, isolate=False, **self.options
        )
        app = create_app(Studio(settings, [lambda: Segmenter(FakeEngine())]))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, timeout_graceful_shutdown=1
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive(), "the server did not end"


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    images = squares(FRAMES, 2, height=192, width=256)
    film(folder / "squares.mp4", images)
    Image.fromarray(images[0]).save(folder / "still.png")
    return folder


@pytest.fixture
def options() -> dict[str, Any]:
    """Further settings of the server; a module that needs some says so itself."""
    return {}


@pytest.fixture
def server(browser: Browser, tmp_path: Path, gallery: Path, options: dict[str, Any]) -> Iterator[Running]:
    running = Running(tmp_path / "store", gallery, **options)
    running.start()
    yield running
    running.stop()


Opening = Callable[..., Any]


@pytest.fixture
def person(browser: Browser) -> Opening:
    """`with person() as page`: a browser of somebody; whatever the page complains of fails the test."""

    @contextmanager
    def opened(**options: Any) -> Iterator[Page]:
        # Waiting for a condition is an eval, which the page's security policy forbids, as it should.
        usual = {"viewport": {"width": 1280, "height": 720}, "bypass_csp": True}
        context = browser.new_context(**{**usual, **options})
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        context.close()
        assert problems == []

    return opened
