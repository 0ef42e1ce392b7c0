"""One run at a time in a folder: two that write the same checkpoint would spoil each other's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masklet.errors import ConfigError
from masklet.lock import Held, hold

LOCK = "run.lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, which is made if need be.

    raises   ConfigError naming the process that holds it
    """
    try:
        file = hold(folder / LOCK)
    except Held as error:
        raise ConfigError(
            f"process {error.process} is training in {folder}; "
            "wait until it ends, end it, or name another --out"
        ) from error
    with file:
        yield
