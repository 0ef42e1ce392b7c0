"""Numbers about the server, as Prometheus reads them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path

from masklet.server.library import used_bytes
from masklet.server.studio import Studio

BUCKETS = (0.01, 0.05, 0.12, 0.4, 1.0, 5.0, 30.0)
"""Seconds; 0.12 and 0.4 are what a further and a first click may take."""


class Metrics:
    """Counts of requests. Calls may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[str] = Counter()
        self._buckets = [0] * len(BUCKETS)
        self._seconds = 0.0
        self._count = 0

    def request(self, method: str, status: int, seconds: float) -> None:
        with self._lock:
            self._requests[method, status] += 1
            self._count += 1
            self._seconds += seconds
            for place, bound in enumerate(BUCKETS):
                self._buckets[place] += seconds <= bound

    def refused(self, code: str) -> None:
        with self._lock:
            self._refused[code] += 1

    def text(self, studio: Studio) -> str:
        """Everything in the text format, version 0.0.4."""
        live = studio.live_sessions
        gauges = {
            "masklet_up": int(studio.state == "ok"),
            "masklet_uptime_seconds": round(time.monotonic() - studio.started, 1),
            "masklet_sessions_live": sum(one.admitted for one in live),
            "masklet_sessions_stored": len(studio.records.sessions()),
            "masklet_watchers": sum(len(one.watchers) for one in live),
            "masklet_runs": sum(one.run is not None and one.run.goes_on for one in live),
            "masklet_exports": sum(one.exports for one in live),
            "masklet_lanes_waiting": sum(worker.load_factor for worker in studio.scheduler.workers),
            "masklet_store_bytes": used_bytes(studio.settings.store),
            "process_resident_memory_bytes": resident_bytes(),
        }
        lines = [
            line for name, value in gauges.items() for line in (f"# TYPE {name} gauge", f"{name} {value}")
        ]
        for name, values in (
            ("masklet_steps_total", [w.steps for w in studio.scheduler.workers]),
            ("masklet_questions_total", [w.answered for w in studio.scheduler.workers]),
        ):
            lines.append(f"# TYPE {name} counter")
            lines += [f'{name}{{worker="{number}"}} {value}' for number, value in enumerate(values)]
        return "\n".join([*lines, *self._request_lines()]) + "\n"

    def _request_lines(self) -> list[str]:
        with self._lock:
            lines = ["# TYPE masklet_requests_total counter"]
            lines += [
                f'masklet_requests_total{{method="{method}",status="{status}"}} {count}'
                for (method, status), count in sorted(self._requests.items())
            ]
            lines.append("# TYPE masklet_refused_total counter")
            lines += [f'masklet_refused_total{{code="{c}"}} {n}' for c, n in sorted(self._refused.items())]
            lines.append("# TYPE masklet_request_seconds histogram")
            lines += [
                f'masklet_request_seconds_bucket{{le="{bound}"}} {count}'
                for bound, count in zip(BUCKETS, self._buckets, strict=True)
            ]
            lines.append(f'masklet_request_seconds_bucket{{le="+Inf"}} {self._count}')
            lines.append(f"masklet_request_seconds_sum {self._seconds:.6f}")
            lines.append(f"masklet_request_seconds_count {self._count}")
        return lines


def resident_bytes() -> int:
    """Memory the process holds; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    import resource

    return pages * resource.getpagesize()
