"""Made-up clips on disk are a data set that evaluation reads, with the clips' own truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masklet.data.clip_folder import write_clips
from masklet.data.clips import ClipSettings
from masklet.data.datasets import ImagePool
from masklet.data.synthetic import ClipSynthesiser
from masklet.errors import SinkError
from masklet.evaluate.readers.dataset import open_videos

SETTINGS = ClipSettings(frames=10, size=64, max_objects=1, leave=1.0, cover=1.0)


def test_clips_come_back_as_they_were_made(pool: ImagePool, tmp_path: Path) -> None:
    maker = ClipSynthesiser(pool, SETTINGS)
    assert list(write_clips(maker, tmp_path / "clips", 6, seed=3)) == [f"clip-{n:04d}" for n in range(6)]
    videos = open_videos(tmp_path / "clips", "davis")
    away = 0
    for number, name in enumerate(videos.names):
        clip = maker.clip(np.random.default_rng([3, number]))
        truth = videos.truth(name)
        assert truth.objects == (1,)
        assert len(truth.names) == 10
        for t in range(10):
            assert np.array_equal(truth.mask(1, t).to_array(), clip.masks[t, 0])
            assert truth.mask(1, t).is_empty == (not clip.visible[t, 0])
            away += not clip.visible[t, 0]
    assert away > 0  # what the set is for


def test_a_folder_with_something_in_it_is_left_alone(pool: ImagePool, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SinkError, match=r"is not empty; name a new folder"):
        next(write_clips(ClipSynthesiser(pool, SETTINGS), tmp_path, 1, seed=0))
    assert (tmp_path / "mine.txt").read_text() == "mine"
