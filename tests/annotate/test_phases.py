"""The simulated annotator in its three ways, and the table."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fakes import Aside, FakeEngine
from masklet.annotate.phases import PAPER, Phases, Way, _mend, draw_all, simulate, table
from masklet.evaluate.protocols.opening import open_frames
from masklet.evaluate.readers import open_videos
from masklet.evaluate.results import SequenceScore
from masklet.evaluate.run import run
from masklet.predict.segmenter import Segmenter
from masklet.types import Mask
from tiny_benchmarks import Loader, make_davis

EASY = Way(quality=0.5, standards=(0.0,))


class Forgetful(FakeEngine):
    """Loses every object on the frame after it was prompted."""

    def condition(self, features, reading, foveas=None):
        found, targets = super().condition(features, reading, foveas)
        return found, None if targets is None else targets * 0 - 9.0


def details(tmp_path, engine: FakeEngine, way: Way = EASY, **more: Any) -> dict[str, Any]:
    videos = open_videos(make_davis(tmp_path / "DAVIS", **more), "davis")
    truth = videos.truth("two")
    with open_frames(videos, truth) as source:
        return simulate(Segmenter(engine), source, truth, way)


def test_seconds_by_hand(tmp_path) -> None:
    found = details(tmp_path, FakeEngine())
    # 2 objects on 8 frames. Phase 1: locating and a click on each. The others: once, and a look at the video.
    assert found["1"][0]["seconds"] == pytest.approx(16 * (1 + 1.5))
    for phase in ("2", "3"):
        (row,) = found[phase]
        assert row["seconds"] == pytest.approx(2 * (1 + 1.5 + 8 * 30 / 300))
        assert (row["edited"], row["clicks"], row["frames"]) == (2, 2, 16)
        assert row["aligned"] == row["masks"] == {"small": 16, "medium": 0, "large": 0}


def test_a_model_that_loses_the_object_costs_a_stop_on_every_frame(tmp_path) -> None:
    found = details(tmp_path, Forgetful())
    for phase in ("2", "3"):
        (row,) = found[phase]
        assert row["edited"] == 16
        assert row["J&F"] == pytest.approx(found["1"][0]["J&F"], abs=0.02)
        assert row["seconds"] > found["1"][0]["seconds"]


def test_a_hidden_object_is_not_drawn(tmp_path) -> None:
    videos = open_videos(make_davis(tmp_path / "DAVIS", hidden=range(3, 5)), "davis")
    truth = videos.truth("two")
    with open_frames(videos, truth) as source:
        drawings = draw_all(Segmenter(FakeEngine()), source, truth, EASY)
    assert set(drawings[1]) == {0, 1, 2, 5, 6, 7}
    assert set(drawings[2]) == set(range(8))


def test_a_strict_annotator_clicks_more(tmp_path) -> None:
    strict = details(tmp_path, Aside(), Way(quality=0.999, clicks=3, standards=(0.0,)))
    assert strict["1"][0]["clicks"] > 16
    assert strict["1"][0]["clicks"] <= 3 * 16


@dataclass
class Answers:
    """A session that answers clicks with squares of these sides, whatever is clicked on."""

    sides: list[int]
    given: int = 0

    def prompt(self, frame, object_id, clicks):
        self.given += 1
        return SimpleNamespace(mask=square(self.sides[self.given - 1]))

    def undo(self) -> None:
        self.given -= 1


def square(side: int) -> Mask:
    array = np.zeros((40, 40), bool)
    array[:side, :side] = True
    return Mask.from_array(array)


@pytest.mark.parametrize(
    ("sides", "used", "kept"),
    [
        ([20, 26, 30], 3, 3),  # each better than the one before, the last good enough
        ([25, 20, 20, 30], 3, 1),  # two in vain: given up, and taken back
        ([25, 20, 30], 3, 3),  # one in vain: the next one mends it
        ([20, 22, 24, 26, 27], 4, 4),  # no more than allowed
    ],
)
def test_clicks_that_do_no_good_are_taken_back(sides, used, kept) -> None:
    session = Answers(sides)
    assert _mend(session, 0, 1, square(30), None, Way(clicks=4), 0.95) == used
    assert session.given == kept


def video(**phases: list[tuple[float, float, float]]) -> SequenceScore:
    """What `simulate` says of one object on ten frames: phase → (quality, J&F, seconds) by standard."""

    def row(quality: float, jf: float, seconds: float) -> dict[str, Any]:
        sizes = {"small": 0, "medium": 0, "large": 10}
        counts = {"objects": 1, "frames": 10, "edited": 5, "clicks": 9, "masks": sizes, "aligned": sizes}
        return {"quality": quality, "J&F": jf, "seconds": seconds, **counts}

    return SequenceScore("v", details={k[1:]: [row(*values) for values in v] for k, v in phases.items()})


def test_phases_are_compared_by_the_least_standard_that_reaches_the_same_mean() -> None:
    one = video(
        p1=[(0.8, 0.90, 100)],
        p2=[(0.7, 0.80, 30), (0.8, 0.85, 40), (0.9, 0.89, 50)],
        p3=[(0.7, 0.85, 10), (0.8, 0.89, 20), (0.9, 0.93, 30)],
    )
    other = video(
        p1=[(0.8, 0.70, 100)],
        p2=[(0.7, 0.60, 30), (0.8, 0.65, 40), (0.9, 0.69, 50)],
        p3=[(0.7, 0.70, 10), (0.8, 0.72, 20), (0.9, 0.74, 30)],
    )
    first, second, third = table([one, other])
    assert (first.jf, first.quality) == (pytest.approx(0.8), 0.8)
    assert (second.quality, second.jf, second.reached) == (0.9, pytest.approx(0.79), 0)  # the best there is
    assert (third.quality, third.share, third.reached) == (0.8, 0.2, 1)
    assert [line.quality for line in table([one, other], equal=False)] == [0.8] * 3


def test_every_standard_is_simulated(tmp_path) -> None:
    found = details(tmp_path, FakeEngine(), Way(quality=0.5, standards=(-0.1, 0.2)))
    assert [row["quality"] for row in found["3"]] == [0.4, 0.7]


def test_the_table_adds_up_over_videos(tmp_path) -> None:
    videos = open_videos(make_davis(tmp_path / "DAVIS", one=1, two=2), "davis")
    scores = list(run(videos.names, Phases(videos, Loader(), EASY)))
    assert [score.error for score in scores] == [None, None]
    first, second, third = table(scores)
    assert (first.share, first.edited, first.clicks, first.seconds) == (1, 1, 1, 2.5)
    assert third.share == pytest.approx(((1 + 1.5) / 8 + 0.1) / 2.5)
    assert third.edited == pytest.approx(1 / 8)
    assert second.aligned == {"all": 1, "small": 1, "medium": None, "large": None}
    assert {line.videos for line in (first, second, third)} == {2}
    broken = SequenceScore("x", error="gone")
    assert table([*scores, broken])[0].videos == 2
    assert table([broken]) == []


def test_the_papers_figures_are_in_proportion() -> None:
    assert PAPER[1]["seconds"] / PAPER[3]["seconds"] == pytest.approx(8.4, abs=0.01)
