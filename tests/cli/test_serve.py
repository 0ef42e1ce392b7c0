"""`masklet serve`: what its options become, and a program that really serves and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine
from masklet.server.settings import Settings

pytest.importorskip("fastapi", reason="the extra `server` is not installed")
pytest.importorskip("uvicorn", reason="the extra `server` is not installed")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, list[Any], dict[str, Any]]]:
    """What a server would have been started with."""
    calls: list[tuple[Settings, list[Any], dict[str, Any]]] = []

    def serve(settings: Settings, loads: list[Any], *, say: Any, **options: Any) -> None:
        calls.append((settings, loads, options))
        say("http://127.0.0.1:1/")

    monkeypatch.setattr("masklet.serving.serve_until_stopped", serve)
    for name in ("MASKLET_STORE", "MASKLET_TOKEN", "MASKLET_SAGEMAKER"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_by_default_it_serves_this_machine_and_opens_the_browser(cli, served) -> None:
    done = cli("serve")
    assert done.code == 0, done.err
    ((settings, loads, options),) = served
    assert (settings.host, settings.token, settings.gallery) == ("127.0.0.1", None, None)
    assert settings.store == Path.home() / ".masklet"
    assert options == {"browser": True, "log_json": False}
    assert len(loads) == 1
    assert done.out.splitlines()[0] == "masklet studio: http://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("options", "model", "words"),
    [
        ([], "masklet-tiny", "model: masklet-tiny"),
        (["--device", "cuda,cuda:1", "--workers", "2"], "masklet-tiny", "model: masklet-tiny"),
        (["--device", "cpu"], "masklet-nano", "no GPU"),
        (["--device", "cuda,cpu", "--workers", "2"], "masklet-nano", "no GPU"),
        (["--engine", "openvino"], "masklet-nano", "no GPU"),
        (["--model", "masklet-nano"], "masklet-nano", "model: masklet-nano"),
        (["--model", "masklet-tiny", "--device", "cpu"], "masklet-tiny", "model: masklet-tiny"),
    ],
)
def test_where_nobody_names_a_model_a_gpu_decides(
    cli, served, monkeypatch: pytest.MonkeyPatch, options: list[str], model: str, words: str
) -> None:
    torch = pytest.importorskip("torch")
    pick = "masklet.engine.torch_engine.pick_device"
    monkeypatch.setattr(pick, lambda wanted: torch.device(wanted or "cuda"))
    done = cli("serve", *options)
    assert done.code == 0, done.err
    ((settings, loads, _),) = served
    assert settings.model == model
    assert {load.args[1] for load in loads} == {model}
    line = done.out.splitlines()[1]
    assert line == words if words.startswith("model") else words in line


def test_without_a_gpu_or_pytorch_the_quick_model_answers(cli, served, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails
    done = cli("serve")
    assert served[0][0].model == "masklet-nano"
    assert "--model masklet-tiny" in done.out.splitlines()[1]


def test_a_project_s_own_model_is_opened(cli, served, tmp_path: Path) -> None:
    birds = project(tmp_path / "birds", "masklet-tiny")
    done = cli("serve", "--project", birds, "--device", "cpu")
    assert done.code == 0, done.err
    ((settings, loads, _),) = served
    assert (settings.model, {load.args[1] for load in loads}) == ("masklet-tiny", {"masklet-tiny"})
    assert done.out.splitlines()[1] == "model: masklet-tiny, which birds uses"


def test_so_is_a_checkpoint_that_a_project_adopted(cli, served, tmp_path: Path) -> None:
    birds = project(tmp_path / "birds", "models/round-1.safetensors")
    adopted = birds / "models" / "round-1.safetensors"
    adopted.write_bytes(b"weights")
    assert cli("serve", "--project", birds).code == 0
    assert served[0][0].model == str(adopted)
    done = cli("serve", "--project", birds, "--model", adopted)
    assert done.out.splitlines()[1:] == [f"model: {adopted}"]


def test_projects_that_differ_need_a_model_named(cli, served, tmp_path: Path) -> None:
    birds, cars = project(tmp_path / "birds", "masklet-tiny"), project(tmp_path / "cars", "masklet-nano")
    done = cli("serve", "--project", birds, "--project", cars)
    assert (done.code, served) == (2, [])
    assert "(birds masklet-tiny, cars masklet-nano); choose the one to open with --model" in done.complaint
    done = cli("serve", "--project", birds, "--project", cars, "--model", "masklet-nano")
    assert served[0][0].model == "masklet-nano"
    assert done.out.splitlines()[1:] == [
        "model: masklet-nano",
        "project birds uses masklet-tiny; its masklets are drawn here with masklet-nano",
    ]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nope", "unknown model 'nope'"),
        ("weights/nope.safetensors", "no checkpoint at weights/nope.safetensors"),
        ("sam2.1-hiera-tiny", "`masklet models get sam2.1-hiera-tiny`"),
    ],
)
def test_a_model_that_is_not_there_is_told_before_anything_listens(
    cli, served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, words: str
) -> None:
    monkeypatch.setenv("MASKLET_CACHE", str(tmp_path))
    done = cli("serve", "--model", model)
    assert (done.code, served) == (2, [])
    assert words in done.complaint


def project(folder: Path, model: str) -> Path:
    pytest.importorskip("alembic", reason="the extra `annotate` is not installed")
    from masklet.annotate.project import Project

    Project.create(folder, model=model).close()
    return folder


def test_every_option_arrives(cli, served, tmp_path: Path) -> None:
    (tmp_path / "gallery").mkdir()
    project(tmp_path / "birds", "masklet-nano")
    project(tmp_path / "cars", "masklet-nano")
    done = cli(
        "serve", "--host", "0.0.0.0", "--port", "9000", "--model", "masklet-nano", "--device", "cpu,meta",
        "--workers", "3", "--gallery", tmp_path / "gallery", "--store", tmp_path / "store",
        "--token", "geheim", "--origin", "https://studio.example", "--max-upload", "1", "--max-photo", "50",
        "--max-store", "2", "--max-live", "5", "--no-browser", "--log-json", "--engine", "torch",
        "--input-size", "320", "--project", tmp_path / "birds", "--project", tmp_path / "cars",
    )  # fmt: skip
    assert done.code == 0, done.err
    ((settings, loads, options),) = served
    assert (settings.host, settings.port, settings.token) == ("0.0.0.0", 9000, "geheim")
    assert (settings.gallery, settings.store) == (tmp_path / "gallery", tmp_path / "store")
    assert settings.projects == (tmp_path / "birds", tmp_path / "cars")
    assert settings.origins == ("https://studio.example",)
    limits = settings.limits
    assert (limits.upload_bytes, limits.store_bytes, limits.live) == (2**30, 2 * 2**30, 5)
    assert limits.photo_pixels == 50_000_000
    assert options == {"browser": False, "log_json": True}
    for load in loads:
        assert isinstance(load().engine, FakeEngine)
    assert [load.args[1:] for load in loads] == [
        ("masklet-nano", d, "torch", 320) for d in ("cpu", "meta", "cpu")
    ]
    assert done.out.splitlines() == [
        "masklet studio: http://127.0.0.1:1/?token=geheim",
        "model: masklet-nano",
    ]


def test_sagemaker_listens_where_the_contract_says(cli, served, tmp_path: Path) -> None:
    assert cli("serve", "--sagemaker", "--store", tmp_path).code == 0
    settings, _, options = served[0]
    assert (settings.host, settings.port, settings.sagemaker) == ("0.0.0.0", 8080, True)
    assert options == {"browser": False, "log_json": True}


def test_sagemaker_says_that_it_has_a_port_of_its_own(cli, served, tmp_path: Path) -> None:
    done = cli("serve", "--sagemaker", "--store", tmp_path, "--port", "9000")
    assert served[0][0].port == 8080
    assert "--sagemaker listens on port 8080; --port 9000 is left out" in done.err
    assert cli("serve", "--sagemaker", "--store", tmp_path).err == ""


def test_a_new_token_is_made_and_shown(cli, served, tmp_path: Path) -> None:
    done = cli("serve", "--token", "new", "--store", tmp_path)
    token = served[0][0].token
    assert token is not None
    assert len(token) > 20
    assert token in done.out


def test_others_need_a_token(cli, served) -> None:
    done = cli("serve", "--host", "0.0.0.0")
    assert (done.code, served) == (2, [])
    assert "--token" in done.complaint


def test_a_folder_that_is_no_project_is_told_in_one_line(cli, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing"
    done = cli("serve", "--project", nothing, "--store", tmp_path / "store", "--port", "0", "--no-browser")
    assert done.code == 1
    assert f"{nothing} is no project; make one with `masklet annotate {nothing} init`" in done.complaint


def test_too_many_devices_are_refused(cli, served) -> None:
    assert "workers" in cli("serve", "--workers", "2", "--device", "cpu,cpu,cpu").complaint


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from fakes import FakeEngine
from masklet.cli import program
from masklet.predict.segmenter import Segmenter
program.main(["serve", "--port", "0", "--no-browser", "--store", {store!r}],
             load=lambda *_, **__: Segmenter(FakeEngine()))
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM is not sent on Windows")
def test_it_serves_until_sigterm(tmp_path: Path) -> None:
    code = PROGRAM.format(tests=str(Path(__file__).parent.parent), store=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        with urllib.request.urlopen(address + "api/info", timeout=60) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert errors == ""
    assert process.returncode == -signal.SIGTERM
    assert (tmp_path / "masklet.sqlite").exists()
