"""A restart, a crash, a full server: nothing that was answered is lost."""

from __future__ import annotations

import io
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, features

from fakes import inside
from masklet.server.problems import Refusal
from masklet.server.settings import Limits
from masklet.server.studio import REST_S
from studio_kit import FRAMES, bulk, click, hold, new_session, ok, problem, track, until, upload, while_held


def essence(client: Any, session: str) -> Any:
    state = ok(client.get(f"/api/sessions/{session}"))
    return {key: state[key] for key in ("name", "objects", "prompts", "revision", "outdated", "covered")}


def worked_on(client: Any, clip: bytes) -> str:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    click(client, session, 3, inside(3, 2), 2)
    ok(client.patch(f"/api/sessions/{session}/objects/2", json={"name": "green", "hidden": True}))
    track(client, session)
    return session


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_session_survives_a_restart(serving, clip, crash: bool) -> None:
    with serving(crash=crash) as client:
        session = worked_on(client, clip)
        click(client, session, 6, inside(6, 2), 1)  # after the last checkpoint: only the log has it
        ok(client.post(f"/api/sessions/{session}/choose", json={"object": 1, "frame": 0, "candidate": 2}))
        before, masks = essence(client, session), bulk(client, session)
    with serving() as client:
        assert essence(client, session) == before
        assert bulk(client, session) == masks
        ok(client.post(f"/api/sessions/{session}/undo")) if crash else None


def test_kill_in_the_middle_of_tracking_loses_no_prompt(serving, clip, engine) -> None:
    with serving(crash=True) as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 1))
        prompts = essence(client, session)["prompts"]
        hold(engine, client, session, after=4)
        client.studio.live(session).lane.stop()
        engine.gate.release(1000)
    engine.gate = None
    with serving() as client:
        state = ok(client.get(f"/api/sessions/{session}"))
        assert state["prompts"] == prompts
        assert state["run"] is None
        assert track(client, session)["state"] == "done"
        assert set(bulk(client, session)) == set(range(FRAMES))


def test_undo_beyond_a_checkpoint_survives_a_crash(serving, clip) -> None:
    """The undo that the log alone could not make again gets a checkpoint of its own."""
    with serving(crash=True) as client:
        session = worked_on(client, clip)
        for _ in range(2):
            ok(client.post(f"/api/sessions/{session}/undo"))
        ok(client.post(f"/api/sessions/{session}/redo"))
        ok(client.patch(f"/api/sessions/{session}/objects/1", json={"hidden": True}))
        ok(client.post(f"/api/sessions/{session}/undo"))
        before = essence(client, session)
    with serving() as client:
        assert essence(client, session) == before


def test_stopping_in_the_middle_of_tracking_keeps_its_masks(serving, clip, engine) -> None:
    with serving() as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 1))
        hold(engine, client, session, after=5)
        while_held(client, session, engine, client.studio.drain)
    with serving() as client:
        assert 3 < len(bulk(client, session)) < FRAMES


def test_a_session_that_nobody_uses_rests_and_goes_on_as_it_was(serving, clip, engine) -> None:
    with serving() as client:
        session = worked_on(client, clip)
        state, masks = essence(client, session), bulk(client, session)
        body = {"object": 1, "frame": 5, "clicks": [[*inside(5, 1), 1]]}

        def encodes() -> int:
            before = engine.calls["encode"]
            ok(client.post(f"/api/sessions/{session}/preview", json=body))
            return engine.calls["encode"] - before

        encodes()
        assert encodes() == 0  # the frame is at hand
        live = client.studio.known(session)
        client.studio.sweep()
        assert live.is_awake
        live.used -= REST_S + 1
        client.studio.sweep()
        until(lambda: not live.is_awake)
        assert live.current is not None
        assert (encodes(), encodes()) == (1, 0)
        assert (essence(client, session), bulk(client, session)) == (state, masks)


def test_what_is_idle_leaves_memory_and_comes_back(serving, clip) -> None:
    with serving(limits=Limits(live=1)) as client:
        first = worked_on(client, clip)
        before = essence(client, first), bulk(client, first)
        second = new_session(client, clip)
        until(lambda: client.studio.live_sessions[0].current is None)
        click(client, second, 0, inside(0, 1))
        assert (essence(client, first), bulk(client, first)) == before


