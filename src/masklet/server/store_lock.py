"""One server a store: two would delete each other's exports and write over each other's changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masklet.errors import ConfigError
from masklet.lock import Held, hold


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Keep other servers out of a store, which is made when it is not there.

    raises   ConfigError when another server has the store
    """
    try:
        file = hold(store / "lock")
    except Held as error:
        raise ConfigError(
            f"the store {store} is in use by another server; stop that one, or give another --store"
        ) from error
    with file:
        yield
