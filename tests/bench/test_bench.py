"""Measuring speed with a model that needs no weights: what is counted, and how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fakes import FakeEngine
from masklet.bench import stages
from masklet.bench.case import STAGES, Case, Measured, ratios
from masklet.bench.clip import Clip
from masklet.bench.report import document, plot
from masklet.bench.run import measure
from masklet.bench.stages import Stopwatch
from masklet.errors import ConfigError
from masklet.predict.segmenter import Segmenter
from masklet.video.source import open_source

CLIP = Clip(width=256, height=192, objects=3, frames=8)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    CLIP.write(path)
    return path


def case(video: Path, **other: object) -> Case:
    return Case(
        **{"model": "fake", "video": str(video), "boxes": CLIP.boxes(), "frames": 8, "warmup": 3, **other}
    )


def test_the_clip_shows_what_its_truth_says(video: Path) -> None:
    with open_source(video) as source:
        frames = [frame.image for frame in source.read(0, len(source))]
    assert len(frames) == 8
    for t in (0, 7):
        inside = [CLIP.inside(number, t) for number in range(3)]
        assert not (inside[0] & inside[1]).any()
        for number, disc in enumerate(inside):
            x0, y0, x1, y1 = CLIP.truth(number, t).box
            assert 0 < x0 < x1 < CLIP.width, "a disc leaves the picture"
            assert 0 < y0 < y1 < CLIP.height
            ground = frames[t][~np.any(inside, axis=0)].astype(float).mean(0)
            assert np.abs(frames[t][disc].astype(float).mean(0) - ground).max() > 15
    assert CLIP.centre(0, 0) != CLIP.centre(0, 7)


def test_every_counted_frame_and_stage(video: Path) -> None:
    engine = FakeEngine()
    found = measure(case(video, objects=2), CLIP, lambda *_, **__: Segmenter(engine))
    assert len(found.totals) == 8 - 3
    assert set(found.stages) == set(STAGES)
    assert all(found.stages[name] > 0 for name in STAGES if name != "preprocess")
    main = sum(seconds for name, seconds in found.stages.items() if name != "decode")
    # Decoding is the one stage that runs on either thread.
    assert main <= np.mean(found.totals) * 1.001
    assert main + found.stages["decode"] >= np.mean(found.totals) * 0.999
    assert found.iou is not None
    assert 0 <= found.iou <= 1
    assert found.load > 0
    assert found.first > 0
    assert engine.calls["encode"] == 8


def test_seconds_by_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 2.0, 5.0, 9.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    watch = Stopwatch()  # at 0
    watch.start()  # at 1
    with watch("encode"):  # from 2 to 5
        pass
    watch.lap()  # at 9
    assert watch.laps == [{"encode": 3.0, "rest": 5.0, "total": 8.0}]


def measured(video: Path, totals: tuple[float, ...], **other: object) -> Measured:
    return Measured(case(video, **other), "cpu", 128, 1.0, 0.5, totals, {}, 10**9, 0.5)


def test_percentiles_and_ratios(video: Path) -> None:
    ours = measured(video, tuple(k / 100 for k in range(1, 101)))
    assert ours.percentile(0.5) == 0.5
    assert ours.percentile(0.95) == 0.95
    assert ours.fps == pytest.approx(100 / 50.5)
    slow = measured(video, (4.0, 4.0), by="sam2")
    other = measured(video, (4.0, 4.0), by="sam2", objects=2)
    found = ratios([ours, slow, other])
    assert [r.times for r in found] == [pytest.approx(ours.fps / 0.25)]
    assert "× sam2" in str(found[0])
    written = document([ours, slow])
    assert written["ratios"][0]["times"] == pytest.approx(ours.fps / 0.25)
    assert written["measured"][0]["p95_seconds"] == 0.95
    picture = plot([ours, slow])
    assert picture.startswith("<svg")
    assert "0.2 frames/s" in picture


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"warmup": 7}, "leave nothing to measure"), ({"objects": 4}, "there are 3 boxes")],
)
def test_cases_that_are_none(video: Path, change: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        case(video, **change)
