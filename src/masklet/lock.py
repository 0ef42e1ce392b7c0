"""A file that one process at a time holds; the system lets go of it when that process ends, however."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TextIO


class Held(Exception):
    """Another process holds the file: `process` is its number, or "unknown"."""

    def __init__(self, process: str) -> None:
        super().__init__(process)
        self.process = process


def hold(path: Path) -> TextIO:
    """Hold a file, made if need be with its folder, until what is given back is closed.

    Where files cannot be locked (Windows, some network folders) nobody is kept out.
    raises   Held
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a+", encoding="utf-8")
    try:
        if not _lock(file.fileno()):
            file.seek(0)
            raise Held(file.read().strip() or "unknown")
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _lock(descriptor: int) -> bool:
    """False when another process has it."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks
    return True
