"""A run's outputs by row, and what a row has done so far: the only memory between processes and runs.

    masks/KEY.json              all masks of a row, COCO / YouTube-VIS
    rows/KEY.json               its result; there last of all, so it is there only when the row is over
    parts/KEY/session-N.npz     the session that step N handed over
    parts/KEY/masks-N.json      what step N found; a step is done when this is there
    parts/KEY/attempt-N-M       the M-th attempt at step N began (an attempt that ends takes them away)
    results.jsonl               the results in the manifest's order, written at the end of a run

parts/KEY goes when the row is over.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.batch.job import KEPT, Job, Status
from masklet.batch.manifest import Row
from masklet.batch.parts import Part, assemble

Result = dict[str, Any]
"""status, key, line, id, video, masks (URI), statistics, timing, error; JSON values."""


@dataclass(frozen=True)
class RowFiles:
    """One row's files in the store."""

    job: Job
    row: Row
    key: str

    @classmethod
    def of(cls, job: Job, row: Row) -> RowFiles:
        return cls(job, row, job.key(row))

    @property
    def parts(self) -> str:
        return f"parts/{self.key}"

    def result(self) -> Result | None:
        """The result of a row that is over and stays so; None for one that is to be done (again)."""
        found = self.any_result()
        return found if found is not None and found["status"] in KEPT else None

    def any_result(self) -> Result | None:
        """The result of a row that is over, a failed one too."""
        try:
            return {**json.loads(self.job.out.read(f"rows/{self.key}.json")), **self._place}
        except FileNotFoundError:
            return None

    @property
    def _place(self) -> dict[str, Any]:
        return {"line": self.row.line, "id": self.row.label}

    def forget_failure(self) -> None:
        """Before a run: a row that failed is tried again, with all its attempts."""
        if self.any_result() is not None and self.result() is None:
            self.job.out.remove(f"rows/{self.key}.json")
        for name in self.job.out.names(self.parts):
            if name.startswith("attempt-"):
                self.job.out.remove(f"{self.parts}/{name}")

    # ── steps ────────────────────────────────────────────────────────────────────────────────────

    def steps_done(self) -> int:
        """How many steps, from the first, have their masks here."""
        names = set(self.job.out.names(self.parts))
        done = 0
        while f"masks-{done}.json" in names:
            done += 1
        return done

    def has_session(self, step: int) -> bool:
        return self.job.out.exists(self._session(step))

    def _session(self, step: int) -> str:
        return f"{self.parts}/session-{step}.npz"

    @contextmanager
    def sessions(self, step: int, *, last: bool) -> Iterator[tuple[Path | None, Path | None]]:
        """Local paths of the session a step takes over and of the one it hands over (stored after)."""
        with tempfile.TemporaryDirectory(prefix="masklet-") as folder:
            taken = Path(folder) / "taken.npz" if step else None
            if taken is not None:
                taken.write_bytes(self.job.out.read(self._session(step - 1)))
            handed = None if last else Path(folder) / "handed.npz"
            yield taken, handed
            if handed is not None and handed.exists():
                self.job.out.put(self._session(step), handed)

    def store_part(self, step: int, part: bytes) -> None:
        """Keep what a step found; from here on it is done."""
        self.job.out.write(f"{self.parts}/masks-{step}.json", part)
        # The next step needs the last session; steps may be stored out of order, so that one counts
        # which belongs to the first step that is missing.
        for old in range(max(0, step - 2), self.steps_done() - 1):
            self.job.out.remove(self._session(old))

    def damage(self) -> str | None:
        """How the video broke off in the last step that is done, if it did: there is no step after it."""
        last = self.steps_done() - 1
        return None if last < 0 else self._part(last).damage

    def spent(self) -> float:
        """Seconds that the steps done so far took."""
        count = self.steps_done()
        return sum(sum(part.seconds.values()) for part in self._parts(count))

    def _parts(self, count: int) -> Iterator[Part]:
        return (self._part(number) for number in range(count))

    def _part(self, number: int) -> Part:
        return Part.from_bytes(self.job.out.read(f"{self.parts}/masks-{number}.json"))

    # ── the end ──────────────────────────────────────────────────────────────────────────────────

    def finish(self, damage: str | None = None) -> Result:
        """Put the steps together, write masks and result, and clear the parts away."""
        began = time.perf_counter()
        seconds = {"decode": 0.0, "model": 0.0}
        count = self.steps_done()

        def counted() -> Iterator[Part]:
            for part in self._parts(count):
                for name, spent in part.seconds.items():
                    seconds[name] += spent
                yield part

        with tempfile.TemporaryDirectory(prefix="masklet-") as folder:
            file = Path(folder) / "masks.json"
            name = self.row.video.rstrip("/").rsplit("/", 1)[-1]
            statistics = assemble(file, name, counted(), self.row.names)
            self.job.out.put(f"masks/{self.key}.json", file)
        seconds["encode"] = time.perf_counter() - began
        timing = {**seconds, "total": sum(seconds.values())}
        return self._conclude(
            "done" if damage is None else "damaged",
            error=damage,
            masks=self.job.out.at(f"masks/{self.key}.json"),
            statistics=statistics,
            timing={f"{name}_seconds": round(spent, 3) for name, spent in timing.items()},
        )

    def fail(self, error: str) -> Result:
        """Write down that the row failed. What its steps found stays, for another run."""
        timing = {"total_seconds": round(self.spent(), 3)}
        return self._conclude("failed", error=error, timing=timing)

    def _conclude(self, status: Status, **more: Any) -> Result:
        result = {
            "status": status,
            "key": self.key,
            "video": self.row.video,
            "masks": None,
            "statistics": None,
            "timing": None,
            "error": None,
            **more,
        }
        self.job.out.write(f"rows/{self.key}.json", (json.dumps(result, indent=1) + "\n").encode())
        if status in KEPT:
            self.job.out.remove(self.parts)
        return {**result, **self._place}


def refused(line: int, error: str, video: str | None, label: str | None) -> Result:
    """The result of a line that is no row."""
    nothing = dict.fromkeys(("key", "masks", "statistics", "timing"))
    return {"status": "refused", "video": video, **nothing, "error": error, "line": line, "id": label}


def in_order(results: Mapping[int, Result]) -> bytes:
    """results.jsonl: one line a row, by its line in the manifest."""
    return "".join(json.dumps(results[line]) + "\n" for line in sorted(results)).encode()
