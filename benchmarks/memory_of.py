"""Memory of a process and of all it starts, watched from outside through /proc (Linux)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

PAUSE_S = 0.02


class PeakMemory:
    """Samples a process and its descendants every 20 ms in a thread; use it in a `with` block.

    Pages that several of them share are counted for each, so it says too much rather than too little.
    """

    def __init__(self, process: int) -> None:
        self._process = process
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def peak_bytes(self) -> int:
        """Most resident bytes since `forget`."""
        return self._peak

    def now_bytes(self) -> int:
        """Resident bytes of the process and its descendants at this moment."""
        return sum(resident(one) for one in family(self._process))

    def forget(self) -> None:
        """Count the peak from here on."""
        self._peak = 0

    def _watch(self) -> None:
        while not self._over.wait(PAUSE_S):
            self._peak = max(self._peak, self.now_bytes())

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def family(process: int) -> list[int]:
    """A process and everything it started, as they are now."""
    found = [process]
    for one in found:  # grows while it is walked
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in children.read_text().split()]
            except OSError:  # gone in the meantime
                continue
    return found


def resident(process: int) -> int:
    """Bytes a process holds in memory; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):  # gone in the meantime
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
