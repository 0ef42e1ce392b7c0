"""`masklet export`, and `--engine` on the commands that open a model."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from masklet.model import checkpoints, names_official, registry
from masklet.model.checkpoints import Card
from masklet.model.config import Sam2Config, config_for
from masklet.model.sam2 import Sam2


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """sam2.1-hiera-tiny with random weights, as published."""
    torch.manual_seed(0)
    state = {
        names_official.official(n): t for n, t in Sam2(config_for("sam2.1-hiera-tiny")).state_dict().items()
    }
    torch.save({"model": state}, tmp_path / "mine.pt")
    return tmp_path / "mine.pt"


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list:
    """Stands for the conversion, which is tested with the engine; what it was given."""
    from masklet.engine import openvino_export
    from masklet.engine.openvino_store import CARD, FILES, write_card

    given: list = []

    def export(model: Sam2, folder: Path, *, own_size: int | None, source: str) -> None:
        given.append((model.config.input_size, own_size, source))
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).touch()
        write_card(folder / CARD, openvino_export.card_of(model.config, own_size, source))

    monkeypatch.setattr(openvino_export, "export", export)
    return given


def test_export(cli, checkpoint: Path, seen: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from masklet.engine.openvino_store import find, fingerprint

    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "cache"))
    done = cli("export", checkpoint, "--input-size", "64")
    assert done.code == 0, done.err
    folder = tmp_path / "cache" / "openvino" / "mine-64"
    assert done.out == f"{folder}\n"
    assert seen == [(64, 1024, fingerprint([checkpoint]))]
    assert find("mine", 64, [checkpoint]) == folder
    assert find("mine", None, [checkpoint]) is None, "it was made for another size"

    done = cli("export", checkpoint, "--input-size", "64", "--out", tmp_path / "out", "--json")
    assert json.loads(done.out)["folder"] == str(tmp_path / "out")
    assert (json.loads(done.out)["name"], json.loads(done.out)["input_size"]) == ("sam2.1-hiera-tiny", 64)


def test_a_folder_of_something_else_is_left_alone(cli, checkpoint: Path, seen: list, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(b"x")
    done = cli("export", checkpoint, "--out", tmp_path / "photos")
    assert done.code == 1
    assert "no exported model; name another folder" in done.complaint
    assert seen == []
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["one.png"]


def test_an_unknown_model(cli) -> None:
    done = cli("export", "sam9")
    assert done.code == 1
    assert "unknown model 'sam9'" in done.complaint


def test_without_weights(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of a network by its name; making its contents is tested with the engine."""
    from masklet.engine import openvino_export, openvino_topology
    from masklet.engine.openvino_store import GRAPHS
    from masklet.engine.openvino_topology import BareGraph, Topology

    def topology(config: Sam2Config) -> Topology:
        card = openvino_export.card_of(config, None, "")
        return Topology(card, {}, dict.fromkeys(GRAPHS, BareGraph(b"<net/>", b"", ())))

    monkeypatch.setattr(openvino_export, "topology", topology)
    path = tmp_path / "weights" / "masklet-nano-96.graphs.zip"
    done = cli("export", "masklet-nano", "--input-size", "96", "--without-weights", tmp_path / "weights")
    assert (done.code, done.out) == (0, f"{path}\n"), done.err
    assert openvino_topology.read(path).card.input_size == 96
    done = cli("export", "masklet-nano", "--without-weights", tmp_path, "--json")
    own = config_for("masklet-nano").input_size
    assert done.json["file"] == str(tmp_path / f"masklet-nano-{own}.graphs.zip")
    assert done.json["bytes"] > 0

    done = cli("export", "mine.pt", "--without-weights", tmp_path)
    assert "unknown model 'mine.pt'" in done.complaint
    done = cli("export", "masklet-nano", "--without-weights", tmp_path, "--out", tmp_path)
    assert "leave --out away" in done.complaint


def test_an_embedded_model_is_filled(
    cli, seen: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package has a checkpoint's graphs, nothing is traced."""
    from masklet.engine.openvino_export import card_of
    from masklet.engine.openvino_store import CARD, FILES
    from masklet.engine.openvino_topology import Packed

    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    (tmp_path / "masklet-nano-96.graphs.zip").touch()
    card = Card("masklet-nano", "all", 384, "CC0-1.0", "nothing")
    checkpoints.save_state(tmp_path / "mine.safetensors", {"w": torch.zeros(1)}, card)
    filled: list = []

    def fill(self: Packed, folder: Path) -> None:
        filled.append((self.input_size, self.own_size, folder))
        folder.mkdir(parents=True)
        (folder / CARD).write_text(json.dumps(asdict(card_of(config_for("masklet-nano"), None, ""))))
        for name in FILES:
            (folder / name).touch()

    monkeypatch.setattr(Packed, "fill", fill)
    done = cli("export", tmp_path / "mine.safetensors", "--input-size", "96", "--out", tmp_path / "out")
    assert (done.code, done.out) == (0, f"{tmp_path / 'out'}\n"), done.err
    assert filled == [(96, 384, tmp_path / "out")]
    assert seen == []


def test_engine(cli, photo: Path, frames: Path) -> None:
    assert cli("segment", photo, "--click", "14,12", "--json", "--engine", "openvino").engines == ["openvino"]
    assert cli("track", frames, "--click", "14,12", "--json", "--engine", "torch").engines == ["torch"]
    assert cli("track", frames, "--click", "14,12", "--json").engines == [None]
    assert cli("auto", photo, "--json", "--engine", "torch").engines == ["torch"]


def test_pictures_are_resized_to_what_is_asked(cli, photo, frames) -> None:
    size = ("--json", "--input-size", "320")
    assert cli("segment", photo, "--click", "14,12", *size).sizes == [320]
    assert cli("track", frames, "--click", "14,12", *size).sizes == [320]
    assert cli("auto", photo, *size).sizes == [320]
    assert cli("auto", photo, "--json").sizes == [None]


def test_engines_that_are_none(checkpoint: Path) -> None:
    import masklet
    from masklet.errors import ConfigError

    with pytest.raises(ConfigError, match="engine 'tensorrt' is unknown; use one of torch, openvino"):
        masklet.load(checkpoint, engine="tensorrt")
