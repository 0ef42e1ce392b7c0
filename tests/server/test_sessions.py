"""A person's way through a session over HTTP: the same masks as the local API, and every step undone."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine, inside, truth
from masklet.predict.segmenter import Segmenter
from masklet.server.masks_json import mask_of, rle_of
from masklet.server.wire import split, unpack
from masklet.types import FrameMasks, Mask
from studio_kit import FRAMES, bulk, click, ended, new_session, ok, problem, track, upload


def array(rle: dict[str, Any]) -> np.ndarray:
    return mask_of(rle, rle["size"][1], rle["size"][0]).to_array()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def local(
    tmp_path: Path, clip: bytes, clicks: dict[int, tuple[int, tuple[int, int]]]
) -> dict[int, FrameMasks]:
    """Masks of the local API for {object: (frame, click)}."""
    file = tmp_path / "local.mp4"
    file.write_bytes(clip)
    with Segmenter(FakeEngine()).video(file) as session:
        for object_id, (frame, at) in clicks.items():
            session.prompt(frame, object_id, clicks=[at])
        return {frame.index: masks for frame, masks in session.propagate()}


def test_a_click_answers_with_three_candidates_and_another_can_be_chosen(client, clip) -> None:
    session = new_session(client, clip)
    answer = click(client, session, 0, inside(0, 1))
    preview = answer["preview"]
    assert len(preview["candidates"]) == 3
    assert overlap(array(preview["mask"]), truth(0, 1)) > 0.6
    assert preview["area"] == array(preview["mask"]).sum()
    other = next(k for k in range(3) if k != preview["chosen"])
    chosen = ok(
        client.post(f"/api/sessions/{session}/choose", json={"object": 1, "frame": 0, "candidate": other})
    )
    assert chosen["preview"]["mask"] == preview["candidates"][other]["mask"]
    assert chosen["session"]["prompts"][0]["chosen"] == other
    assert chosen["session"]["undo"] == 2


@pytest.mark.parametrize("first", [0, 5])
def test_tracking_gives_the_masks_of_the_local_api(client, clip, tmp_path, first: int) -> None:
    """Two objects, prompted on different frames: the server's two passes equal `propagate("both")`."""
    clicks = {1: (first, inside(first, 1)), 2: (9, inside(9, 2))}
    session = new_session(client, clip)
    for object_id, (frame, at) in clicks.items():
        click(client, session, frame, at, object_id)
    run = track(client, session)
    assert (run["state"], run["done"]) == ("done", run["total"])
    expected = local(tmp_path, clip, clicks)
    assert set(expected) == set(range(FRAMES))
    assert all(found.masks == expected[t].masks for t, found in bulk(client, session).items())
    assert set(bulk(client, session)) == {t for t, masks in expected.items() if masks.masks}
    state = ok(client.get(f"/api/sessions/{session}"))
    assert state["covered"] == [[0, FRAMES]]
    assert state["outdated"] == []


def test_a_correction_stays_and_what_follows_is_recomputed(client, clip, tmp_path) -> None:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    track(client, session)
    before = bulk(client, session)
    mask = Mask.from_array(truth(6, 2))
    body = {"object": 1, "frame": 6, "mask": rle_of(mask)}
    answer = ok(client.post(f"/api/sessions/{session}/prompts", json=body))
    assert answer["session"]["outdated"] == [1]
    track(client, session, direction="forward", start=6)
    after = bulk(client, session)
    (tmp_path / "local.mp4").write_bytes(clip)
    with Segmenter(FakeEngine()).video(tmp_path / "local.mp4") as here:
        here.prompt(0, 1, clicks=[inside(0, 1)])
        list(here.propagate())
        here.prompt(6, 1, mask=mask)
        list(here.propagate("forward", start=6))
        assert {t: here.masks(t).masks for t in after} == {t: found.masks for t, found in after.items()}
    assert after[6][1] == mask
    assert after[3] == before[3]
    assert after[9] != before[9]


