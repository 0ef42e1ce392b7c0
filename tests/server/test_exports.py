"""What is taken away reads back as what was seen."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageDraw

from fakes import COLOURS, inside, squares
from masklet.video.file import VideoFile
from masklet.video.json_masks import read_masklets
from masklet.video.palette import read_palette_png
from studio_kit import FRAMES, bulk, click, ended, film, new_session, ok, problem, track, until


def exported(client: Any, session: str, **body: Any) -> tuple[str, bytes]:
    """Name and bytes of an export."""
    export = ended(client, ok(client.post(f"/api/sessions/{session}/exports", json=body)))
    assert export["state"] == "done", export
    answer = client.get(f"/api/exports/{export['id']}/file")
    assert answer.status_code == 200
    assert len(answer.content) == export["bytes"]
    assert export["name"] in answer.headers["content-disposition"]
    return export["name"], answer.content


@pytest.fixture
def tracked(client, clip) -> str:
    session = new_session(client, clip)
    click(client, session, 0, inside(0, 1))
    click(client, session, 3, inside(3, 2), 2)
    ok(client.patch(f"/api/sessions/{session}/objects/2", json={"name": "green", "colour": "#ff00ff"}))
    track(client, session)
    return session


@pytest.mark.parametrize("format", ["coco", "sav"])
def test_json_masks_read_back(client, tracked, tmp_path: Path, format: str) -> None:
    name, data = exported(client, tracked, format=format)
    (tmp_path / name).write_bytes(data)
    stored = bulk(client, tracked)
    for object_id, masklet in read_masklets(tmp_path / name).items():
        visible = {t: m[object_id] for t, m in stored.items() if object_id in m.masks}
        assert masklet.masks == {t: mask for t, mask in visible.items() if not mask.is_empty}
    document = json.loads(data)
    if format == "coco":
        assert document["videos"][0]["length"] == FRAMES
        assert document["videos"][0]["times"][5] == pytest.approx(0.2)
        assert document["annotations"][0]["prompted"] == [0]
        assert [one["name"] for one in document["categories"]] == ["object", "green"]
        assert [note["category_id"] for note in document["annotations"]] == [1, 2]


def test_pngs_read_back(client, tracked, tmp_path: Path) -> None:
    _, data = exported(client, tracked, format="png", objects=[2])
    stored = bulk(client, tracked)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == [f"{t:05d}.png" for t in sorted(stored)]
        archive.extractall(tmp_path)
    for t, masks in stored.items():
        assert read_palette_png(tmp_path / f"{t:05d}.png") == {2: masks[2]}


def test_yolo_polygons_fill_to_the_masks(client, tracked) -> None:
    _, data = exported(client, tracked, format="yolo")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert '1: "green"' in archive.read("data.yaml").decode()
        lines = archive.read("labels/00004.txt").decode().splitlines()
    masks = bulk(client, tracked)[4]
    assert [line.split()[0] for line in lines] == ["0", "1"]
    for line, object_id in zip(lines, (1, 2), strict=True):
        points = np.array(line.split()[1:], float).reshape(-1, 2) * (128, 96)
        large = Image.new("1", (128 * 8, 96 * 8))
        ImageDraw.Draw(large).polygon([tuple(p) for p in points * 8], fill=1)
        filled = np.asarray(large)[4::8, 4::8]
        assert np.array_equal(filled, masks[object_id].to_array())


@pytest.mark.parametrize("kind", ["png", "mov"])
def test_a_cut_out_has_alpha(client, tracked, tmp_path: Path, kind: str) -> None:
    name, data = exported(client, tracked, format="cutout", cutout=kind, objects=[1], start=2, stop=5)
    mask = bulk(client, tracked)[2][1].to_array()
    if kind == "png":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.namelist() == ["00002.png", "00003.png", "00004.png"]
            image = np.asarray(Image.open(io.BytesIO(archive.read("00002.png"))))
    else:
        (tmp_path / name).write_bytes(data)
        with av.open(str(tmp_path / name)) as container:
            image = next(container.decode(video=0)).to_ndarray(format="rgba")
    assert ((image[..., 3] > 127) == mask).mean() > 0.999


def test_a_video_with_effects_keeps_its_sound(client, tmp_path: Path) -> None:
    silent = film(tmp_path / "silent.mp4", squares(FRAMES, 2))
    original = tmp_path / "loud.mp4"
    add_tone(tmp_path / "silent.mp4", original)
    assert silent != original.read_bytes()
    session = new_session(client, original.read_bytes(), "loud.mp4")
    assert ok(client.get(f"/api/sessions/{session}"))["video"]["sound"] is True
    click(client, session, 0, inside(0, 1))
    track(client, session)
    effects = {"background": {"kind": "grey", "strength": 1}, "object": {"kind": "colour", "strength": 1}}
    name, data = exported(client, session, format="video", effects=effects)
    assert name == "loud-effects.mp4"
    (tmp_path / name).write_bytes(data)
    assert loudness(tmp_path / name) > 0.5 * loudness(original) > 0
    with VideoFile(tmp_path / name) as shown:
        assert len(shown) == FRAMES
        image = shown[4].image.astype(int)
    x, y = inside(4, 1)
    assert np.abs(image[y, x] - (30, 144, 255)).max() < 40  # the object's own colour
    x, y = inside(4, 2)
    assert np.ptp(image[y, x]) < 30  # the green square behind has become grey
    _, muted = exported(client, session, format="video", sound=False, start=2, stop=6)
    (tmp_path / "muted.mp4").write_bytes(muted)
    with av.open(str(tmp_path / "muted.mp4")) as container:
        assert not container.streams.audio
        assert container.streams.video[0].frames == 4


@pytest.mark.parametrize("isolate", [True, False])
def test_videos_are_shown_as_wide_as_their_source(serving, tmp_path: Path, isolate: bool) -> None:
    silent = tmp_path / "silent.mp4"
    film(silent, squares(FRAMES, 2), sample_aspect=Fraction(2))
    add_tone(silent, tmp_path / "wide.mp4")
    with serving(isolate=isolate) as client:
        session = new_session(client, (tmp_path / "wide.mp4").read_bytes(), "wide.mp4")
        click(client, session, 0, inside(0, 1))
        for body in ({"format": "video"}, {"format": "cutout", "cutout": "mov"}):
            name, data = exported(client, session, **body)
            (tmp_path / name).write_bytes(data)
            assert VideoFile(tmp_path / name).sample_aspect == 2, name


def test_without_effects_of_its_own_a_video_has_the_session_s(client, photo) -> None:
    session = new_session(client, photo, "holiday.png")
    click(client, session, 0, inside(0, 1))
    blue = {"background": {"kind": "erase", "colour": "#0000ff"}}
    ok(client.put(f"/api/sessions/{session}/effects", json=blue))
    x, y = inside(0, 2)
    for given, colour in ({}, (0, 0, 255)), ({"effects": {}}, COLOURS[2]):
        _, data = exported(client, session, format="video", **given)
        assert tuple(np.asarray(Image.open(io.BytesIO(data)))[y, x]) == colour


def add_tone(pictures: Path, target: Path) -> None:
    """The same pictures with a tone beside them."""
    with av.open(str(pictures)) as source, av.open(str(target), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        audio = out.add_stream("aac", rate=48000)
        audio.layout = "mono"
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        seconds = FRAMES / 25
        wave = np.sin(np.arange(int(48000 * seconds)) * 2 * np.pi * 440 / 48000).astype(np.float32)
        for start in range(0, len(wave), 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))


def loudness(path: Path) -> float:
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return 0.0
        heard = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return float(np.sqrt(np.mean(np.concatenate(heard, axis=-1).astype(float) ** 2)))


def test_a_photo_is_exported_as_pictures(client, photo) -> None:
    session = new_session(client, photo, "holiday.png")
    click(client, session, 0, inside(0, 1))
    name, data = exported(
        client, session, format="video", effects={"background": {"kind": "cutout", "colour": "#0000ff"}}
    )
    assert name == "holiday-effects.png"
    image = np.asarray(Image.open(io.BytesIO(data)))
    x, y = inside(0, 1)
    assert tuple(image[y, x]) == COLOURS[1]
    assert tuple(image[80, 100]) == (0, 0, 255)
    name, data = exported(client, session, format="cutout")
    assert (name, Image.open(io.BytesIO(data)).mode) == ("holiday-cutout.png", "RGBA")


def test_an_export_is_listed_told_and_deleted(client, tracked, tmp_path: Path) -> None:
    with client.websocket_connect(f"ws://localhost/api/sessions/{tracked}/stream") as socket:
        socket.receive_json()
        export = ok(client.post(f"/api/sessions/{tracked}/exports", json={"format": "coco"}))
        while (told := socket.receive_json())["type"] != "export" or told["export"]["state"] != "done":
            pass
    assert [e["id"] for e in ok(client.get(f"/api/sessions/{tracked}/exports"))["exports"]] == [export["id"]]
    assert client.delete(f"/api/exports/{export['id']}").status_code == 204
    problem(client.get(f"/api/exports/{export['id']}"), 404, "missing")
    until(lambda: not list((tmp_path / "store" / "exports").iterdir()))


def test_an_export_is_cancelled(client, tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masklet.server import export_jobs

    begun, go_on = threading.Event(), threading.Event()
    write = export_jobs.write

    def slow(request: Any, taken: Any, source: Any, folder: Path, progress: Any) -> Path:
        begun.set()
        go_on.wait(60)
        return write(request, taken, source, folder, progress)

    monkeypatch.setattr(export_jobs, "write", slow)
    export = ok(client.post(f"/api/sessions/{tracked}/exports", json={"format": "png"}))
    begun.wait(60)
    problem(client.get(f"/api/exports/{export['id']}/file"), 409, "session")
    client.delete(f"/api/exports/{export['id']}")
    go_on.set()
    until(lambda: client.studio.live(tracked).exports == 0)
    assert list((tmp_path / "store" / "exports").iterdir()) == []


def test_an_export_of_what_is_not_there_is_refused_at_once(client, tracked) -> None:
    def told(**body: Any) -> str:
        asked = client.post(f"/api/sessions/{tracked}/exports", json={"format": "png", **body})
        return problem(asked, 422, "config")

    assert "there is no object 9 to export; known objects: [1, 2]" in told(objects=[1, 9])
    assert "frames 5 to 2 are no part of the video" in told(start=5, stop=2)
    assert f"frames 0 to {FRAMES + 1} are no part" in told(stop=FRAMES + 1)
    assert ok(client.get(f"/api/sessions/{tracked}/exports"))["exports"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"format": "avi"},
        {"format": "video", "effects": {"object": {"kind": "sparkle"}}},
        {"format": "video", "effects": {"object": {"strength": 2}}},
        {"format": "video", "effects": {"objects": {"one": {}}}},
    ],
)
def test_an_export_that_does_not_exist_is_refused(client, tracked, body) -> None:
    problem(client.post(f"/api/sessions/{tracked}/exports", json=body), 422, "config")
