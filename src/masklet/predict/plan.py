"""Which frames a propagation passes, in which order, and who is tracked on them. Integers only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from masklet.errors import ConfigError, UnknownFrameError

Direction = Literal["both", "forward", "backward"]


@dataclass(frozen=True)
class Plan:
    """What a propagation does.

    backward   frames of the backward sweep, descending; may be empty
    forward    frames of the forward sweep, ascending; may be empty
    shown      frames handed to the caller, in order
    """

    backward: range
    forward: range
    shown: range

    @property
    def total(self) -> int:
        """Steps to do, for a progress bar."""
        return len(self.backward) + len(self.forward)


def plan(
    direction: Direction,
    firsts: Iterable[int],
    length: int,
    *,
    start: int | None = None,
    stop: int | None = None,
    limit: int | None = None,
) -> Plan:
    """Lay out a propagation in a video of `length` frames.

    firsts   each object's first prompted frame (at least one)
    start    the lowest frame touched; None: 0. Forward alone begins there
    stop     the frame after the highest one touched; None: the end. Backward alone begins before it
    limit    most frames passed in each direction, the frame a sweep begins on not counted

    Forward begins at the earliest first prompt, backward at the latest, unless start or stop says
    otherwise. "both" does the backward sweep first and shows every frame once, in time's order.
    """
    if direction not in get_args(Direction):
        raise ConfigError(f"direction {direction!r} is unknown; give both, forward or backward")
    if limit is not None and limit < 0:
        raise ConfigError(f"limit {limit} must be 0 or more frames")
    for name, value, highest in (("start", start, length - 1), ("stop", stop, length)):
        if value is not None and not 0 <= value <= highest:
            raise UnknownFrameError(f"{name} {value} is outside the video (0–{highest})")
    low, high = start or 0, length if stop is None else stop
    if low >= high:
        raise ConfigError(f"start {low} must lie before stop {high}")
    firsts = list(firsts)

    begin = low if direction == "forward" and start is not None else max(min(firsts), low)
    forward = range(begin, high if limit is None else min(high, begin + limit + 1))
    begin = high - 1 if direction == "backward" and stop is not None else min(max(firsts), high - 1)
    backward = range(begin, (low if limit is None else max(low, begin - limit)) - 1, -1)

    if direction == "forward":
        return Plan(range(0), forward, forward)
    if direction == "backward":
        return Plan(backward, range(0), backward)
    if not backward or backward[-1] >= max(firsts):  # nothing lies before a first prompt
        return Plan(range(0), forward, forward)
    passed = [*backward[:1], *backward[-1:], *forward[:1], *forward[-1:]]
    return Plan(backward, forward, range(min(passed), max(passed) + 1))
