"""`masklet bench` from the command line, with a model without weights."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

QUICK = ("--frames", "5", "--warmup", "2", "--here")


def test_a_folder_of_pictures(cli, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)  # pytest-xdist sets it; here the output is a pipe's
    done = cli(
        "bench",
        frames,
        "--box",
        "2,1,26,24",
        "--objects",
        "1",
        "--model",
        "m.pt",
        "--engine",
        "torch",
        "--engine",
        "openvino",
        "--device",
        "cpu",
        *QUICK,
        "--plot",
        tmp_path / "p.svg",
    )
    assert done.code == 0, done.err
    assert done.opened == [("m.pt", "cpu")] * 2
    assert done.engines == ["torch", "openvino"]
    assert done.out.count("m.pt") == 4  # a row of speed and a row of stages each
    assert "…" not in done.out
    assert done.compiled == [False, False]
    assert all(name in done.out for name in ("frames/s", "p95 ms", "IoU", "decode masks", "remember"))
    assert "frames/s" in (tmp_path / "p.svg").read_text()


def test_a_compiled_network(cli, frames: Path) -> None:
    done = cli("bench", frames, "--box", "2,1,26,24", "--model", "m.pt", "--compiled", *QUICK)
    assert done.compiled == [True]


def test_as_json_on_the_clip(cli) -> None:
    done = cli("bench", "--objects", "1", "--objects", "2", "--input-size", "128", *QUICK, "--json")
    rows = json.loads(done.out)["measured"]
    assert [row["objects"] for row in rows] == [1, 2]
    assert all(row["fps"] > 0 and row["mean_iou"] is not None for row in rows)


def test_a_peer_that_is_not_there(cli, frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sam2", "sam2.build_sam"):
        monkeypatch.setitem(sys.modules, name, None)
    arguments = ("--model", "sam2.1-hiera-tiny", "--input-size", "64", "--random", "--dtype", "float32")
    done = cli("bench", frames, "--box", "2,1,26,24", *arguments, "--against", "sam2", *QUICK, "--json")
    result = json.loads(done.out)
    assert len(result["measured"]) == 1
    assert "--against sam2 needs the official code: pip install sam2" in result["skipped"][0]
    assert result["measured"][0]["mean_iou"] is None


def test_a_peer_that_fails_costs_no_other_figure(cli, frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("their bug")

    monkeypatch.setattr("masklet.bench.peers.measure_peer", fails)
    arguments = ("--model", "sam2.1-hiera-tiny", "--input-size", "64", "--random", "--dtype", "float32")
    done = cli(
        "bench", frames, "--box", "2,1,26,24", *arguments, "--against", "transformers", *QUICK, "--json"
    )
    result = json.loads(done.out)
    assert len(result["measured"]) == 1
    assert result["skipped"] == ["transformers: their bug"]


def test_transformers_tracks_the_same_weights(cli, frames: Path) -> None:
    pytest.importorskip("transformers")
    arguments = ("--model", "sam2.1-hiera-tiny", "--input-size", "64", "--random", "--dtype", "float32")
    done = cli(
        "bench", frames, "--box", "2,1,26,24", *arguments, "--against", "transformers", *QUICK, "--json"
    )
    result = json.loads(done.out)
    assert result["skipped"] == []
    assert [row["by"] for row in result["measured"]] == ["masklet", "transformers"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--against", "sam3"], "--against sam3 is unknown; use sam2 or transformers"),
        (["--plot", "p.png"], "name it .svg"),
        (["--objects", "0"], "--objects 0 must be at least 1"),
        (["--frames", "1"], "--frames 1 must be at least 2"),
        (["--frames", "9", "--warmup", "9"], "leave nothing to measure"),
    ],
)
def test_bad_input_is_one_line(cli, arguments: list[str], complaint: str) -> None:
    done = cli("bench", "--here", *arguments)
    assert done.code == 2
    assert complaint in done.complaint


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["no.mp4", "--model", "masklet-nano"], 1, "no.mp4 does not exist; check the path"),
        (["no.mp4", "--model", "nosuch"], 1, "unknown model 'nosuch'"),
        (["."], 2, ". needs a --box X0,Y0,X1,Y1 for each object on its first frame: 1 wanted, 0 given"),
    ],
)
def test_what_is_missing_is_told_before_measuring(cli, arguments, code, complaint) -> None:
    done = cli("bench", *arguments)
    assert done.code == code
    assert complaint in done.complaint
    assert "measuring" not in done.err
