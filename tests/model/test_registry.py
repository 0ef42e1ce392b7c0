"""Checkpoints by name: finding, resolving, downloading with a stand-in for the hub."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from masklet.errors import CheckpointError, MissingExtraError
from masklet.model import registry
from masklet.model.config import presets


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


def hub(monkeypatch: pytest.MonkeyPatch, fetch) -> None:
    module = ModuleType("huggingface_hub")
    module.hf_hub_download = fetch
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)


def test_every_known_name_has_a_network() -> None:
    names = [checkpoint.name for checkpoint in registry.known()]
    assert len(names) == len(set(names))
    assert set(names) <= set(presets())
    assert {name for name in presets() if name not in names} <= registry.EMBEDDED.keys()


def test_an_embedded_model_is_known_once_its_files_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    assert [c.name for c in registry.known() if c.is_embedded] == [registry.DEFAULT]
    for part in ("image", "memory"):
        (tmp_path / f"masklet-nano.{part}.safetensors").write_bytes(b"")
    assert [c.name for c in registry.known() if c.is_embedded] == [registry.DEFAULT, "masklet-nano"]


def test_an_unknown_name_suggests() -> None:
    with pytest.raises(
        CheckpointError, match=r"unknown model 'sam2.1-hiera-tinny'; did you mean sam2.1-hiera-tiny"
    ):
        registry.resolve("sam2.1-hiera-tinny")


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.pt"
    file.write_bytes(b"")
    assert registry.resolve(str(file)) == registry.Resolved("mine", (file,), None)
    for missing in (tmp_path / "other", str(tmp_path / "other.pt")):
        with pytest.raises(CheckpointError, match="no checkpoint at"):
            registry.resolve(missing)


def test_a_run_s_folder_is_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(CheckpointError, match=r"run lacks image\.safetensors and memory\.safetensors"):
        registry.resolve("run")
    (folder / "image.safetensors").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"lacks memory\.safetensors; .*masklet train"):
        registry.resolve(folder)
    (folder / "memory.safetensors").write_bytes(b"")
    files = tuple(Path("run", f"{part}.safetensors") for part in ("image", "memory"))
    assert registry.resolve("run") == registry.Resolved("run", files, None)
    (tmp_path / registry.DEFAULT).mkdir()
    assert registry.resolve(registry.DEFAULT).config == registry.DEFAULT


def test_what_is_not_on_disk_says_how_to_get_it(cache: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        registry.resolve("sam2.1-hiera-large")
    message = str(caught.value)
    assert "masklet models get sam2.1-hiera-large" in message
    assert "sam2.1_hiera_large.pt" in message
    assert str(cache) in message


def test_what_is_in_the_cache_resolves(cache: Path) -> None:
    cache.mkdir()
    file = cache / "sam2_hiera_base_plus.pt"
    file.write_bytes(b"12345")
    found = registry.resolve("sam2-hiera-base-plus")
    assert found == registry.Resolved("sam2-hiera-base-plus", (file,), "sam2-hiera-base-plus")
    assert registry.find("sam2-hiera-base-plus").size == 5


def test_download_goes_through_the_hub_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fetch(repository: str, file: str, *, local_dir: Path) -> str:
        calls.append((repository, file))
        (local_dir / file).write_bytes(b"weights")
        return str(local_dir / file)

    hub(monkeypatch, fetch)
    for _ in range(2):
        assert registry.download("sam2.1-hiera-tiny").is_on_disk
    assert calls == [("facebook/sam2.1-hiera-tiny", "sam2.1_hiera_tiny.pt")]


def test_offline_is_one_line_with_the_way_out(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*_: object, **__: object) -> str:
        raise ConnectionError("name resolution failed\nwith more lines")

    hub(monkeypatch, fetch)
    with pytest.raises(CheckpointError) as caught:
        registry.download("sam2.1-hiera-tiny")
    message = str(caught.value)
    assert "\n" not in message
    assert "name resolution failed" in message
    assert f"in {cache}" in message


def test_a_download_that_leaves_no_file_is_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub(monkeypatch, lambda *_, **__: "elsewhere")
    with pytest.raises(CheckpointError, match="is not at"):
        registry.download("sam2.1-hiera-tiny")


def test_without_the_extra(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'masklet\[hub\]'"):
        registry.download("sam2.1-hiera-tiny")


def test_an_embedded_model_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    with pytest.raises(CheckpointError, match="reinstall masklet"):
        registry.download(registry.DEFAULT)
