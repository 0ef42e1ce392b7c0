"""Masks over the WebSocket: frame by frame, as fast as the client acknowledges, and nothing lost."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.websockets import WebSocketDisconnect

from fakes import inside
from masklet.server.wire import MaskMessage, unpack
from studio_kit import (
    FRAMES,
    bulk,
    click,
    finished,
    hold,
    new_session,
    ok,
    problem,
    text_of,
    track,
    until,
    while_held,
)


def receive(socket: Any) -> dict[str, Any] | MaskMessage:
    message = socket.receive()
    if message["type"] == "websocket.close":
        raise WebSocketDisconnect(message["code"], message.get("reason"))
    if message.get("bytes") is not None:
        return unpack(message["bytes"])
    return text_of(message)


def masks_until_done(socket: Any, *, acknowledge: bool = True) -> list[MaskMessage]:
    """Mask messages until the run is over and nothing is under way."""
    found: list[MaskMessage] = []
    over = False
    while not over or len({m.masks.index for m in found}) < FRAMES:
        message = receive(socket)
        if isinstance(message, MaskMessage):
            found.append(message)
            if acknowledge:
                socket.send_json({"type": "ack", "sequence": message.sequence})
        elif message["type"] == "run":
            over = message["run"]["state"] == "done"
    return found


def prompted(client: Any, clip: bytes) -> str:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    return session


def test_masks_stream_while_tracking_and_equal_what_is_stored(client, clip) -> None:
    session = prompted(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        hello = receive(socket)
        assert hello["type"] == "hello"
        assert hello["session"]["prompts"][0]["object"] == 1
        socket.send_json({"type": "track", "direction": "both"})
        found = masks_until_done(socket)
    assert [m.sequence for m in found] == list(range(1, len(found) + 1))
    assert {m.masks.index: m.masks.masks for m in found} == {
        t: m.masks for t, m in bulk(client, session).items()
    }
    assert all(set(m.masks.iou) == {1} == set(m.masks.occlusion) for m in found)


def test_a_client_that_does_not_acknowledge_gets_its_window_and_stops_nobody(client, clip) -> None:
    slow, quick = prompted(client, clip), prompted(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{slow}/stream?window=3") as socket:
        receive(socket)
        assert track(client, slow)["state"] == "done"
        assert track(client, quick)["state"] == "done"
        (feed,) = client.studio.live(slow).watchers
        until(lambda: feed.waiting == FRAMES - 3)
        seen = []
        while len(seen) < 3:
            message = receive(socket)
            if isinstance(message, MaskMessage):
                seen.append(message)
        socket.send_json({"type": "ping"})
        while not isinstance(message := receive(socket), dict) or message["type"] != "pong":
            assert not isinstance(message, MaskMessage)
        socket.send_json({"type": "ack", "sequence": seen[-1].sequence})
        while len({m.masks.index for m in seen}) < FRAMES:
            message = receive(socket)
            if isinstance(message, MaskMessage):
                seen.append(message)
                socket.send_json({"type": "ack", "sequence": message.sequence})
    assert {m.masks.index for m in seen} == set(range(FRAMES))


def test_a_lost_connection_loses_nothing(client, clip) -> None:
    session = prompted(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        receive(socket)
        socket.send_json({"type": "track"})
        while not isinstance(receive(socket), MaskMessage):
            pass
    until(lambda: ok(client.get(f"/api/sessions/{session}"))["run"]["state"] == "done")
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        assert receive(socket)["session"]["covered"] == [[0, FRAMES]]
    assert set(bulk(client, session)) == set(range(FRAMES))


def test_pause_resume_cancel(client, clip, engine) -> None:
    session = prompted(client, clip)
    path = f"/api/sessions/{session}"
    hold(engine, client, session, after=4)
    run = ok(while_held(client, session, engine, lambda: client.post(f"{path}/track/pause")))
    assert run["state"] == "paused"
    assert 0 < run["done"] < FRAMES
    assert ok(client.get(path))["run"]["done"] == run["done"]
    problem(client.post(f"{path}/track", json={}), 409, "session")
    ok(client.post(f"{path}/track/resume"))
    assert finished(client, session)["state"] == "done"
    before = bulk(client, session)
    hold(engine, client, session, after=3, start=0)
    run = ok(while_held(client, session, engine, lambda: client.post(f"{path}/track/cancel")))
    assert run["state"] == "cancelled"
    assert run["done"] < FRAMES
    assert bulk(client, session) == before
    problem(client.post(f"{path}/track/cancel"), 409, "session")


def test_a_prompt_ends_the_run_and_everybody_hears_of_it(client, clip, engine) -> None:
    session = prompted(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as other:
        receive(other)
        hold(engine, client, session, after=3)
        while_held(client, session, engine, lambda: click(client, session, 5, inside(5, 2), 2))
        states, objects = [], []
        while objects != [1, 2]:
            message = receive(other)
            if isinstance(message, MaskMessage):
                other.send_json({"type": "ack", "sequence": message.sequence})
            elif message["type"] == "run":
                states.append(message["run"]["state"])
            elif message["type"] == "session":
                objects = [o["id"] for o in message["session"]["objects"]]
    assert states[-1] == "stopped"


def test_prompts_may_come_over_the_socket_too(client, clip) -> None:
    session = new_session(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        receive(socket)
        socket.send_json({"type": "prompt", "object": 1, "frame": 0, "clicks": [[*inside(0, 1), 1]]})
        found = []
        while not (found and isinstance(found[-1], dict) and found[-1]["type"] == "preview"):
            found.append(receive(socket))
        assert found[-1]["preview"]["object"] == 1


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"type": "dance"}', '{"type": "ack"}', '{"type": "track", "direction": "up"}']
)
def test_a_bad_message_is_answered_and_the_socket_stays(client, clip, text: str) -> None:
    session = new_session(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        receive(socket)
        socket.send_text(text)
        assert receive(socket)["type"] == "error"
        socket.send_json({"type": "ping"})
        assert receive(socket)["type"] == "pong"


def test_an_unknown_session_closes_with_its_code(client) -> None:
    with client.websocket_connect("ws://localhost/api/sessions/none/stream") as socket:
        assert receive(socket)["error"]["code"] == "missing"
        with pytest.raises(WebSocketDisconnect) as closed:
            receive(socket)
    assert closed.value.code == 4404


def test_a_deleted_session_says_goodbye(client, clip) -> None:
    session = new_session(client, clip)
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        receive(socket)
        client.delete(f"/api/sessions/{session}")
        assert receive(socket) == {"type": "bye", "reason": "deleted"}


def test_a_click_sends_the_masks_of_its_own_frame_alone(client, clip) -> None:
    session = prompted(client, clip)
    click(client, session, 5, inside(5, 1))
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        assert receive(socket)["type"] == "hello"
        click(client, session, 8, inside(8, 1))
        ok(client.post(f"/api/sessions/{session}/undo"))
        came = []
        while len(came) < 2:
            message = receive(socket)
            if isinstance(message, MaskMessage):
                came.append((message.masks.index, len(message.masks.masks)))
                socket.send_json({"type": "ack", "sequence": message.sequence})
    assert came == [(8, 1), (8, 0)]
