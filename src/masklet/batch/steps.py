"""A row cut into steps: which frames each tracks, which are final then, what is handed over. Integers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from masklet.batch.manifest import Row
from masklet.errors import ConfigError
from masklet.predict.plan import plan

Way = Literal["forward", "backward"]


@dataclass(frozen=True)
class Step:
    """A piece of a row's propagation.

    number      from 0; `of` says how many there are
    direction   the way it goes
    start, stop the frames it tracks, stop excluded
    final       those of them whose masks no later step changes
    kept        tracked frames that later steps read or show: what the session handed over holds
    read        frames it needs of the video
    """

    number: int
    of: int
    direction: Way
    start: int
    stop: int
    final: range
    kept: frozenset[int]
    read: frozenset[int]

    @property
    def last(self) -> bool:
        return self.number == self.of - 1


def steps_of(row: Row, length: int, chunk: int) -> list[Step]:
    """The steps of a row on a video of `length` frames, at most `chunk` frames each.

    raises   UnknownFrameError or ConfigError when the row's range does not fit the video
    """
    whole = plan(row.direction, row.firsts, length, start=row.start, stop=row.stop)
    reach = row.policy.memory.reach
    pieces: list[tuple[Way, range]] = [("backward", part) for part in _cut(whole.backward, chunk)]
    pieces += [("forward", part) for part in _cut(whole.forward, chunk)]
    # Frames that both sweeps pass are final after the second one, which reads the first one's masks there.
    both = range(0)
    if whole.backward and whole.forward:
        both = range(max(whole.forward.start - reach, 0), max(whole.backward.start + 1, whole.forward.start))
    if not pieces:
        raise ConfigError(
            f"range {row.given.get('range')} holds no frame {row.direction} from the prompts; widen it"
        )
    made = []
    for number, (direction, part) in enumerate(pieces):
        low, high = min(part), max(part) + 1
        after = pieces[number + 1] if number + 1 < len(pieces) else None
        read = {t for t in chain(_behind(direction, part, reach), part, row.prompted) if 0 <= t < length}
        final = range(low, high)
        if direction == "backward" and whole.forward:
            final = range(low, min(high, whole.forward.start))
        kept = frozenset[int]() if after is None else frozenset(_kept(*after, both, reach))
        made.append(Step(number, len(pieces), direction, low, high, final, kept, frozenset(read)))
    return made


def _kept(direction: Way, after: range, both: range, reach: int) -> Iterator[int]:
    """What the step that goes over these frames next, and those after it, read or show of the past."""
    yield from _behind(direction, after, reach)
    yield from (t for t in both if direction == "backward" or t >= after.start - reach)


def _behind(direction: Way, part: range, reach: int) -> range:
    """The frames that a step over `part` can read and has not tracked itself."""
    if direction == "forward":
        return range(part.start - reach, part.start)
    return range(part.start + 1, part.start + reach + 1)


def _cut(frames: range, chunk: int) -> Iterator[range]:
    for at in range(0, len(frames), chunk):
        yield frames[at : at + chunk]
