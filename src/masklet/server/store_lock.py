"""One server a store: two would delete each other's exports and write over each other's changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masklet.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows, where nobody is kept out
    fcntl = None  # type: ignore[assignment]


@contextmanager
def alone(store: Path) -> Iterator[None]:
    """Keep other servers out of a store, which is made when it is not there. The lock goes with the process.

    raises   ConfigError when another server has the store
    """
    store.mkdir(parents=True, exist_ok=True)
    with (store / "lock").open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"the store {store} is in use by another server; stop that one, or give another --store"
                ) from error
            except OSError:  # a file system that knows no locks
                pass
        yield
