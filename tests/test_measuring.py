"""The scripts in benchmarks/ run, and tell what they measured; the figures themselves mean nothing here."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fakes import FakeEngine, squares, truth
from masklet.predict.segmenter import Segmenter
from masklet.types import Mask
from studio_kit import film

FOLDER = Path(__file__).parent.parent / "benchmarks"
WAIT = 300
"""Seconds that a script may take; long, because the machine may be busy."""

NEEDED = ("fastapi", "uvicorn", "websockets", "httpx", "sqlalchemy")
missing = [name for name in NEEDED if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")

PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from fakes import FakeEngine
from masklet.cli import program
from masklet.predict.segmenter import Segmenter
program.main(load=lambda *_, **__: Segmenter(FakeEngine()))
"""


@pytest.fixture
def measure(tmp_path: Path) -> Any:
    """Run a script before a server with the fake model; gives its figures by name."""
    program = tmp_path / "fake_masklet.py"
    program.write_text(PROGRAM.format(tests=str(Path(__file__).parent)))

    def run(script: str, *options: object) -> dict[str, Any]:
        told = tmp_path / "told.json"
        command = [sys.executable, str(FOLDER / script), "--json", str(told)]
        command += ["--program", shlex.join([sys.executable, str(program)]), *map(str, options)]
        # A session of its own, so that the server and the browser go with it when it takes too long.
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            out, errors = process.communicate(timeout=WAIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == 0, errors
        figures = {one["name"]: one["value"] for one in json.loads(told.read_text())["figures"]}
        assert next(iter(figures)) in out
        return figures

    return run


@pytest.fixture
def video(tmp_path: Path) -> Path:
    film(tmp_path / "squares.mp4", squares(16, 2, height=192, width=256))
    return tmp_path / "squares.mp4"


def test_the_studio_in_a_browser(measure, video: Path) -> None:
    if find_spec("playwright") is None or not any(map(shutil.which, ("chromium", "chromium-browser"))):
        pytest.skip("the studio is measured in Chromium, which is not on this machine")
    figures = measure(
        "studio_speed.py", "--video", video, "--frames", 2, "--clicks", 2, "--think", 0.1, "--seconds", 3
    )
    assert figures["first click on a frame, p95"] >= figures["first click on a frame, p50"] > 0
    assert figures["further click, p50"] > 0
    assert figures["tracking, masks that came"] > 0


def test_many_sessions_at_once(measure, video: Path) -> None:
    figures = measure(
        "server_load.py", "--video", video, "--sessions", 2, "--minutes", 0.05, "--think", 0.1, "--track", 3
    )
    assert figures["failures"] == 0
    assert figures["requests"] > 4
    assert figures["click, longest"] >= figures["click, p50"] > 0
    assert figures["tracking, p50"] > 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_a_long_upload(measure, video: Path) -> None:
    figures = measure("upload_memory.py", "--video", video, "--minutes", 0.05)
    assert figures["frames"] == 75
    assert figures["server with its model"] > 10
    assert figures["beyond that, at most"] > 0


def test_a_quantile_is_one_of_the_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(FOLDER)
    from figures import quantile, times

    assert quantile([30, 10, 20], 0.5) == 20
    assert quantile(list(range(1, 101)), 0.95) == 95
    assert quantile([7], 0.95) == 7
    assert times("click", []) == []


def test_memory_through_a_long_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    long_video = import_module("long_video")
    path = long_video.hour(tmp_path, None, 1.1, 1)
    for follow in (long_video.as_stream, long_video.as_session):
        seen = follow(Segmenter(FakeEngine()), path, (640, 360))
        figures = {one.name: one.value for one in long_video.measure(seen, 1)}
        assert figures["frames"] == 66
        assert 0 < figures["most memory in the first minute"] <= figures["most memory in all"]


def test_one_look_two_and_a_closer_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(squares(1, 1)[0]).save(tmp_path / "images" / "1.png")
    code = {"size": [96, 128], "counts": Mask.from_array(truth(0, 1)).counts.decode()}
    record = {"id": 1, "file_name": "1.png", "width": 128, "height": 96}
    annotation = {"id": 1, "image_id": 1, "segmentation": code}
    (tmp_path / "instances.json").write_text(json.dumps({"images": [record], "annotations": [annotation]}))
    monkeypatch.syspath_prepend(str(FOLDER))
    script = import_module("looks")
    engine = FakeEngine(64)  # the picture is larger than the model sees it
    monkeypatch.setattr("masklet.load", lambda *_, **__: Segmenter(engine))
    monkeypatch.setattr(script, "LEAST_AREA", 0)
    monkeypatch.setattr(sys, "argv", ["looks.py", str(tmp_path)])
    script.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition("  ")[0].rstrip() for line in lines] == ["one look", "two looks", "closer"]
    assert lines[0].split()[-1] == "1"  # objects
    # Box and click once, then corrections; then box and click twice each; then a close-up of each, too.
    prior = "".join("-" if prior is None else "p" for prior in engine.priors)
    assert re.fullmatch(r"--p*-p-p+-ppp?-pp+", prior), prior
