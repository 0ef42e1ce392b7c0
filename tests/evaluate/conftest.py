"""Tiny benchmarks for every test of this folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tiny_benchmarks import Loader, make_davis


@pytest.fixture
def davis(tmp_path: Path) -> Any:
    """Make a DAVIS folder: davis(name=objects, …) gives its root."""
    return partial(make_davis, tmp_path / "DAVIS")


@pytest.fixture
def loader() -> Loader:
    return Loader()
