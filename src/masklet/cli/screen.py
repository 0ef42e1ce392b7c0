"""Where tables are printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

PIPED = 160
"""Columns of a file or a pipe, which has no width of its own: no table loses a column there."""


def console() -> Console:
    """Standard output, as wide as the terminal; COLUMNS says otherwise."""
    from rich.console import Console

    has_width = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if has_width else PIPED)
