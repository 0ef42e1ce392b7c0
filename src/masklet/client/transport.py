"""Requests to a server, and its errors as the exceptions that the local API raises."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from masklet.errors import (
    ConfigError,
    MaskError,
    MaskletError,
    MissingExtraError,
    PromptError,
    SessionError,
    UnknownFrameError,
    UnknownObjectError,
    VideoError,
)

TIMEOUT_S = 600.0
"""A first click on a busy server may wait long; a server that is gone is noticed at once."""
CHUNK = 2**20
MOST_MESSAGE = 2**28

_ERRORS: dict[str, type[MaskletError]] = {
    "prompt": PromptError,
    "mask": MaskError,
    "config": ConfigError,
    "frame": UnknownFrameError,
    "object": UnknownObjectError,
    "video": VideoError,
    "session": SessionError,
}


class ServerError(MaskletError):
    """A server that cannot be reached, or refuses for a reason of its own.

    code   as the server gave it ("full", "token", "missing" …), or "unreachable"
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def error_of(problem: dict[str, Any]) -> MaskletError:
    """The exception for what a server puts under "error"."""
    code, message = str(problem.get("code")), str(problem.get("message"))
    return _ERRORS[code](message) if code in _ERRORS else ServerError(code, message)


class Transport:
    """One server; connections are kept open between requests. Use it from one thread at a time."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(f"server {url!r} must look like http://127.0.0.1:7860")
        if parts.path not in ("", "/"):
            raise ConfigError(f"server {url!r} has a path; give {parts.scheme}://{parts.netloc} alone")
        try:
            import httpx
        except ImportError as error:
            raise MissingExtraError(
                "speaking to a server needs httpx and websockets: pip install 'masklet[server]'"
            ) from error
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=self.url, headers=self._headers, timeout=TIMEOUT_S)

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The JSON of an answer; None when it has none."""
        answer = self.fetch(method, path, json=body, params=query)
        return json.loads(answer) if answer else None

    def fetch(self, method: str, path: str, **options: Any) -> bytes:
        """The bytes of an answer; raises what the server complains of."""
        import httpx

        options["params"] = {k: v for k, v in (options.get("params") or {}).items() if v is not None}
        try:
            response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ServerError("unreachable", f"{self.url} does not answer: {error}") from error
        if response.status_code >= 400:
            raise _error_in(response.content, response.status_code, self.url)
        return response.content

    def upload(self, path: Path, name: str | None = None) -> Any:
        """Send a file as a video; it is read as it is sent. name: what it is called there, else its own."""
        with path.open("rb") as file:
            parts = iter(lambda: file.read(CHUNK), b"")
            answer = self.fetch(
                "POST",
                "/api/videos",
                content=parts,
                params={"name": name or path.name},
                headers={"content-length": str(os.path.getsize(path))},
            )
        return json.loads(answer)

    @contextmanager
    def stream(self, path: str) -> Iterator[Any]:
        """A WebSocket (see the package `websockets`)."""
        from websockets.exceptions import WebSocketException
        from websockets.sync.client import connect

        address = "ws" + self.url.removeprefix("http") + path
        try:
            with connect(address, additional_headers=self._headers, max_size=MOST_MESSAGE) as socket:
                yield socket
        except (WebSocketException, OSError) as error:
            raise ServerError("unreachable", f"the stream of {self.url} broke off: {error}") from error


def _error_in(content: bytes, status: int, url: str) -> MaskletError:
    try:
        return error_of(json.loads(content)["error"])
    except (ValueError, KeyError, TypeError):
        return ServerError("internal", f"{url} answers {status} and is no masklet server")
