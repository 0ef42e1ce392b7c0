"""Fixtures for the whole suite."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and weights that lies outside the repository; tests that need it skip without."""
    named = os.environ.get("MASKLET_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"no shared data: {folder} is not a folder (set MASKLET_SHARED)")
    return folder


@pytest.fixture(scope="session")
def made_birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `birds` is a copy of: a project's folder, beside it the videos that it was imported from."""
    from project_kit import make_project  # needs the extra `annotate`

    return make_project(tmp_path_factory.mktemp("made"))


@pytest.fixture
def birds(made_birds: Path, tmp_path: Path) -> Path:
    """A project of the test's own; its videos lie where they were imported from."""
    return Path(shutil.copytree(made_birds, tmp_path / "birds"))
