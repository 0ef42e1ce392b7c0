"""`masklet pseudo` from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes import write_video
from masklet.data import pseudo
from masklet.evaluate.readers.dataset import open_videos
from masklet.predict.automatic import AutomaticOptions


@pytest.fixture
def easy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake model is never as sure as a real one."""
    monkeypatch.setattr(pseudo, "GRID", AutomaticOptions(points_per_side=12, predicted_iou=0, stability=0))


@pytest.mark.usefixtures("easy")
def test_clips_are_made_once(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    write_video(tmp_path / "raw" / "one.mp4")
    out = tmp_path / "out"
    words = (tmp_path / "raw", "--out", out, "--frames", 4, "--stride", 1, "--every", 4)
    first = cli(
        "pseudo", *words, "--most", 3, "--model", "m", "--device", "cpu", "--engine", "torch", "--json"
    )
    assert first.code == 0, first.err
    assert (first.opened, first.engines) == ([("m", "cpu")], ["torch"])
    assert (first.json["clips"], first.json["masklets"]) == (2, 4)
    videos = open_videos(out, "davis")
    assert videos.names == ("one-00000", "one-00004")
    assert [len(videos.truth(name).names) for name in videos.names] == [4, 4]
    assert cli("pseudo", *words, "--json").json == {"clips": 0, "masklets": 0, "tried": 0}
    (out / "Annotations" / "one-00004").rename(tmp_path / "away")
    assert "1 clips with 2 masklets" in cli("pseudo", *words).out


def test_bad_input_is_one_line(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = cli("pseudo", tmp_path / "empty", "-o", tmp_path / "out")
    assert "empty holds no video; give files or folders of them" in found.complaint
    (tmp_path / "text.mp4").write_text("no video")
    found = cli("pseudo", tmp_path / "text.mp4", "-o", tmp_path / "out")
    assert "text.mp4 cannot be opened as a video" in found.complaint
    found = cli("pseudo", tmp_path / "text.mp4", "-o", tmp_path / "out", "--frames", 1)
    assert (found.code, "frames is 1; give at least 2" in found.complaint) == (2, True)
