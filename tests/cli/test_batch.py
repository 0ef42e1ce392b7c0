"""masklet batch: a manifest in, masks and results out; problems are lines, and the exit code says so."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes_batch import BREAKS, HANGS, film, manifest, row

LOADER = "fakes_batch:load"


@pytest.fixture(autouse=True)
def _signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "signs").mkdir()
    monkeypatch.setenv("FAKE_BATCH", str(tmp_path / "signs"))


def test_a_collection(cli, tmp_path: Path) -> None:
    lines = manifest(tmp_path / "m.jsonl", row(film(tmp_path / "a", 6), id="A"), row(film(tmp_path / "b", 3)))
    out = tmp_path / "out"
    arguments = (lines, "--out", out, "--loader", LOADER, "--workers", 2, "--chunk", 4)
    done = cli("batch", *arguments, "--model", "any", "--device", "cpu", "--json")
    assert (done.code, done.json["out"]) == (0, str(out))
    rows = done.json["rows"]
    assert [one["id"] for one in rows] == ["A", None]
    assert [one["statistics"]["frames"] for one in rows] == [6, 3]
    assert all(Path(one["masks"]).is_file() for one in rows)
    assert [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()] == rows
    again = cli("batch", *arguments, "--engine", "processes", "-m", "any", "--json")
    assert again.json == done.json


def test_rows_that_are_not_done(cli, tmp_path: Path) -> None:
    good, broken = film(tmp_path / "good", 2), film(tmp_path / "broken", 4, moods={2: BREAKS})
    lines = manifest(tmp_path / "m.jsonl", row(good), row(broken, id="bad"), "{", row(good, range=[3, 1]))
    limits = ("--time-limit", "500", "--retries", "0")
    done = cli("batch", lines, "--out", tmp_path / "out", "--loader", LOADER, *limits, "--json")
    assert done.code == 1
    assert "3 of 4 rows are not done (1 failed, 2 refused); see" in done.complaint
    assert f"line 2 (bad): {broken}: unexpected ZeroDivisionError: by a picture" in done.err
    assert "line 4: range is [3, 1]; its start must lie before its stop" in done.err
    assert [one["status"] for one in done.json["rows"]] == ["done", "failed", "refused", "refused"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nosuch.jsonl"], 1, "nosuch.jsonl does not exist; check the path"),
        (["m.jsonl", "--engine", "spark"], 2, "--engine 'spark' is unknown; give processes or ray"),
        (["m.jsonl", "--workers", "0"], 2, "--workers 0 must be at least 1"),
        (["m.jsonl", "--chunk", "0"], 2, "chunk is 0; it must be at least 1"),
        (["m.jsonl", "--engine", "ray", "--cpus", "-1"], 2, "cpus is -1.0; it must be at least 0"),
        (["m.jsonl", "--engine", "ray", "--gpus", "-1"], 2, "gpus is -1.0; it must be at least 0"),
        (["m.jsonl", "--engine", "ray", "--batch", "0"], 2, "batch is 0; it must be at least 1"),
        (["empty.jsonl"], 1, "empty.jsonl: the manifest is empty"),
    ],
)
def test_what_is_wrong_is_told(cli, tmp_path: Path, monkeypatch, arguments, code, message) -> None:
    monkeypatch.chdir(tmp_path)
    manifest(tmp_path / "m.jsonl", row("clip.mp4"))
    manifest(tmp_path / "empty.jsonl")
    done = cli("batch", *arguments, "--out", "out")
    assert (done.code, message in done.complaint) == (code, True), done.complaint


def test_a_cluster_that_is_not_there(cli, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (the extra `ray`)")
    lines = manifest(tmp_path / "m.jsonl", row(film(tmp_path / "a", 2)))
    done = cli("batch", lines, "--out", tmp_path / "out", "--engine", "ray", "--address", "nosuch://here:1")
    assert done.code == 1
    assert "--address" in done.complaint


def test_ctrl_c_keeps_finished_rows(tmp_path: Path) -> None:
    """The program itself, interrupted as a terminal does it: every process of the group."""
    hangs = film(tmp_path / "hangs", 6, moods={5: HANGS})
    lines = manifest(tmp_path / "m.jsonl", row(film(tmp_path / "fine", 2)), row(hangs))
    out = tmp_path / "out"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "import sys; from masklet.cli import main; main(sys.argv[1:])"
    arguments = ["batch", str(lines), "--out", str(out), "--loader", LOADER, "--chunk", "4"]
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while process.poll() is None and not list(out.glob("parts/*/masks-0.json")):
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "interrupted; 1 of 2 rows are done" in err
    found = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [(one["line"], one["status"]) for one in found] == [(1, "done")]
    assert Path(found[0]["masks"]).is_file()
