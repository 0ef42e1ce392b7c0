"""Fixtures for the whole suite."""

from __future__ import annotations

import os
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
