"""Runs that are killed, repeated, parallel, and that meet broken videos."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from masklet.errors import DataError, MaskletError
from masklet.evaluate.journal import Journal
from masklet.evaluate.results import ObjectScore, SequenceScore, summary
from masklet.evaluate.run import run

CONFIG = {"model": "fake", "prompt": "mask"}


def score(name: str, value: float = 0.5) -> SequenceScore:
    one = ObjectScore(1, (1, 2), (value, value), (value, value), (True, False), (0.4, 0.6), (1.0, -1.0))
    return SequenceScore(name, (one,), frames=3, seconds=0.5, details={"worst": [{"j": value}]})


@dataclass
class Counting:
    """Work that notes what it was asked for, and fails on request."""

    broken: dict[str, BaseException] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    started: int = 0

    def start(self, worker: int) -> None:
        self.started += 1

    def __call__(self, name: str) -> SequenceScore:
        self.asked.append(name)
        if name in self.broken:
            raise self.broken[name]
        return score(name)


def test_a_score_survives_json() -> None:
    one = score("a")
    assert SequenceScore.from_row(json.loads(json.dumps(one.to_row()))) == one


def test_a_broken_video_does_not_stop_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    work = Counting({"b": DataError("b has no masks"), "c": RuntimeError("boom")})
    found = {s.name: s for s in run(["a", "b", "c", "d"], work)}
    assert found["b"].error == "b has no masks"
    assert found["c"].error == "RuntimeError: boom"
    assert "boom" in caplog.text
    assert found["a"].error is found["d"].error is None
    figures = summary(list(found.values()))
    assert (figures["failed"], figures["sequences"], figures["J"]) == (2, 2, 0.5)


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    killed = Counting({"c": KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        list(run(["a", "b", "c", "d"], killed, journal=Journal(path, CONFIG)))
    with path.open("a") as file:
        file.write('{"name": "c", "resu')  # the line at which it was killed
    work = Counting()
    found = list(run(["a", "b", "c", "d"], work, journal=Journal(path, CONFIG)))
    assert work.asked == ["c", "d"]
    assert [s.name for s in found] == ["a", "b", "c", "d"]
    assert found[0] == score("a")
    again = Counting()
    assert len(list(run(["a", "b", "c", "d"], again, journal=Journal(path, CONFIG)))) == 4
    assert (again.asked, again.started) == ([], 0)


def test_what_failed_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "out.journal"
    list(run(["a", "b"], Counting({"b": DataError("gone")}), journal=Journal(path, CONFIG)))
    work = Counting()
    found = list(run(["a", "b"], work, journal=Journal(path, CONFIG)))
    assert work.asked == ["b"]
    assert [s.error for s in found] == [None, None]


def test_a_journal_of_other_settings_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "j", CONFIG).add("a", {})
    with pytest.raises(DataError, match="prompt mask there, box now"):
        Journal(tmp_path / "j", {**CONFIG, "prompt": "box"})
    (tmp_path / "j").write_text('{"config": {}}\nrubbish\n{"name": "a", "result": {}}\n')
    with pytest.raises(DataError, match="damaged at line 2"):
        Journal(tmp_path / "j", {})
    (tmp_path / "j").write_text('{"conf')
    assert Journal(tmp_path / "j", CONFIG).rows == {}


DYING = """
import os
from masklet.errors import CheckpointError
from masklet.evaluate.results import SequenceScore

class Dying:
    def start(self, worker):
        self.worker = worker
    def __call__(self, name):
        if name.startswith("deadly"):
            os._exit(3)
        return SequenceScore(name, frames=self.worker)

class Unloadable(Dying):
    def start(self, worker):
        raise CheckpointError("unknown model 'x'")
"""


@pytest.fixture
def dying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    (tmp_path / "dying_work.py").write_text(DYING)
    monkeypatch.syspath_prepend(tmp_path)
    import dying_work

    yield dying_work
    del sys.modules["dying_work"]


def test_a_worker_that_dies_costs_one_video(dying) -> None:
    """As many deaths as workers: others take their places."""
    names = ["deadly", "deadly too", "a", "b"]
    found = {s.name: s for s in run(names, dying.Dying(), processes=2)}
    assert [found[name].error for name in names[:2]] == ["its worker process died (exit code 3)"] * 2
    assert [found[name].error for name in "ab"] == [None] * 2


def test_a_model_that_cannot_be_loaded_stops_everything(dying) -> None:
    with pytest.raises(MaskletError, match="unknown model 'x'"):
        list(run(["a", "b", "c"], dying.Unloadable(), processes=2))
    with pytest.raises(MaskletError, match="unknown model 'x'"):
        list(run(["a"], dying.Unloadable()))


def test_summary_knows_what_the_model_knew() -> None:
    figures = summary([score("a", 0.5)])
    assert figures["occlusion_accuracy"] == 1.0
    assert figures["occlusion_auc"] == 1.0
    assert figures["absent_frames"] == 1
    assert figures["iou_calibration_error"] == pytest.approx(0.1)
    assert figures["fps"] == 6.0
    assert summary([])["sequences"] == 0
