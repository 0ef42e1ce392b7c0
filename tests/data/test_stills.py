from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool, images
from masklet.data.light import LightSettings
from masklet.data.plain import plain_sets
from masklet.data.stills import StillClips
from masklet.errors import DataError

CLEAR = LightSettings(strength=0, drift=0, grey=0, defocus=0, coarse=0, noise=0, compression=0)
SETTINGS = ClipSettings(frames=1, size=64, light=CLEAR)


def test_a_picture_is_a_clip_of_one_frame_with_its_masks(pool: ImagePool) -> None:
    clip = StillClips(pool, SETTINGS).clip(np.random.default_rng(0))
    assert clip.frames.shape == (1, 64, 64, 3)
    assert clip.masks.shape[0] == 1
    assert 1 <= clip.masks.shape[1] <= SETTINGS.max_objects
    assert clip.visible.all()
    # Objects of these pictures are of one colour, unlike the ground: the mask lies on the object.
    for mask in clip.masks[0]:
        inner = cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
        if inner.sum() > 8:
            assert clip.frames[0][inner].std(axis=0).max() < 40


def test_the_generator_fixes_the_picture(pool: ImagePool) -> None:
    maker = StillClips(pool, SETTINGS)
    one, same, other = (maker.clip(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.frames, same.frames)
    assert np.array_equal(one.masks, same.masks)
    assert not np.array_equal(one.frames, other.frames)


def test_pictures_without_masks_come_without_objects(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    cv2.imwrite(str(tmp_path / "deep" / "a.png"), np.full((40, 60, 3), 90, np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    pool = ImagePool(plain_sets(tmp_path))
    clip = StillClips(pool, SETTINGS).clip(np.random.default_rng(0))
    assert clip.masks.shape == (1, 0, 64, 64)
    assert pool.sets[0].read(0) is None
    assert pool.problems[0].counts() == {"picture cannot be read": 1}


def test_frames_of_videos_come_as_pictures(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 24, (64, 48))
    for t in range(11):
        writer.write(np.full((48, 64, 3), 20 * t, np.uint8))
    writer.release()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    (frames,) = plain_sets(tmp_path)
    assert frames.problems.counts() == {"video cannot be read": 1}
    pictures = list(images(frames))
    assert [picture.name for picture in pictures] == [f"{tmp_path.name}/v.mp4 frame {t}" for t in (0, 5, 10)]
    assert [abs(float(p.image.mean()) - 100 * n) < 8 for n, p in enumerate(pictures)] == [True] * 3


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no picture and no video"):
        plain_sets(tmp_path)
    with pytest.raises(DataError, match="is not a folder"):
        plain_sets(tmp_path / "nowhere")