def test_undo_and_redo_take_back_everything(client, clip) -> None:
    session = new_session(client, clip)
    states = [ok(client.get(f"/api/sessions/{session}"))]

    def step(method: str, path: str, body: Any = None) -> None:
        answer = ok(client.request(method, f"/api/sessions/{session}/{path}", json=body))
        states.append(answer.get("session", answer))

    step("POST", "objects", {"name": "dog", "colour": "#102030"})
    step("POST", "prompts", {"object": 1, "frame": 0, "clicks": [[*inside(0, 1), 1]]})
    step("POST", "prompts", {"object": 2, "frame": 0, "box": [5, 20, 60, 60]})
    step("PATCH", "objects/1", {"name": "cat"})
    step("POST", "clear", {"frame": 0})
    step("POST", "undo")
    assert states.pop()["prompts"] == states[-2]["prompts"]
    step("POST", "redo")
    assert states.pop()["prompts"] == []
    step("POST", "undo")
    states.pop()
    states.pop()
    step("DELETE", "objects/1")

    def essence(state: dict[str, Any]) -> Any:
        return state["objects"], state["prompts"]

    for earlier in reversed(states[:-1]):
        assert essence(ok(client.post(f"/api/sessions/{session}/undo"))["session"]) == essence(earlier)
    problem(client.post(f"/api/sessions/{session}/undo"), 409, "session")
    for later in states[1:]:
        assert essence(ok(client.post(f"/api/sessions/{session}/redo"))["session"]) == essence(later)
    problem(client.post(f"/api/sessions/{session}/redo"), 409, "session")


def test_a_click_is_taken_out_by_giving_the_rest(client, clip) -> None:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    first = ok(client.get(f"/api/sessions/{session}/frames/0/masks"))["masks"]["1"]["mask"]
    click(client, session, 0, inside(0, 2))
    both = ok(client.get(f"/api/sessions/{session}"))["prompts"][0]["clicks"]
    body = {"object": 1, "frame": 0, "clicks": both[:1], "replace": True}
    answer = ok(client.post(f"/api/sessions/{session}/prompts", json=body))
    assert answer["session"]["prompts"][0]["clicks"] == both[:1]
    assert answer["preview"]["mask"] == first


def test_a_preview_is_not_kept(client, clip) -> None:
    session = new_session(client, clip)
    body = {"object": 1, "frame": 2, "clicks": [[*inside(2, 1), 1]]}
    preview = ok(client.post(f"/api/sessions/{session}/preview", json=body))
    assert len(preview["candidates"]) == 3
    state = ok(client.get(f"/api/sessions/{session}"))
    assert (state["revision"], state["undo"], state["objects"], state["prompts"]) == (0, 0, [], [])
    assert ok(client.post(f"/api/sessions/{session}/prompts", json=body))["preview"] == preview


def test_masks_come_in_as_png_and_rle(client, clip) -> None:
    session = new_session(client, clip)
    ids = np.where(truth(0, 1), 1, np.where(truth(0, 2), 2, 0)).astype(np.uint8)
    picture = Image.fromarray(ids)
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0])
    file = io.BytesIO()
    picture.save(file, "PNG")
    answer = ok(client.post(f"/api/sessions/{session}/masks?frame=0", content=file.getvalue()))
    assert [o["id"] for o in answer["session"]["objects"]] == [1, 2]
    assert answer["session"]["undo"] == 1
    found = ok(client.get(f"/api/sessions/{session}/frames/0/masks"))["masks"]
    assert all(np.array_equal(array(found[str(i)]["mask"]), truth(0, i)) for i in (1, 2))
    grey = io.BytesIO()
    Image.fromarray(truth(3, 2).astype(np.uint8) * 255).save(grey, "PNG")
    body = {"object": 7, "frame": 3, "mask": {"png": base64.b64encode(grey.getvalue()).decode()}}
    preview = ok(client.post(f"/api/sessions/{session}/prompts", json=body))["preview"]
    assert np.array_equal(array(preview["mask"]), truth(3, 2))


def test_an_empty_mask_says_not_here(client, clip) -> None:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    body = {"object": 1, "frame": 4, "mask": rle_of(Mask.empty(96, 128))}
    answer = ok(client.post(f"/api/sessions/{session}/prompts", json=body))
    assert answer["preview"]["area"] == 0
    assert [p["pinned"] for p in answer["session"]["prompts"]] == [False, True]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("prompts", {"frame": 0, "clicks": [[500, 5, 1]]}, 422, "prompt"),
        ("prompts", {"frame": 99, "clicks": [[5, 5, 1]]}, 404, "frame"),
        ("prompts", {"frame": 0}, 422, "prompt"),
        ("prompts", {"frame": 0, "klicks": []}, 422, "config"),
        ("prompts", {"frame": 0, "mask": {"size": [2, 2], "counts": "4"}}, 422, "mask"),
        ("prompts", {"frame": 0, "mask": {"size": [96, 128], "counts": "?"}}, 422, "mask"),
        ("prompts", {"frame": 0, "mask": {"png": "bm9uZQ=="}}, 422, "mask"),
        ("choose", {"object": 4, "frame": 0, "candidate": 1}, 404, "object"),
        ("clear", {}, 409, "session"),
        ("track", {}, 409, "session"),
        ("track/pause", None, 409, "session"),
        ("exports", {"format": "coco"}, 409, "session"),
    ],
)
def test_bad_requests_get_one_line_and_change_nothing(client, clip, path, body, status, code) -> None:
    session = new_session(client, clip)
    if path == "exports":
        export = ok(client.post(f"/api/sessions/{session}/exports", json=body))
        assert ended(client, export)["state"] == "failed"
    else:
        problem(client.post(f"/api/sessions/{session}/{path}", json=body), status, code)
    state = ok(client.get(f"/api/sessions/{session}"))
    assert (state["revision"], state["objects"], state["prompts"]) == (0, [], [])


