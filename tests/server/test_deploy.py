"""What `deploy/` builds and runs, as far as it can be told without a container."""

from __future__ import annotations

import json
import os
import re
import runpy
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from studio_kit import running

ROOT = Path(__file__).parents[2]
ENTRY = ROOT / "deploy" / "entrypoint.py"
DOCKERFILES = sorted((ROOT / "deploy").glob("Dockerfile.*"))
EXTRA = re.compile(r"^(\w+) = \[", re.MULTILINE)


def test_a_container_serves_whom_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = SimpleNamespace(**runpy.run_path(str(ENTRY)))
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert entry.arguments(["models"], {}) == ["models"]
    assert entry.arguments([], {})[:3] == ["serve", "--host", "0.0.0.0"]
    assert entry.health_address({}) == "http://127.0.0.1:7860/ping"
    on = {"MASKLET_SAGEMAKER": "1"}
    assert entry.arguments(["serve"], on) == ["serve", "--sagemaker"]
    assert entry.health_address(on) == "http://127.0.0.1:8080/ping"
    monkeypatch.setattr(os.path, "isdir", lambda path: path == "/opt/ml/model")  # weights are there
    assert entry.arguments(["serve"], {}) == ["serve", "--sagemaker"]
    assert entry.health_address({}) == "http://127.0.0.1:8080/ping"


def test_health_is_what_ping_says(serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["entrypoint.py", "health"])
    usual = urllib.request.urlopen
    with serving(token="geheim") as client, running(client.app) as port:
        here = f"http://127.0.0.1:{port}/ping"
        monkeypatch.setattr(urllib.request, "urlopen", lambda _, timeout: usual(here, timeout=timeout))
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(ENTRY), run_name="__main__")
        assert not ended.value.code
        client.studio.draining = True
        with pytest.raises(urllib.error.HTTPError):
            runpy.run_path(str(ENTRY), run_name="__main__")
        client.studio.draining = False


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.name)
def test_an_image_is_built_from_what_is_there(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"]
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert set(copied) == set(let_in)
    assert all((ROOT / name).exists() for name in copied)
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', "\n".join(lines))
    assert set(extras.split(",")) <= set(EXTRA.findall((ROOT / "pyproject.toml").read_text()))
    # Exec form: signals reach the program, and `docker run IMAGE serve` replaces the command alone.
    forms = dict(line.split(" ", 1) for line in lines if line.startswith(("ENTRYPOINT ", "CMD ")))
    assert json.loads(forms["ENTRYPOINT"]) == ["python", "/entrypoint.py"]
    assert json.loads(forms["CMD"]) == ["serve"]
    assert "COPY deploy/entrypoint.py /entrypoint.py" in lines
