"""Amazon SageMaker's contract, and what a container starts."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine, inside
from masklet.predict.segmenter import Segmenter
from masklet.server.masks_json import mask_of
from masklet.server.settings import Settings
from masklet.server.weights import model_in
from studio_kit import FRAMES, ok, problem

STREAM = "ws://localhost/invocations-bidirectional-stream"


def data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def invoke(client: Any, **body: Any) -> Any:
    return client.post("/invocations", json=body)


def test_a_picture_is_answered_at_once(client, photo) -> None:
    clicks = [{"clicks": [list(inside(0, 1))]}]
    answer = ok(invoke(client, image=data_uri(photo, "image/png"), prompts=clicks))
    assert (answer["model"], answer["width"], answer["height"]) == ("fake", 128, 96)
    assert len(answer["prompts"][0]["candidates"]) == 3
    (frame,) = answer["masks"]
    assert frame["objects"]["1"]["mask"] == answer["prompts"][0]["mask"]


def test_a_video_is_tracked_and_gives_the_local_masks(client, clip, tmp_path: Path) -> None:
    prompts = [{"object": 4, "frame": 2, "clicks": [list(inside(2, 1))]}]
    answer = ok(invoke(client, video=data_uri(clip, "video/mp4"), prompts=prompts))
    (tmp_path / "clip.mp4").write_bytes(clip)
    with Segmenter(FakeEngine()).video(tmp_path / "clip.mp4") as session:
        session.prompt(2, 4, clicks=[inside(2, 1)])
        expected = {frame.index: masks[4] for frame, masks in session.propagate()}
    found = {f["frame"]: mask_of(f["objects"]["4"]["mask"], 128, 96) for f in answer["masks"]}
    assert found == expected
    assert len(found) == FRAMES
    assert list((tmp_path / "store").glob("tmp*")) == []


def test_the_body_may_be_the_file(client, clip) -> None:
    attributes = {"prompts": [{"clicks": [list(inside(0, 1))]}], "track": {"limit": 2}}
    headers = {"content-type": "video/mp4", "x-amzn-sagemaker-custom-attributes": json.dumps(attributes)}
    answer = ok(client.post("/invocations", content=clip, headers=headers))
    assert [f["frame"] for f in answer["masks"]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"prompts": [{"clicks": [[1, 1]]}]}, 422, "config"),
        ({"image": "data:,x", "video": "data:,x", "prompts": [{"clicks": [[1, 1]]}]}, 422, "config"),
        ({"image": "data:text/plain,hello", "prompts": [{"clicks": [[1, 1]]}]}, 415, "video"),
        ({"image": "data:image/png;base64,?", "prompts": [{"clicks": [[1, 1]]}]}, 422, "config"),
        ({"image": "data:,x", "prompts": []}, 422, "config"),
        ("nonsense", 422, "config"),
    ],
)
def test_bad_invocations_get_one_line(client, body: Any, status: int, code: str) -> None:
    problem(client.post("/invocations", content=json.dumps(body)), status, code)


@pytest.mark.parametrize(
    "uri", ["https://example.com/a.png", "s3://bucket/a.png", "http://a/b", "ftp://a/b", "a.png"]
)
def test_uris_are_fetched_only_from_where_they_may(serving, photo, tmp_path: Path, uri: str) -> None:
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / "photo.png").write_bytes(photo)
    (tmp_path / "secret.png").write_bytes(photo)
    (tmp_path / "gallery" / "link.png").symlink_to(tmp_path / "secret.png")
    prompts = [{"clicks": [list(inside(0, 1))]}]
    with serving(gallery=tmp_path / "gallery") as client:
        problem(invoke(client, image=uri, prompts=prompts), 422, "config")
        for name in ("secret.png", "gallery/../secret.png", "gallery/link.png"):
            problem(invoke(client, image=f"file://{tmp_path}/{name}", prompts=prompts), 422, "config")
        ok(invoke(client, image=f"file://{tmp_path}/gallery/photo.png", prompts=prompts))


def test_without_a_token_only_the_contract_is_open(serving, photo) -> None:
    with serving(sagemaker=True, host="0.0.0.0") as client:
        assert client.get("/ping").status_code == 200
        ok(invoke(client, image=data_uri(photo, "image/png"), prompts=[{"clicks": [[5, 5]]}]))
        problem(client.get("/api/videos"), 401, "token")


def test_the_bidirectional_stream_is_one_session(client, clip) -> None:
    with client.websocket_connect(STREAM) as socket:
        socket.send_json({"type": "open", "video": data_uri(clip, "video/mp4")})
        hello = socket.receive_json()
        assert hello["session"]["video"]["frames"] == FRAMES
        socket.send_json({"type": "prompt", "object": 1, "frame": 0, "clicks": [[*inside(0, 1), 1]]})
        while (told := socket.receive())["type"] != "websocket.close":
            if told.get("text") and json.loads(told["text"])["type"] == "preview":
                break
    assert ok(client.get("/api/videos"))["videos"] == []


def test_a_stream_that_names_nothing_is_refused(client) -> None:
    with client.websocket_connect(STREAM) as socket:
        socket.send_json({"type": "open"})
        assert socket.receive_json()["error"]["code"] == "config"


def test_weights_are_taken_from_the_model_folder(tmp_path: Path) -> None:
    assert model_in(tmp_path / "none") is None
    (tmp_path / "model.safetensors").touch()
    assert model_in(tmp_path) == tmp_path / "model.safetensors"
    for part in ("image", "memory"):
        (tmp_path / f"{part}.safetensors").touch()
    assert model_in(tmp_path) == tmp_path
    assert Settings(store=tmp_path, host="0.0.0.0", sagemaker=True).token is None