def test_objects_are_named_coloured_locked(client, clip) -> None:
    session = new_session(client, clip)
    state = ok(client.post(f"/api/sessions/{session}/objects", json={}))
    assert state["objects"] == [
        {"id": 1, "name": "Object 1", "colour": "#1e90ff", "hidden": False, "locked": False}
    ]
    ok(client.patch(f"/api/sessions/{session}/objects/1", json={"locked": True, "name": "dog"}))
    body = {"object": 1, "frame": 0, "clicks": [[5, 5, 1]]}
    assert "locked" in problem(client.post(f"/api/sessions/{session}/prompts", json=body), 409, "session")
    state = ok(client.post(f"/api/sessions/{session}/undo"))["session"]
    assert (state["objects"][0]["name"], state["objects"][0]["locked"]) == ("Object 1", True)


def test_a_photo_is_a_video_of_one_frame(client, photo) -> None:
    video = upload(client, photo, "holiday.png")
    assert (video["kind"], video["frames"], video["width"], video["height"]) == ("photo", 1, 128, 96)
    session = ok(client.post("/api/sessions", json={"video": video["id"]}))["id"]
    preview = click(client, session, 0, inside(0, 2))["preview"]
    assert overlap(array(preview["mask"]), truth(0, 2)) > 0.6


def test_scores_alone_are_fetched_without_masks(client, clip) -> None:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    track(client, session)
    body = client.get(f"/api/sessions/{session}/masks", params={"counts": 0}).content
    messages = [unpack(part) for part in split(body)]
    full = bulk(client, session, start=2, stop=11, step=3)
    assert sorted(full) == [2, 5, 8]
    assert all(m.areas[1] == full[m.masks.index][1].area for m in messages if m.masks.index in full)
    assert [m.masks.masks for m in messages] == [{}] * FRAMES


def test_sessions_are_listed_renamed_deleted(client, clip) -> None:
    session = new_session(client, clip)
    ok(client.patch(f"/api/sessions/{session}", json={"name": "mine"}))
    (row,) = ok(client.get("/api/sessions"))["sessions"]
    assert (row["id"], row["name"]) == (session, "mine")
    assert client.delete(f"/api/sessions/{session}").status_code == 204
    problem(client.get(f"/api/sessions/{session}"), 404, "missing")
    assert ok(client.get("/api/sessions"))["sessions"] == []


def test_an_upload_goes_with_its_last_session_when_that_is_asked_for(client: Any, clip: bytes) -> None:
    first = new_session(client, clip)
    video = ok(client.get(f"/api/sessions/{first}"))["video"]
    assert video["uploaded"] is True
    second = ok(client.post("/api/sessions", json={"video": video["id"]}))["id"]
    ok(client.delete(f"/api/sessions/{first}", params={"upload": True}))
    ok(client.get(f"/api/videos/{video['id']}"))  # the other one needs it
    ok(client.delete(f"/api/sessions/{second}"))
    ok(client.get(f"/api/videos/{video['id']}"))  # not asked for
    third = ok(client.post("/api/sessions", json={"video": video["id"]}))["id"]
    ok(client.delete(f"/api/sessions/{third}", params={"upload": True}))
    problem(client.get(f"/api/videos/{video['id']}"), 404, "missing")
    assert not list((client.studio.settings.store / "videos").iterdir())


def test_a_gallery_s_video_stays_when_its_last_session_goes(
    serving: Any, clip: bytes, tmp_path: Path
) -> None:
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    (gallery / "clip.mp4").write_bytes(clip)
    with serving(gallery=gallery) as client:
        (item,) = ok(client.get("/api/gallery"))["items"]
        video = ok(client.post(f"/api/gallery/{item['key']}/open"))
        assert video["uploaded"] is False
        session = ok(client.post("/api/sessions", json={"video": video["id"]}))["id"]
        ok(client.delete(f"/api/sessions/{session}", params={"upload": True}))
        ok(client.get(f"/api/videos/{video['id']}"))
        assert (gallery / "clip.mp4").exists()
