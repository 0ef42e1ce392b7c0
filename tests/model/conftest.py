"""Fixtures of the parity tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def plain_sums() -> Iterator[None]:
    """Sums in one order, and no fight over the processor's cores; nothing here needs a gradient."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.no_grad():
        yield
    torch.set_num_threads(threads)
