"""`masklet models` and `masklet models get`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from masklet.model import registry


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path / "cache"


def test_the_table_lists_every_checkpoint(cli, cache: Path) -> None:
    cache.mkdir()
    (cache / "sam2.1_hiera_small.pt").write_bytes(b"x" * 3_000_000)
    done = cli("models")
    assert done.code == 0
    rows = {line.split()[0]: line.split() for line in done.out.splitlines()[1:]}
    assert set(rows) == {checkpoint.name for checkpoint in registry.known()}
    assert rows["sam2.1-hiera-small"][1:4] == ["3", "Apache-2.0", "yes"]
    assert rows["sam2-hiera-large"][1:4] == ["898", "Apache-2.0", "no"]


def test_as_json(cli) -> None:
    rows = cli("models", "--json").json
    assert [row["name"] for row in rows] == [checkpoint.name for checkpoint in registry.known()]
    row = next(row for row in rows if row["name"] == "sam2.1-hiera-tiny")
    assert row["on_disk"] is False
    assert row["bytes"] == 156_000_000
    assert row["files"][0].endswith("sam2.1_hiera_tiny.pt")
    assert row["without_pytorch"] == []


def test_what_runs_without_pytorch(cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    for size in (512, 384):
        (tmp_path / f"masklet-tiny-{size}.graphs.zip").touch()
    assert cli("models", "--json").json[0]["without_pytorch"] == [384, 512]
    assert "384, 512" in cli("models").out


def test_get(cli, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ModuleType("huggingface_hub")
    hub.hf_hub_download = lambda repository, file, local_dir: (local_dir / file).write_text(repository)
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    done = cli("models", "get", "sam2.1-hiera-tiny")
    assert (done.code, done.out.strip()) == (0, str(cache / "sam2.1_hiera_tiny.pt"))
    assert cli("models", "get", "sam2.1-hiera-tiny", "--json").json["on_disk"] is True


def test_get_what_is_not_there(cli) -> None:
    done = cli("models", "get", "sam9")
    assert done.code == 1
    assert "unknown model 'sam9'" in done.complaint


def test_get_offline(cli, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = ModuleType("huggingface_hub")

    def fail(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    hub.hf_hub_download = fail
    monkeypatch.setitem(sys.modules, "huggingface_hub", hub)
    done = cli("models", "get", "sam2-hiera-tiny")
    assert done.code == 1
    assert "no route to host" in done.complaint
    assert (
        f"place sam2_hiera_tiny.pt from facebook/sam2-hiera-tiny on the Hugging Face hub in {cache}"
        in done.complaint
    )
