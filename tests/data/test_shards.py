"""Shards hold what training would use, in files of bounded size, and are read where they lie."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from masklet.data.datasets import ImagePool, LabelledImage, images, training_images
from masklet.data.problems import Problems
from masklet.data.shards import ENDING, ShardSettings, write_shards
from masklet.errors import ConfigError, DataError, SinkError
from masklet.types import Mask


class Noise:
    """Pictures that no format makes small."""

    def __init__(self, count: int) -> None:
        self.problems = Problems()
        self.count = count

    def __len__(self) -> int:
        return self.count

    def read(self, index: int) -> LabelledImage | None:
        image = np.random.default_rng(index).integers(0, 256, (300, 400, 3), np.uint8)
        mask = np.zeros((300, 400), bool)
        mask[50:250, 100 : 200 + index] = True
        return LabelledImage(image, (Mask.from_array(mask),), str(index), "noise")


def test_what_comes_out_is_what_went_in(stills: Path, tmp_path: Path) -> None:
    pool = training_images(stills)
    (shard,) = write_shards(pool.sets, tmp_path / "shards", ShardSettings(quality=95))
    again = training_images(tmp_path / "shards")
    assert [one.name for one in again.sets] == ["coco", "shapes"]  # type: ignore[attr-defined]
    before = [picture for one in pool.sets for picture in images(one)]
    # Sent to a process, as the workers of training get it:
    after = [picture for one in pickle.loads(pickle.dumps(again)).sets for picture in images(one)]
    assert len(before) == len(after) == len(pool)  # those held out of `coco` stayed out, and no more
    for one, other in zip(before, after, strict=True):
        assert one.group == other.group
        assert one.masks == other.masks
        assert np.abs(one.image.astype(int) - other.image).mean() < 8
    with zipfile.ZipFile(shard) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert len(training_images(tmp_path / "unpacked")) == len(pool)


def test_shards_are_bounded_and_pictures_made_smaller(tmp_path: Path) -> None:
    settings = ShardSettings(side=200, limit=1_000_000, quality=100)
    shards = list(write_shards([Noise(40)], tmp_path, settings))
    assert len(shards) > 1
    assert all(shard.stat().st_size <= settings.limit for shard in shards)
    pool = training_images(tmp_path)
    assert len(pool) == 40
    for index in range(40):
        picture = pool.read(index)
        assert picture is not None
        assert picture.image.shape == (150, 200, 3)
        assert picture.masks[0].area == pytest.approx(100 * (100 + index) / 2, rel=0.02)


def test_nothing_is_overwritten_and_a_stopped_run_leaves_no_half_shard(tmp_path: Path) -> None:
    list(write_shards([Noise(2)], tmp_path))
    with pytest.raises(SinkError, match="holds shards already; name a new folder"):
        next(write_shards([Noise(2)], tmp_path))
    stopped = write_shards([Noise(40)], tmp_path / "b", ShardSettings(limit=1_000_000, quality=100))
    next(stopped)
    stopped.close()
    assert [path.name for path in (tmp_path / "b").iterdir()] == [f"000{ENDING}"]


def test_damage_and_wrong_settings_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no picture could be packed"):
        list(write_shards([Noise(0)], tmp_path / "none"))
    (tmp_path / f"000{ENDING}").write_bytes(b"no zip")
    with pytest.raises(DataError, match="cannot be read as a shard"):
        training_images(tmp_path)
    with pytest.raises(ConfigError, match="at least 1000000 bytes"):
        ShardSettings(limit=10)


def test_a_damaged_picture_is_named_and_left_out(tmp_path: Path) -> None:
    (shard,) = write_shards([Noise(3)], tmp_path)
    data = bytearray(shard.read_bytes())
    data[20_000:20_100] = bytes(100)
    shard.write_bytes(bytes(data))
    pool: ImagePool = training_images(tmp_path)
    assert [pool.read(index) is None for index in range(3)] == [True, False, False]
    assert str(pool.problems[0]) == "1 × picture cannot be read"