def test_a_full_server_refuses_in_one_line(serving, clip, engine) -> None:
    with serving(limits=Limits(live=1)) as client:
        session = new_session(client, clip)
        with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
            socket.receive_json()
            video = upload(client, clip)["id"]
            refused = client.post("/api/sessions", json={"video": video})
            assert "in use" in problem(refused, 503, "full")
            assert int(refused.headers["retry-after"]) > 0
        assert len(ok(client.get("/api/sessions"))["sessions"]) == 1


@pytest.mark.parametrize(
    ("limits", "status", "code"),
    [
        ({"upload_bytes": 100}, 413, "too_large"),
        ({"store_bytes": 10}, 503, "full"),
        ({"frames": 5}, 413, "too_large"),
        ({"pixels": 5}, 413, "too_large"),
        ({"duration_s": 0.1}, 413, "too_large"),
    ],
)
def test_an_upload_beyond_a_limit_is_refused_and_leaves_nothing(
    serving, clip, tmp_path: Path, limits: dict[str, Any], status: int, code: str
) -> None:
    with serving(limits=Limits(**limits)) as client:
        problem(client.post("/api/videos?name=a.mp4", content=clip), status, code)
        assert list((tmp_path / "store" / "videos").iterdir()) == []
        assert ok(client.get("/api/videos"))["videos"] == []


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow knows no AVIF")
@pytest.mark.parametrize("isolate", [True, False])
def test_an_avif_of_one_picture_is_a_photo(serving, isolate: bool) -> None:
    file, film = io.BytesIO(), io.BytesIO()
    pictures = [Image.new("RGB", (64, 48), (n, 90, 90)) for n in (10, 200)]
    pictures[0].save(file, "AVIF")
    pictures[0].save(film, "AVIF", save_all=True, append_images=pictures[1:])
    with serving(isolate=isolate) as client:
        still, moving = (upload(client, one.getvalue(), "a.avif") for one in (file, film))
        assert (still["kind"], still["frames"], still["duration"]) == ("photo", 1, 0)
        assert (moving["kind"], moving["frames"]) == ("video", 2)
        assert client.get(f"/api/videos/{still['id']}/frames/0").status_code == 200


def test_a_gallery_s_photo_is_one_whatever_its_suffix_is_written_like(serving, photo, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "IMG_1.PNG").write_bytes(photo)
    with serving(gallery=tmp_path / "gallery") as client:
        (item,) = ok(client.get("/api/gallery"))["items"]
        assert ok(client.post(f"/api/gallery/{item['key']}/open"))["kind"] == "photo"


@pytest.mark.parametrize("isolate", [True, False])
def test_a_picture_that_is_too_large_is_told_in_megapixels(serving, tmp_path: Path, isolate: bool) -> None:
    def picture(width: int, height: int) -> bytes:
        file = io.BytesIO()
        Image.new("L", (width, height)).save(file, "PNG", compress_level=1)
        return file.getvalue()

    with serving(isolate=isolate, limits=Limits(pixels=2_000_000, photo_pixels=4_500_000)) as client:
        refused = client.post("/api/videos?name=a.png", content=picture(2500, 2000))
        assert problem(refused, 413, "too_large") == "the picture has 5 megapixels; this server takes up to 4"
        assert ok(client.post("/api/videos?name=a.png", content=picture(2000, 2000)))["kind"] == "photo"
        if isolate:  # more than Pillow would open
            refused = client.post("/api/videos?name=a.png", content=picture(16000, 12000))
            assert "has 192 megapixels;" in problem(refused, 413, "too_large")


@pytest.mark.parametrize("isolate", [True, False])
def test_a_video_that_is_too_large_is_told_in_megapixels(serving, clip, isolate: bool) -> None:
    with serving(isolate=isolate, limits=Limits(pixels=5)) as client:
        message = problem(client.post("/api/videos?name=a.mp4", content=clip), 413, "too_large")
        assert message == "the video has 1 megapixels a frame; this server takes up to 0"


