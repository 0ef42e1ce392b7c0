"""How routes reach the server's things, and how long work is waited for without blocking anybody."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection

from masklet.server.live import LiveSession
from masklet.server.studio import Studio

T = TypeVar("T")


def _studio(connection: HTTPConnection) -> Studio:
    return connection.app.state.studio


TheStudio = Annotated[Studio, Depends(_studio)]


async def _live(session_id: str, studio: TheStudio) -> LiveSession:
    return await asyncio.to_thread(studio.live, session_id)


Live = Annotated[LiveSession, Depends(_live)]


async def answer(future: Future[T]) -> T:
    """What the model's thread answers."""
    return await asyncio.wrap_future(future)


async def changed(live: LiveSession, change: dict[str, Any]) -> dict[str, Any]:
    """Make a change; {"preview", "session"}."""
    from masklet.server.live import preview_json

    outcome, state = await answer(live.change(change))
    return {
        "preview": None if outcome.preview is None else preview_json(outcome.preview),
        "session": state,
    }
