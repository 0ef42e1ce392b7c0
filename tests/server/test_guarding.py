"""Who may use the server, and what a hostile file or page can do: the threats of docs/serving.md."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.websockets import WebSocketDisconnect

from masklet.errors import ConfigError
from masklet.server.settings import Limits, Settings
from studio_kit import new_session, ok, problem, running, upload


def test_other_addresses_need_a_token(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--token"):
        Settings(store=tmp_path, host="0.0.0.0")
    assert not Settings(store=tmp_path, host="0.0.0.0", token="t").is_local


@pytest.mark.parametrize(
    "origin", ["notaurl", "studio.example", "https://", "https://studio.example/", "ftp://studio.example"]
)
def test_an_origin_that_no_browser_sends_is_refused(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigError, match=f"origin '{origin}' must look like https://"):
        Settings(store=tmp_path, origins=(origin,))
    for fine in ("https://studio.example", "http://localhost:8080", "http://[::1]:80"):
        assert Settings(store=tmp_path, origins=(fine,)).origins == (fine,)


def test_without_the_token_nothing_but_health_is_answered(serving, clip) -> None:
    with serving(token="geheim") as client:
        for path in ("/api/info", "/api/videos", "/metrics", "/openapi.json", "/invocations"):
            problem(client.get(path), 401, "token")
        problem(client.get("/api/info", headers={"authorization": "Bearer falsch"}), 401, "token")
        assert client.get("/ping").status_code == 200
        with (
            client.websocket_connect("ws://localhost/api/sessions/x/stream") as refused,
            pytest.raises(WebSocketDisconnect) as closed,
        ):
            refused.receive_json()
        assert closed.value.code == 4401
        ok(client.get("/api/info", headers={"authorization": "Bearer geheim"}))
        answer = client.get("/?token=geheim", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        session = new_session(client, clip)  # the cookie is kept and shown
        with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as stream:
            assert stream.receive_json()["type"] == "hello"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_pages_of_other_sites_are_refused(client, clip, origin: str) -> None:
    headers = {"origin": origin}
    problem(client.post("/api/videos?name=a.mp4", content=clip, headers=headers), 403, "origin")
    session = new_session(client, clip)
    with (
        client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream", headers=headers) as refused,
        pytest.raises(WebSocketDisconnect) as closed,
    ):
        refused.receive_json()
    assert closed.value.code == 4403
    assert "access-control-allow-origin" not in client.get("/api/info", headers=headers).headers


def test_an_allowed_site_may_use_it(serving, clip) -> None:
    with serving(origins=("https://studio.example",)) as client:
        answer = client.post(
            "/api/videos?name=a.mp4", content=clip, headers={"origin": "https://studio.example"}
        )
        assert answer.status_code == 201
        assert answer.headers["access-control-allow-origin"] == "https://studio.example"


def test_a_name_that_points_here_is_refused(client) -> None:
    problem(client.get("/api/info", headers={"host": "evil.example"}), 403, "origin")


def test_too_many_requests_are_refused(serving) -> None:
    with serving(limits=Limits(rate=0.5)) as client:  # ten at once
        answers = (client.get("/ping") for _ in range(500))
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert "slow down" in problem(refused, 429, "rate")


def test_headers_keep_the_page_to_itself(client) -> None:
    headers = client.get("/api/info").headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "'unsafe-inline'" not in headers["content-security-policy"].split("script-src")[1]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "data",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"MZ not a film",
        b"\x00" * 600,
    ],
)
def test_what_is_neither_video_nor_picture_is_refused_by_its_content(
    client, data: bytes, tmp_path: Path
) -> None:
    problem(client.post("/api/videos?name=film.mp4", content=data), 415, "video")
    assert list((tmp_path / "store" / "videos").iterdir()) == []


@pytest.mark.parametrize("isolate", [False, True], ids=["here", "in a process"])
def test_a_broken_upload_is_refused_in_one_line(serving, clip, tmp_path: Path, isolate: bool) -> None:
    with serving(isolate=isolate) as client:
        message = problem(client.post("/api/videos?name=a.mp4", content=clip[: len(clip) // 3]), 415, "video")
        assert str(tmp_path) not in message
        problem(client.post("/api/videos?name=a.mp4", content=b""), 415, "video")
        assert list((tmp_path / "store" / "videos").iterdir()) == []
        assert upload(client, clip)["frames"] == 12


def test_a_file_that_brings_the_decoder_down_leaves_the_server_up(serving, photo) -> None:
    with serving(isolate=True, limits=Limits(probe_bytes=2**26)) as client:  # too little for anything
        problem(client.post("/api/videos?name=a.png", content=photo), 415, "video")
        assert client.get("/healthz").status_code == 200


def test_a_file_that_keeps_the_decoder_busy_is_given_up(serving, photo, tmp_path: Path) -> None:
    with serving(isolate=True, limits=Limits(probe_s=0.01)) as client:  # too short for anything
        message = problem(client.post("/api/videos?name=a.png", content=photo), 415, "video")
        assert "takes longer than 0.01 s" in message
        assert list((tmp_path / "store" / "videos").iterdir()) == []


def test_names_never_become_paths(client, clip, tmp_path: Path) -> None:
    video = upload(client, clip, "../../../etc/passwd\x00.mp4")
    assert video["name"] == "passwd.mp4"
    (kept,) = (tmp_path / "store" / "videos").iterdir()
    assert kept.name == f"{video['id']}.mp4"
    for path in (
        "/api/videos/..%2f..%2fmasklet.sqlite/file",
        "/api/gallery/..%2fsecret/thumbnail",
        "/..%2fapp.py",
    ):
        assert client.get(path).status_code == 404


def test_the_gallery_stays_in_its_folder(serving, clip, photo, tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "clip.mp4").write_bytes(clip)
    (folder / "photo.png").write_bytes(photo)
    (folder / "notes.txt").write_text("no picture")
    (tmp_path / "secret.png").write_bytes(photo)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    with serving(gallery=folder) as client:
        items = {item["name"]: item for item in ok(client.get("/api/gallery"))["items"]}
        assert set(items) == {"inner/clip.mp4", "photo.png"}
        thumbnail = client.get(f"/api/gallery/{items['inner/clip.mp4']['key']}/thumbnail")
        assert thumbnail.headers["content-type"] == "image/jpeg"
        first = client.post(f"/api/gallery/{items['photo.png']['key']}/open")
        again = client.post(f"/api/gallery/{items['photo.png']['key']}/open")
        assert (first.status_code, again.status_code) == (201, 200)
        assert first.json() == again.json()
        assert client.delete(f"/api/videos/{first.json()['id']}").status_code == 204
        assert (folder / "photo.png").exists()
        problem(client.post("/api/gallery/nothing/open"), 404, "missing")


def test_a_cut_off_upload_leaves_nothing(serving, clip, tmp_path: Path) -> None:
    """A real connection that breaks in the middle of a body."""
    with serving() as client, running(client.app) as port:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            head = f"POST /api/videos HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(clip)}\r\n\r\n"
            connection.sendall(head.encode() + clip[:700])
            folder = tmp_path / "store" / "videos"
            ends = time.monotonic() + 60
            while not list(folder.iterdir()) and time.monotonic() < ends:
                pass
            assert list(folder.iterdir())
        while list(folder.iterdir()) and time.monotonic() < ends:
            pass
        assert list(folder.iterdir()) == []


def test_frames_come_as_pictures_that_may_be_kept(client, clip) -> None:
    import io

    video = upload(client, clip)["id"]
    answer = client.get(f"/api/videos/{video}/frames/3?height=40&format=webp")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    image = Image.open(io.BytesIO(answer.content))
    assert (image.format, image.size) == ("WEBP", (120, 90))
    again = client.get(
        f"/api/videos/{video}/frames/3?height=40&format=webp",
        headers={"if-none-match": answer.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")
    full = Image.open(io.BytesIO(client.get(f"/api/videos/{video}/frames/3?height=5000").content))
    assert (full.format, full.size) == ("JPEG", (128, 96))
    problem(client.get(f"/api/videos/{video}/frames/12"), 404, "frame")
    problem(client.get(f"/api/videos/{video}/frames/1?format=gif"), 422, "config")
    times = ok(client.get(f"/api/videos/{video}/times"))["times"]
    assert times == pytest.approx([t / 25 for t in range(12)])
    part = client.get(f"/api/videos/{video}/file", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


def test_health_metrics_and_description(client, clip) -> None:
    session = new_session(client, clip)
    assert ok(client.get("/healthz"))["status"] == "ok"
    text = client.get("/metrics").text
    values: dict[str, Any] = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert values["masklet_sessions_live"] == "1"
    assert float(values["masklet_request_seconds_count"]) >= 3
    assert any(name.startswith('masklet_requests_total{method="POST",status="201"}') for name in values)
    paths = ok(client.get("/openapi.json"))["paths"]
    assert "/api/sessions/{session_id}/prompts" in paths
    info = ok(client.get("/api/info"))
    assert info["model"] == "fake"
    assert "video" in info["exports"]
    problem(client.get("/api/nothing"), 404, "missing")
    problem(client.put(f"/api/sessions/{session}"), 405, "config")


def test_a_server_whose_model_fails_is_not_healthy(tmp_path: Path) -> None:
    from fastapi.testclient import TestClient

    from masklet.server.app import create_app
    from masklet.server.studio import Studio

    def load() -> Any:
        raise OSError("no weights")

    studio = Studio(Settings(store=tmp_path / "store"), [load])
    with TestClient(create_app(studio), base_url="http://localhost") as client:
        while (answer := client.get("/healthz")).json()["status"] == "starting":
            pass
        assert (answer.status_code, answer.json()["status"]) == (503, "failed")
        assert client.get("/ping").status_code == 503
