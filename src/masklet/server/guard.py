"""What stands before every request: whose page it is, the token, how many come, and what is noted."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from masklet.server.metrics import Metrics
from masklet.server.problems import RETRY_SECONDS, STATUS, Refusal, described
from masklet.server.settings import LOOPBACK, Settings

log = logging.getLogger("masklet.server.requests")

COOKIE = "masklet_token"
PROTECTED = ("/api", "/metrics", "/invocations", "/docs", "/openapi.json")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BURST = 20
"""Seconds' worth of requests that may come at once."""
KEPT_ADDRESSES = 10_000

HEADERS = {
    "content-security-policy": (
        "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; worker-src 'self' blob:; "
        "connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; script-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """ASGI middleware; streams pass through it untouched."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        try:
            self._check(scope, headers)
        except Refusal as refusal:
            await self._refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._observed(scope, receive, send)

    # ── checks ───────────────────────────────────────────────────────────────────────────────────

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        self._check_rate(scope)
        host = headers.get("host", "")
        if self._settings.is_local and not self._settings.token and _hostname(host) not in LOOPBACK:
            # A page of another site may point its own name at this machine (DNS rebinding).
            raise Refusal("origin", f"this server answers as localhost, not as {host[:100]!r}")
        method = scope.get("method", "GET")
        if scope["type"] == "websocket" or method not in SAFE_METHODS:
            self._check_origin(headers.get("origin"), host)
        if scope["path"].startswith(PROTECTED) and not self._is_open(scope["path"]):
            self._check_token(scope, headers)

    def _is_open(self, path: str) -> bool:
        """SageMaker asks without a token, in a network of its own."""
        return self._settings.sagemaker and path.startswith("/invocations")

    def _check_origin(self, origin: str | None, host: str) -> None:
        if origin is None or origin in self._settings.origins:
            return
        if urlsplit(origin).netloc != host or not host:
            raise Refusal("origin", f"pages of {origin[:100]!r} may not use this server")

    def _check_token(self, scope: Scope, headers: dict[str, str]) -> None:
        token = self._settings.token
        if token is None:
            if self._settings.sagemaker:
                raise Refusal(
                    "token", "only /ping and /invocations are open here; start the server with a --token"
                )
            return
        shown = [headers.get("authorization", "").removeprefix("Bearer ").strip(), _cookie(headers)]
        if scope["type"] == "websocket":  # a browser cannot give a WebSocket headers
            shown += parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if not any(hmac.compare_digest(one.encode(), token.encode()) for one in shown):
            raise Refusal("token", "show the server's token: Authorization: Bearer …, or open /?token=…")

    def _check_rate(self, scope: Scope) -> None:
        """A bucket an address, refilled at the allowed rate."""
        rate = self._settings.limits.rate
        address = scope["client"][0] if scope.get("client") else ""
        now = time.monotonic()
        left, when = self._buckets.pop(address, (rate * BURST, now))
        left = min(rate * BURST, left + (now - when) * rate) - 1
        self._buckets[address] = (max(left, -1.0), now)
        if len(self._buckets) > KEPT_ADDRESSES:
            self._buckets.popitem(last=False)
        if left < 0:
            raise Refusal("rate", f"more than {rate:g} requests a second; slow down")

    # ── answers ──────────────────────────────────────────────────────────────────────────────────

    async def _refuse(self, refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
        from masklet.server.websocket import CLOSE_CODES

        self._metrics.refused(refusal.code)
        log.warning("refused", extra={"code": refusal.code, "path": scope["path"]})
        if scope["type"] == "websocket":
            await receive()
            # Closing a socket that was accepted tells the browser the code; refusing it would hide it.
            await send({"type": "websocket.accept"})
            await send(
                {
                    "type": "websocket.close",
                    "code": CLOSE_CODES.get(refusal.code, 1008),
                    "reason": str(refusal)[:120],
                }
            )
            return
        body = json.dumps({"error": described(refusal)}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if refusal.code == "rate":
            headers.append((b"retry-after", str(RETRY_SECONDS).encode()))
        await send({"type": "http.response.start", "status": STATUS[refusal.code], "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _observed(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status, request_id = time.perf_counter(), 500, secrets.token_hex(6)

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name for name, _ in message["headers"]}
                added = {**HEADERS, "x-request-id": request_id}
                message["headers"] = [
                    *message["headers"],
                    *((k.encode(), v.encode()) for k, v in added.items() if k.encode() not in present),
                ]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.request(scope["method"], status, seconds)
            facts: dict[str, Any] = {"method": scope["method"], "path": scope["path"], "status": status}
            log.info("request", extra={**facts, "seconds": round(seconds, 4), "request_id": request_id})


def _hostname(host: str) -> str:
    return (urlsplit(f"//{host}").hostname or "") if host else ""


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""
