"""Real videos with masks as clips, in the layouts they are published in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from masklet.data.clips import ClipSettings
from masklet.data.light import LightSettings
from masklet.data.mixing import MixedClips
from masklet.data.videos import VideoClips
from masklet.errors import ConfigError, DataError
from masklet.types import Mask

CLEAR = LightSettings(strength=0, drift=0, grey=0, defocus=0, coarse=0, noise=0, compression=0)
SETTINGS = ClipSettings(frames=3, size=32, light=CLEAR, max_objects=2)
HEIGHT, WIDTH = 48, 64


def scene(t: int, frames: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """A bright square that goes right, and a dark one that is gone in the second half: picture and ids."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    ids[4:20, 4 + 4 * t : 20 + 4 * t] = 1
    if t < frames // 2:
        ids[28:44, 20:40] = 2
    picture = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    picture[ids == 1] = 240
    picture[ids == 2] = 10
    return picture, ids


def palette(root: Path, name: str, frames: int = 8) -> None:
    for folder in ("JPEGImages", "Annotations"):
        (root / folder / name).mkdir(parents=True)
    for t in range(frames):
        picture, ids = scene(t, frames)
        Image.fromarray(picture).save(root / "JPEGImages" / name / f"{t:05d}.jpg", quality=95)
        mask = Image.fromarray(ids)
        mask.putpalette(list(range(256)) * 3)
        mask.save(root / "Annotations" / name / f"{t:05d}.png")


def sav(root: Path) -> None:
    """One video of 13 frames, masks on every fourth."""
    name = "sav_000001"
    rows = []
    for t in range(0, 13, 4):
        _, ids = scene(t // 4)
        masks = [Mask.from_array(ids == number) for number in (1, 2)]
        rows.append([{"size": [HEIGHT, WIDTH], "counts": mask.counts.decode()} for mask in masks])
    content = {
        "video_height": HEIGHT, "video_width": WIDTH, "video_frame_count": 13, "masklet_id": [0, 1],
        "masklet": rows,
    }  # fmt: skip
    (root / f"{name}_manual.json").write_text(json.dumps(content))
    writer = cv2.VideoWriter(str(root / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 24, (WIDTH, HEIGHT))
    for t in range(13):
        writer.write(scene(t // 4)[0])
    writer.release()


def assert_true_to_the_pictures(makers: VideoClips, draws: int = 6) -> None:
    for seed in range(draws):
        clip = makers.clip(np.random.default_rng(seed))
        assert clip.frames.shape == (3, 32, 32, 3)
        assert clip.masks[0].any(axis=(1, 2)).all()
        for frame, masks in zip(clip.frames, clip.masks, strict=True):
            for mask in masks:
                inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
                levels = frame[inner].mean(axis=-1) if inner.any() else np.array([240.0])
                assert ((levels > 190) | (levels < 60)).mean() > 0.9


@pytest.mark.parametrize("format", ["davis", "mose", "ytvos", "all"])
def test_palette_folders(tmp_path: Path, format: str) -> None:
    palette(tmp_path, "one")
    palette(tmp_path, "two")
    maker = VideoClips.open(tmp_path, format, SETTINGS)
    assert_true_to_the_pictures(maker)
    assert not any(len(problems) for problems in maker.problems)
    seen = [maker.clip(np.random.default_rng(seed)) for seed in range(12)]
    assert any(not clip.visible.all() for clip in seen)  # the dark square goes
    assert {clip.masks.shape[1] for clip in seen} == {1, 2}


def test_sav_json(tmp_path: Path) -> None:
    sav(tmp_path)
    assert_true_to_the_pictures(VideoClips.open(tmp_path, "sav", SETTINGS), draws=3)


def test_the_generator_fixes_the_clip(tmp_path: Path) -> None:
    palette(tmp_path, "one")
    maker = VideoClips.open(tmp_path, "davis", SETTINGS)
    one, same = (maker.clip(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one.frames, same.frames)
    assert np.array_equal(one.masks, same.masks)


def test_bad_videos_are_named_counted_and_left_out(tmp_path: Path) -> None:
    for name in ("good", "lacks", "broken", "size", "damaged", "short"):
        palette(tmp_path, name, frames=2 if name == "short" else 8)
    for t in range(8):
        (tmp_path / "JPEGImages" / "broken" / f"{t:05d}.jpg").write_bytes(b"no picture")
        wrong = tmp_path / "JPEGImages" / "size" / f"{t:05d}.jpg"
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(wrong)
    (tmp_path / "Annotations" / "damaged" / "00003.png").write_bytes(b"no mask")
    for t in range(1, 8):
        (tmp_path / "JPEGImages" / "lacks" / f"{t:05d}.jpg").unlink()
    maker = VideoClips.open(tmp_path, "davis", SETTINGS)
    for seed in range(25):
        maker.clip(np.random.default_rng(seed))
    counts = maker.problems[0].counts()
    assert counts["masks cannot be used"] == 2  # damaged, and lacks: masks without a frame
    assert counts["picture cannot be read"] >= 1
    assert counts["mask has another size than its picture"] >= 1
    assert counts["video is shorter than a clip"] == 1
    named = " ".join(str(problem) for problem in maker.problems[0])
    for name in ("lacks", "broken/0", "size/0", "damaged", "short"):
        assert name in named
    assert "good" not in named


def test_nothing_usable_is_an_error_that_says_why(tmp_path: Path) -> None:
    palette(tmp_path, "short", frames=2)
    maker = VideoClips.open(tmp_path, "davis", SETTINGS)
    with pytest.raises(DataError, match=r"no clip of 3 frames .* 1 × video is shorter than a clip"):
        maker.clip(np.random.default_rng(0))


def test_makers_are_mixed_by_weight(tmp_path: Path) -> None:
    palette(tmp_path, "one")
    short = VideoClips.open(tmp_path, "davis", ClipSettings(frames=2, size=32, light=CLEAR))
    long = VideoClips.open(tmp_path, "davis", SETTINGS)
    mixed = MixedClips([(short, 3.0), (long, 1.0)])
    lengths = [len(mixed.clip(np.random.default_rng(seed)).frames) for seed in range(40)]
    assert 20 < lengths.count(2) < 40
    assert len(mixed.problems) == 2
    with pytest.raises(ConfigError, match="give numbers above 0"):
        MixedClips([(short, 0.0)])
    with pytest.raises(ConfigError, match="no data to train on"):
        MixedClips([])


def test_a_video_without_masks_is_told(tmp_path: Path) -> None:
    for name in ("masked", "bare"):
        palette(tmp_path, name)
    shutil.rmtree(tmp_path / "Annotations" / "bare")
    clips = VideoClips.open(tmp_path, "davis", SETTINGS)
    assert [str(problem) for one in clips.problems for problem in one] == ["bare: video has no masks"]
    folder = tmp_path / "sav"
    folder.mkdir()
    sav(folder)
    (folder / "sav_000002.mp4").write_bytes(b"")
    clips = VideoClips.open(folder, "sav", SETTINGS)
    assert [str(problem) for one in clips.problems for problem in one] == ["sav_000002: video has no masks"]
