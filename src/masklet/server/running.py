"""Running a server until it is told to stop."""

from __future__ import annotations

import logging
import socket
import threading
import time
import urllib.request
import webbrowser
from collections.abc import Callable, Sequence

from masklet.errors import ConfigError, MissingExtraError
from masklet.predict.segmenter import Segmenter
from masklet.server.settings import Settings
from masklet.server.store_lock import alone

log = logging.getLogger(__name__)

DRAIN_S = 25
"""Seconds that open connections get to end after SIGTERM."""
OPEN_WITHIN_S = 120.0


def serve(
    settings: Settings,
    loads: Sequence[Callable[[], Segmenter]],
    *,
    browser: bool = False,
    log_level: str = "warning",
    log_json: bool = False,
    say: Callable[[str], object] = lambda address: None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; every session is saved then.

    loads     open a model each; so many workers there are
    browser   open the page when the server answers
    log_json  log for machines, every request too, instead of warnings for people
    say       told the address once it listens
    raises    ConfigError when the port or the store is taken; MissingExtraError without the extra `server`;
              ProjectError for a folder that is no project
    """
    with alone(settings.store):
        _serve(settings, loads, browser=browser, log_level=log_level, log_json=log_json, say=say)


def _serve(
    settings: Settings,
    loads: Sequence[Callable[[], Segmenter]],
    *,
    browser: bool,
    log_level: str,
    log_json: bool,
    say: Callable[[str], object],
) -> None:
    try:
        import uvicorn

        from masklet.server.app import create_app
        from masklet.server.logs import configure
        from masklet.server.studio import Studio
    except ImportError as error:
        raise MissingExtraError("serving needs FastAPI and uvicorn: pip install 'masklet[server]'") from error
    listener = _listener(settings.host, settings.port)
    port = listener.getsockname()[1]
    try:
        app = create_app(Studio(settings, loads))
    except BaseException:  # a folder that is no project, a store that cannot be written
        listener.close()
        raise
    configure("info" if log_json else log_level, as_json=log_json)  # a start that fails leaves logging alone
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # the guard notes requests, without what stands behind "?"
        timeout_graceful_shutdown=DRAIN_S,
        ws_max_size=2**22,
        ws_max_queue=64,
        server_header=False,
    )
    address = f"http://{_shown(settings.host)}:{port}/"
    log.info("serving", extra={"address": address, "store": str(settings.store)})
    say(address)
    if browser:
        url = f"{address}?token={settings.token}" if settings.token else address
        threading.Thread(target=_open_browser, args=(address, url), daemon=True).start()
    with listener:
        uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket, so that a taken port is told before a model is opened."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)  # whoever comes before the server is ready waits instead of being turned away
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port"
        ) from error
    listener.set_inheritable(True)
    return listener


def _shown(host: str) -> str:
    """A host as it is written in an address."""
    if host in ("0.0.0.0", "::"):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _open_browser(address: str, url: str) -> None:
    ends = time.monotonic() + OPEN_WITHIN_S
    while time.monotonic() < ends:
        try:
            with urllib.request.urlopen(address + "healthz", timeout=5):
                webbrowser.open(url)
                return
        except OSError:
            time.sleep(0.3)