@pytest.mark.parametrize("isolate", [True, False])
def test_a_file_that_cannot_be_read_is_told_without_its_place(
    serving, photo, tmp_path: Path, isolate: bool
) -> None:
    with serving(isolate=isolate) as client:
        refused = client.post("/api/videos?name=a.jpg", content=b"\xff\xd8\xff" + bytes(600))
        message = problem(refused, 415, "video")
        assert message.startswith(f"{'the file' if isolate else 'a.jpg'} cannot be read as a picture")
        assert str(tmp_path) not in message


@pytest.mark.parametrize("inner", [False, True], ids=["the file", "the arrays in it"])
def test_saved_work_that_unpacks_to_too_much_is_refused(serving, clip, tmp_path: Path, inner: bool) -> None:
    def packed(name: str, data: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
            archive.writestr("objects.json", "[]")
        return file.getvalue()

    much = bytes(2**21)
    bomb = packed("work.npz", packed("a.npy", much) if inner else much)
    with serving(limits=Limits(upload_bytes=2**20)) as client:
        video = upload(client, clip)["id"]
        message = problem(client.post(f"/api/sessions/restore?video={video}", content=bomb), 413, "too_large")
        assert "unpacks to more than 1048576 bytes" in message
        too_long = problem(
            client.post(f"/api/sessions/restore?video={video}", content=much), 413, "too_large"
        )
        assert "larger than the 1048576 bytes" in too_long
        assert ok(client.get("/api/sessions"))["sessions"] == []
        left = [f for f in (tmp_path / "store").rglob("*") if f.is_file() and f.parent.name != "videos"]
        assert {f.name.partition("-")[0] for f in left} == {"masklet.sqlite"}


def test_more_sessions_than_allowed_are_refused(serving, clip) -> None:
    with serving(limits=Limits(sessions=1)) as client:
        new_session(client, clip)
        video = ok(client.get("/api/videos"))["videos"][0]["id"]
        problem(client.post("/api/sessions", json={"video": video}), 503, "full")


def test_a_change_that_another_program_made_is_no_full_store(client, clip) -> None:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    (number, change), *_ = client.studio.records.changes(session)
    with pytest.raises(Refusal, match=r"changed from elsewhere \(UNIQUE.*open the session again") as refused:
        client.studio.records.add_change(session, number, change)
    assert refused.value.code == "session"


def test_a_store_that_fails_is_told_and_the_session_stays_as_it_was(serving, clip, tmp_path: Path) -> None:
    with serving() as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 1))
        before = essence(client, session)
        blocker = sqlite3.connect(tmp_path / "store" / "masklet.sqlite")
        blocker.execute("CREATE TRIGGER no BEFORE INSERT ON changes BEGIN SELECT RAISE(ABORT, 'disk'); END")
        blocker.commit()
        body = {"object": 1, "frame": 0, "clicks": [[3, 3, 0]]}
        problem(client.post(f"/api/sessions/{session}/prompts", json=body), 503, "full")
        assert essence(client, session) == before
        blocker.execute("DROP TRIGGER no")
        blocker.commit()
        blocker.close()
        assert ok(client.post(f"/api/sessions/{session}/prompts", json=body))["session"]["revision"] == 2


def test_a_file_that_is_gone_is_told(client, clip) -> None:
    video = upload(client, clip)
    Path(client.studio.records.video(video["id"]).file).unlink()
    problem(client.post("/api/sessions", json={"video": video["id"]}), 404, "missing")
    assert ok(client.get("/api/sessions"))["sessions"] == []


def test_work_is_carried_to_another_server(serving, clip, tmp_path: Path) -> None:
    with serving() as client:
        session = worked_on(client, clip)
        before, masks = essence(client, session), bulk(client, session)
        carried = client.get(f"/api/sessions/{session}/file")
        assert carried.status_code == 200
    with serving(store=tmp_path / "elsewhere") as client:
        video = upload(client, clip)["id"]
        restored = ok(client.post(f"/api/sessions/restore?video={video}", content=carried.content))
        assert [restored[key] for key in ("objects", "prompts", "covered")] == [
            before[key] for key in ("objects", "prompts", "covered")
        ]
        assert bulk(client, restored["id"]) == masks
        for broken in (b"", b"PK nothing", carried.content[: len(carried.content) // 2]):
            problem(client.post(f"/api/sessions/restore?video={video}", content=broken), 409, "session")
        assert len(ok(client.get("/api/sessions"))["sessions"]) == 1
