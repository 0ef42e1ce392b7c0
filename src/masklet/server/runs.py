"""One tracking run of a session: a step is a frame."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from masklet.errors import MaskletError, SessionError
from masklet.predict.plan import Direction, plan
from masklet.server.problems import described
from masklet.server.workspace import Workspace
from masklet.types import Frame, FrameMasks

log = logging.getLogger(__name__)

GOING_ON = frozenset({"queued", "running", "paused"})


@dataclass(frozen=True)
class RunRequest:
    """What to track: see VideoSession.propagate."""

    direction: Direction = "both"
    start: int | None = None
    stop: int | None = None
    limit: int | None = None


class TrackingRun:
    """Carries a session's objects through the video, one frame a step, in the session's thread.

    Both directions are two passes, backwards first: their frames and masks are those of
    `propagate("both")`, but every step shows its frame at once instead of after the backward pass.
    """

    def __init__(self, number: int, request: RunRequest, workspace: Workspace) -> None:
        session = workspace.session
        if not session.prompts:
            raise SessionError("there is nothing to track; prompt an object first")
        firsts = [min(frames) for frames in session.prompts.values()]
        steps = plan(
            request.direction,
            firsts,
            len(session.source),
            start=request.start,
            stop=request.stop,
            limit=request.limit,
        )
        self.number = number
        self.request = request
        self.workspace = workspace
        self.total = steps.total
        self.done = 0
        self.frame: int | None = None
        self.state = "queued"
        self.message: str | None = None
        self._passes: deque[tuple[Direction, range]] = deque()
        if steps.backward:
            self._passes.append(("backward", range(steps.backward[-1], steps.backward[0] + 1)))
        if steps.forward:
            self._passes.append(("forward", steps.forward))
        self._shown: set[int] = set()
        self._frames: Iterator[tuple[Frame, FrameMasks]] | None = None
        self._lately: deque[float] = deque(maxlen=30)

    @property
    def goes_on(self) -> bool:
        return self.state in GOING_ON

    def step(self) -> int | None:
        """Track one frame; returns its index, or None when the run is over."""
        self.state = "running"
        try:
            while True:
                if self._frames is None:
                    if not self._passes:
                        self.end("done")
                        return None
                    direction, frames = self._passes.popleft()
                    self._frames = self.workspace.session.propagate(
                        direction, start=frames.start, stop=frames.stop
                    )
                found = next(self._frames, None)
                if found is not None:
                    break
                self._frames = None
        except MaskletError as error:
            self.end("failed", str(error))
            return None
        except Exception as error:
            log.exception("tracking failed")
            self.end("failed", described(error)["message"])
            return None
        self.frame = found[0].index
        self.done += 1
        self._shown.add(self.frame)
        self._lately.append(time.monotonic())
        self.workspace.tracked(self.frame)
        return self.frame

    def end(self, state: str, message: str | None = None) -> None:
        """Stop for good; what was tracked stays."""
        if not self.goes_on:
            return
        self.state, self.message = state, message
        self._passes.clear()
        if self._frames is not None:
            close = getattr(self._frames, "close", None)
            if close is not None:
                close()
            self._frames = None
        self.workspace.settle()

    @property
    def rate(self) -> float:
        """Frames a second, lately."""
        if len(self._lately) < 2:
            return 0.0
        return round((len(self._lately) - 1) / max(self._lately[-1] - self._lately[0], 1e-6), 2)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.number,
            **asdict(self.request),
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "frames": len(self._shown),
            "frame": self.frame,
            "rate": self.rate,
            "message": self.message,
        }
