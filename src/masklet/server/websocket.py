"""The WebSocket of a session: masks as they come, and the controls of tracking."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
from fastapi import WebSocket, WebSocketDisconnect
from pydantic import ValidationError

from masklet.errors import MaskletError, PromptError, SessionError
from masklet.server.bodies import Body, ChooseBody, ClearBody, PinBody, PromptBody, TrackBody
from masklet.server.feed import Feed
from masklet.server.live import LiveSession, preview_json
from masklet.server.problems import Refusal, code_of, described
from masklet.server.studio import Studio
from masklet.server.wire import pack

CLOSE_CODES = {"token": 4401, "origin": 4403, "missing": 4404, "full": 1013, "busy": 1013, "draining": 1001}
GONE = (WebSocketDisconnect, RuntimeError, ConnectionError)
"""How it shows that a client has gone."""

MOST_WINDOW = 256
MOST_TEXT = 2**22

CHANGES: dict[str, type[Body]] = {
    "prompt": PromptBody,
    "choose": ChooseBody,
    "pin": PinBody,
    "clear": ClearBody,
    "undo": Body,
    "redo": Body,
}
"""Changes that may come over the socket too, for clients that have nothing else (SageMaker's stream)."""

B = TypeVar("B", bound=Body)


async def serve_session(
    socket: WebSocket, studio: Studio, session_id: str, window: int, *, accepted: bool = False
) -> None:
    """Speak with one client until it or the session goes."""
    if not accepted:
        await socket.accept()
    feed = Feed(asyncio.get_running_loop(), min(max(window, 1), MOST_WINDOW))
    try:
        live = await asyncio.to_thread(studio.live, session_id)
        live.watchers.add(feed)
    except MaskletError as error:
        await _refuse(socket, error)
        return
    try:
        state = await asyncio.wrap_future(live.state())
        await socket.send_json({"type": "hello", "session": state})
        async with anyio.create_task_group() as group:

            async def until_gone(talk: Callable[[WebSocket, LiveSession, Feed], Awaitable[None]]) -> None:
                try:
                    await talk(socket, live, feed)
                except GONE:
                    pass
                except MaskletError as error:
                    await _refuse(socket, error)
                group.cancel_scope.cancel()

            group.start_soon(until_gone, _send)
            group.start_soon(until_gone, _receive)
    except GONE:
        pass  # what it watched goes on
    except MaskletError as error:
        await _refuse(socket, error)
    finally:
        live.watchers.discard(feed)


async def _refuse(socket: WebSocket, error: MaskletError) -> None:
    problem = described(error)
    try:
        await socket.send_json({"type": "error", "error": problem})
        await socket.close(CLOSE_CODES.get(problem["code"], 1011), problem["message"][:120])
    except GONE:
        pass


async def _send(socket: WebSocket, live: LiveSession, feed: Feed) -> None:
    while True:
        item = await feed.next()
        if feed.overrun:
            raise Refusal("busy", "the client does not read what it is sent; connect again")
        if isinstance(item, dict):
            await socket.send_text(json.dumps(item))
            if item.get("type") == "bye":
                await socket.close(1001, item["reason"])
                return
        else:
            workspace = await asyncio.wrap_future(live.workspace()) if live.current is None else live.current
            frame, sequence = item
            # A fraction of a millisecond an object: less than handing it to another thread and back.
            await socket.send_bytes(_packed(workspace, frame, sequence))


def _packed(workspace: Any, frame: int, sequence: int) -> bytes:
    source = workspace.session.source
    return pack(
        workspace.masks(frame),
        source.width,
        source.height,
        sequence=sequence,
        outdated=workspace.outdated_on(frame),
    )


async def _receive(socket: WebSocket, live: LiveSession, feed: Feed) -> None:
    while True:
        text = await socket.receive_text()
        try:
            await _obey(_parsed(text), live, feed)
        except MaskletError as error:
            feed.tell({"type": "error", "error": described(error)})
            if code_of(error) == "internal":
                raise


def _parsed(text: str) -> dict[str, Any]:
    try:
        message = json.loads(text) if len(text) <= MOST_TEXT else None
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise SessionError('a message must be JSON like {"type": "ack", "sequence": 7}')
    return message


async def _obey(message: dict[str, Any], live: LiveSession, feed: Feed) -> None:
    kind = message.pop("type")
    if kind == "ack":
        if not isinstance(message.get("sequence"), int):
            raise SessionError("an ack needs the sequence number of the newest mask message")
        feed.acknowledge(message["sequence"])
    elif kind == "track":
        await asyncio.wrap_future(live.track(_checked(TrackBody, message).request()))
    elif kind in CHANGES:
        change = {"kind": kind, **_checked(CHANGES[kind], message).model_dump()}
        outcome, _ = await asyncio.wrap_future(live.change(change))
        shown = None if outcome.preview is None else preview_json(outcome.preview)
        feed.tell({"type": "preview", "preview": shown})
    elif kind in ("pause", "resume", "cancel"):
        await asyncio.wrap_future(live.steer(kind))
    elif kind == "ping":
        feed.tell({"type": "pong"})
    else:
        known = ", ".join(("ack", "track", "pause", "resume", "cancel", "ping", *CHANGES))
        raise SessionError(f"message {kind!r} is unknown; send one of {known}")


def _checked(kind: type[B], message: dict[str, Any]) -> B:
    try:
        return kind(**message)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PromptError(f"{where}: {first['msg']}") from error
