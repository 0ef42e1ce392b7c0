"""The application: routes, error answers, the page, start and end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

import masklet
from masklet.errors import MaskletError
from masklet.server import routes_exports, routes_projects, routes_sessions, routes_videos, sagemaker
from masklet.server.exporting import FORMATS
from masklet.server.guard import COOKIE, Guard
from masklet.server.metrics import Metrics
from masklet.server.problems import RETRY_SECONDS, STATUS, described
from masklet.server.reaching import TheStudio
from masklet.server.studio import Studio
from masklet.video.effects import KINDS

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
SWEEP_S = 10.0


def create_app(studio: Studio) -> FastAPI:
    """The server's application. It opens the models when it starts and saves everything when it ends."""
    metrics = Metrics()
    app = FastAPI(
        title="masklet",
        version=masklet.__version__,
        description="Segment and track objects in videos.",
        lifespan=_lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.studio = studio
    app.state.metrics = metrics
    app.add_exception_handler(MaskletError, _known_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unforeseen)
    for part in (routes_videos, routes_sessions, routes_exports, routes_projects, sagemaker):
        app.include_router(part.router)
    app.add_api_route("/api/info", _info, tags=["server"])
    app.add_api_route("/healthz", _healthz, tags=["server"])
    app.add_api_route("/metrics", _metrics, tags=["server"], response_class=PlainTextResponse)
    app.add_api_route("/", _front, include_in_schema=False)
    if PAGE.is_dir():
        app.mount("/", StaticFiles(directory=PAGE, html=True), name="page")
    if studio.settings.origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(studio.settings.origins),
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
        )
    app.add_middleware(Guard, settings=studio.settings, metrics=metrics)  # the outermost
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    studio: Studio = app.state.studio
    studio.begin()
    sweeping = asyncio.create_task(_sweep(studio))
    try:
        yield
    finally:
        sweeping.cancel()
        await asyncio.to_thread(studio.drain)


async def _sweep(studio: Studio) -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        try:
            await asyncio.to_thread(studio.sweep)
        except Exception:
            log.exception("idle sessions could not be put away")


# ── about the server ─────────────────────────────────────────────────────────────────────────────


def _info(studio: TheStudio) -> dict[str, Any]:
    limits = studio.settings.limits
    model = next((w.model for w in studio.scheduler.workers if w.model is not None), None)
    return {
        "version": masklet.__version__,
        "model": model.engine.name if model else None,
        "device": model.engine.device if model else None,
        "workers": len(studio.scheduler.workers),
        "limits": {
            name: getattr(limits, name)
            for name in (
                "upload_bytes",
                "duration_s",
                "frames",
                "pixels",
                "photo_pixels",
                "objects",
                "sessions",
            )
        },
        "gallery": studio.settings.gallery is not None,
        "effects": list(KINDS),
        "exports": list(FORMATS),
    }


def _healthz(studio: TheStudio) -> JSONResponse:
    """200 when a click would be answered: models open, their threads alive, the store writable."""
    state = studio.state
    if state == "ok":
        try:
            studio.records.sessions_exist()
        except MaskletError as error:
            log.error("the store fails: %s", error)
            state = "failed"
    details = {"status": state, "workers": [w.is_alive for w in studio.scheduler.workers]}
    return JSONResponse(details, 200 if state == "ok" else 503)


def _metrics(request: Request, studio: TheStudio) -> PlainTextResponse:
    text = request.app.state.metrics.text(studio)
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _front(request: Request, studio: TheStudio) -> Response:
    token = request.query_params.get("token")
    if token is not None:
        # The token leaves the address bar and history at once and stays in a cookie that no page reads.
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure, max_age=30 * 86400)
        return answer
    index = PAGE / "index.html"
    if not index.exists():
        return PlainTextResponse(
            f"masklet {masklet.__version__}: the API is at /api, its description at /openapi.json"
        )
    return Response(index.read_bytes(), media_type="text/html", headers={"cache-control": "no-cache"})


# ── errors ───────────────────────────────────────────────────────────────────────────────────────


def _problem(problem: dict[str, Any], status: int) -> JSONResponse:
    headers = {"retry-after": str(RETRY_SECONDS)} if status in (429, 503) else None
    return JSONResponse({"error": problem}, status, headers=headers)


def _known_error(_: Request, error: Exception) -> JSONResponse:
    problem = described(error)
    if problem["code"] == "internal":
        log.error("a request failed", exc_info=error)
    return _problem(problem, STATUS[problem["code"]])


def _bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _problem({"code": "config", "message": f"{where or 'the request'}: {first['msg']}"}, 422)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "missing", 405: "config"}.get(error.status_code, "config")
    message = f"{error.detail}: {request.method} {request.url.path}"
    return _problem({"code": code, "message": message}, error.status_code)


def _unforeseen(_: Request, error: Exception) -> JSONResponse:
    log.error("a request failed", exc_info=error)
    return _problem(described(error), 500)
