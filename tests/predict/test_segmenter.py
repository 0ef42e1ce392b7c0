"""The front door, and what it opens."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import masklet.predict
from fakes import ArraySource, FakeEngine, inside, squares
from masklet.errors import MaskError, SessionError, VideoError
from masklet.predict.automatic import AutomaticOptions
from masklet.predict.segmenter import Segmenter, load_picture
from masklet.video.source import open_source


@pytest.fixture
def model() -> Segmenter:
    return Segmenter(FakeEngine())


def test_every_way_in(model, tmp_path) -> None:
    image = squares(1, 2)[0]
    assert model.image(image).segment(clicks=[inside(0, 1)]).best.area > 0
    assert [s.segment(clicks=[inside(0, 1)]).best.area > 0 for s in model.images([image, image])] == [
        True
    ] * 2
    assert len(model.automatic(image, AutomaticOptions(points_per_side=8, stability=0))) == 3
    source = ArraySource(squares(4))
    with model.video(source) as session:
        session.prompt(0, clicks=[inside(0, 1)])
        assert len(list(session.propagate())) == 4
        session.save(tmp_path / "s")
    assert not source.closed
    with model.resume(tmp_path / "s", source) as session:
        assert session.masks(3)[1].area > 0
    with model.stream() as stream:
        stream.prompt(clicks=[inside(0, 1)])
        assert stream.step(source[0])[1].area > 0
    assert "fake" in repr(model)


def test_a_stream_of_whatever_gives_frames(model, tmp_path) -> None:
    images = squares(4)
    for t, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"{t}.png")
    source = ArraySource(images)
    ways = (
        str(tmp_path),
        tmp_path,
        source,
        list(images),
        np.stack(images),
        (image for image in images),
        source.read(0, 4),
        masklet.StreamOf(images),
    )
    for frames in ways:
        with model.stream(frames) as stream:
            stream.prompt(clicks=[inside(0, 1)])
            assert [(frame.index, masks[1].area > 0) for frame, masks in stream] == [
                (t, True) for t in range(4)
            ], type(frames)
    assert source.closed
    stream = model.stream()
    stream.prompt(clicks=[inside(0, 1)])
    assert [stream.step(image).index for image in images] == [0, 1, 2, 3]


def test_what_gives_no_frames_is_named(model, tmp_path) -> None:
    for wrong, told in (
        (7, "cannot stream frames from a int; give a path"),
        (tmp_path / "no.mp4", "no.mp4"),
        (["a.png"], "frame 0 must be uint8"),
    ):
        with pytest.raises(VideoError, match=told):
            list(model.stream(wrong))
    with pytest.raises(VideoError, match="frame 0 must be uint8"):
        model.stream().step("a.png")


def test_a_source_opened_here_is_closed_here(model, monkeypatch) -> None:
    source = ArraySource(squares(3))
    monkeypatch.setattr(Segmenter, "_open", staticmethod(lambda video: (source, True)))
    model.video("clip.mp4").close()
    assert source.closed
    source = ArraySource([])
    with pytest.raises(SessionError):
        model.video("empty.mp4")
    assert source.closed


def test_pictures_of_every_kind_load_alike(tmp_path) -> None:
    image = squares(1)[0]
    Image.fromarray(image).save(tmp_path / "a.png")
    same = [
        image,
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(image),
        np.dstack([image, np.full(image.shape[:2], 9, np.uint8)]),
    ]
    for picture in same:
        assert np.array_equal(load_picture(picture), image)
    grey = load_picture(image[..., 0])
    assert grey.shape == image.shape
    deep = Image.fromarray(image[..., 0].astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    assert np.array_equal(load_picture(tmp_path / "deep.png"), grey)
    ground = int(image[0, 0, 0])
    deep.save(tmp_path / "holes.png", transparency=ground * 257)
    assert np.array_equal(load_picture(tmp_path / "holes.png"), np.where(grey == ground, 0, grey))


def test_a_picture_and_a_frame_look_the_same(tmp_path) -> None:
    """What is transparent is black in both, whatever colours lie there."""
    image = np.dstack([squares(1)[0], np.full((96, 128), 255, np.uint8)])
    image[:, :40, 3] = 0
    Image.fromarray(image).save(tmp_path / "cut.png")
    loaded = load_picture(tmp_path / "cut.png")
    assert not loaded[:, :40].any()
    assert np.array_equal(loaded, open_source(tmp_path / "cut.png")[0].image)
    assert np.array_equal(loaded, load_picture(Image.fromarray(image)))


def test_the_camera_s_turn_is_kept(tmp_path) -> None:
    image = Image.fromarray(squares(1)[0])
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert load_picture(tmp_path / "turned.jpg").shape == (128, 96, 3)


def test_bad_pictures_say_why(tmp_path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(squares(1)[0]).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:120])
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    for name, message in (
        ("", "is a folder; give one picture"),
        ("float.tif", "holds float32 pixels"),
        ("gone.png", "gone.png does not exist"),
        ("text.png", "not a picture"),
        ("cut.png", "cut.png cannot be read"),
    ):
        with pytest.raises(VideoError, match=message):
            load_picture(tmp_path / name)
    with pytest.raises(MaskError, match="uint8"):
        load_picture(np.zeros((4, 4, 3)))
    with pytest.raises(MaskError, match="3 channels, got 2"):
        load_picture(np.zeros((4, 4, 2), np.uint8))


def test_predict_imports_no_engine_and_no_video_library() -> None:
    folder = Path(masklet.predict.__file__).parent
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {n.split(".")[0] for n in names} & {"torch", "av", "openvino", "cv2"}, file.name


def test_importing_predict_is_light() -> None:
    code = "import sys, masklet.predict.segmenter; print(*{'torch', 'av', 'scipy'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
