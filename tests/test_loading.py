"""`masklet.load` with real files: the embedded form, the published form, and what goes wrong."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest
import torch

import masklet
from masklet.errors import CheckpointError, ConfigError, MissingExtraError
from masklet.model import checkpoints, names_official, registry
from masklet.model.checkpoints import Card
from masklet.model.config import config_for
from masklet.model.sam2 import Sam2


def random_state(name: str) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {key: tensor.clone() for key, tensor in Sam2(config_for(name)).state_dict().items()}


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with a random masklet-tiny."""
    folder = tmp_path_factory.mktemp("weights")
    card = Card("masklet-tiny", "all", 96, "Apache-2.0", "random numbers")
    checkpoints.save_embedded(folder, "masklet-tiny", random_state("masklet-tiny"), image=card, memory=card)
    return folder


@pytest.fixture
def weights(embedded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "weights_folder", lambda: embedded)
    return embedded


def test_the_embedded_model_segments_and_tracks(weights: Path) -> None:
    model = masklet.load(device="cpu", dtype="float32")
    assert (model.engine.name, model.engine.input_size) == ("masklet-tiny", 96)
    video = [np.full((40, 60, 3), shade, np.uint8) for shade in (20, 120)]
    assert len(model.image(video[0]).segment(clicks=[(30, 20)]).masks) == 3
    with model.video(video) as session:
        session.prompt(0, 1, box=(5, 5, 30, 30))
        assert [frame.index for frame, _ in session.propagate()] == [0, 1]


def test_another_input_size(weights: Path) -> None:
    assert masklet.load(device="cpu", input_size=64).engine.input_size == 64
    with pytest.raises(ConfigError, match="multiple of 32"):
        masklet.load(device="cpu", input_size=65)


def test_a_published_file_by_its_path(tmp_path: Path) -> None:
    state = {names_official.official(n): t for n, t in random_state("sam2.1-hiera-tiny").items()}
    torch.save({"model": state}, tmp_path / "mine.pt")
    model = masklet.load(tmp_path / "mine.pt", device="cpu", input_size=64)
    assert model.engine.name == "sam2.1-hiera-tiny"
    assert model.image(np.zeros((20, 30, 3), np.uint8)).segment(box=(1, 1, 9, 9)).best.width == 30


def test_half_an_embedded_model(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "masklet-tiny.image.safetensors").symlink_to(weights / "masklet-tiny.image.safetensors")
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks masklet-tiny\.memory\.safetensors"):
        masklet.load()
    with pytest.raises(CheckpointError, match=r"missing: .*memory"):
        masklet.load(tmp_path / "masklet-tiny.image.safetensors", device="cpu")


def test_a_device_that_is_not_there(weights: Path) -> None:
    with pytest.raises(ConfigError, match="'cuda:99' cannot be used here"):
        masklet.load(device="cuda:99")
    with pytest.raises(ConfigError, match="dtype 'int4' is unknown"):
        masklet.load(device="cpu", dtype="int4")


@pytest.fixture
def no_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: object) -> object:
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)


@pytest.mark.usefixtures("no_pytorch")
def test_without_pytorch(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"pip install 'masklet\[torch\]'"):
        masklet.load()
    with pytest.raises(MissingExtraError, match=r"the torch engine needs .*masklet\[torch\]'"):
        masklet.load(engine="torch")
    with pytest.raises(MissingExtraError, match=r"pip install 'masklet\[torch\]'"):
        masklet.load(engine="openvino")


@pytest.fixture
def filled(weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    """Packed graphs for two sizes; what was filled, and what was run from where."""
    from masklet import loading
    from masklet.engine.openvino_store import CARD, FILES, FORMAT, GraphCard, fingerprint, write_card
    from masklet.engine.openvino_topology import Packed

    for file in weights.iterdir():
        (tmp_path / file.name).symlink_to(file)
    for size in (64, 96):
        (tmp_path / f"masklet-tiny-{size}.graphs.zip").write_text(str(size))
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "cache"))
    seen: list = []

    def fill(self: Packed, folder: Path) -> None:
        seen.append(("filled", self.input_size))
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (folder / name).touch()
        card = GraphCard(
            FORMAT, "masklet-tiny", self.input_size, self.own_size, 7, 16, 0.05, 0.98, fingerprint(self.files)
        )
        write_card(folder / CARD, card)

    def run(folder: Path, *_: object, keep: bool = True) -> None:
        seen.append(
            (folder.relative_to(tmp_path / "cache").as_posix() if keep else "passing", folder.is_dir())
        )

    monkeypatch.setattr(Packed, "fill", fill)
    monkeypatch.setattr(loading, "_openvino", run)
    return seen


@pytest.mark.usefixtures("no_pytorch")
def test_the_package_has_graphs(filled: list, tmp_path: Path) -> None:
    masklet.load()
    assert filled == [("filled", 96), ("openvino/masklet-tiny-96", True)]
    filled.clear()
    masklet.load(engine="openvino")
    assert filled == [("openvino/masklet-tiny-96", True)], "filled once"
    filled.clear()
    masklet.load(input_size=64)
    assert filled == [("filled", 64), ("openvino/masklet-tiny-64", True)]
    with pytest.raises(MissingExtraError, match="without it, masklet-tiny runs at input size 64 or 96"):
        masklet.load(input_size=128)

    filled.clear()
    (tmp_path / "masklet-tiny-96.graphs.zip").write_text("of a newer version")
    masklet.load()
    assert filled[0] == ("filled", 96), "graphs of an older version are not run"


@pytest.mark.usefixtures("no_pytorch")
def test_a_cache_that_cannot_be_written(
    filled: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "file" / "cache"))
    masklet.load()
    assert filled == [("filled", 96), ("filled", 96), ("passing", True)]
    assert "graphs are made anew at every start" in caplog.text
