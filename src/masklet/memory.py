"""The memory bank: which past frames are read, as integers, and where their entries are kept.

Nothing here computes on pictures. `select` is the whole rule; `MemoryBank` stores opaque entries of
one object for one sweep through the video and forgets what the rule can no longer reach.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from masklet.errors import ConfigError


@dataclass(frozen=True)
class MemoryPolicy:
    """Which frames a frame may read. Defaults follow SAM 2, with SAM 3's limit on prompted frames."""

    slots: int = 7
    """Most temporal slots: slot 0 for prompted frames, slots 1 … slots-1 for recent ones. A model that has
    fewer reads fewer."""
    stride: int = 1
    """Recent frames lie on every stride-th frame; the neighbour is read whatever the stride."""
    pointers: int = 16
    """Pointers come from up to pointers-1 preceding frames, besides the chosen prompted ones."""
    prompted_limit: int | None = 4
    """Most prompted frames read at once (SAM 3: 4); None reads all of them, as SAM 2 does."""
    future_prompted: bool = True
    """Whether prompted frames that tracking has not reached yet are read."""

    def __post_init__(self) -> None:
        for name, least in (("slots", 2), ("stride", 1), ("pointers", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"memory {name} is {getattr(self, name)}; it must be at least {least}")
        if self.prompted_limit is not None and self.prompted_limit < 1:
            raise ConfigError(f"memory prompted_limit is {self.prompted_limit}; give 1 or more, or None")

    @classmethod
    def sam2(cls) -> MemoryPolicy:
        """SAM 2's own rule: every prompted frame is read, however many there are."""
        return cls(prompted_limit=None)

    @property
    def memory_reach(self) -> int:
        """The most steps back at which a recent frame's memory can still be read."""
        if self.slots == 2:
            return 1
        return self.stride + 1 + (self.slots - 3) * self.stride

    @property
    def reach(self) -> int:
        """The most steps back at which anything of a recent frame can still be read."""
        return max(self.memory_reach, self.pointers - 1)


@dataclass(frozen=True)
class Reading:
    """What one object reads at one frame. Objects with equal readings run as one batch.

    memories   (frame, slot): prompted frames in slot 0, ascending, then recent ones, the farthest first
    pointers   (frame, distance): positive distances are past, in the direction of tracking
    """

    memories: tuple[tuple[int, int], ...] = ()
    pointers: tuple[tuple[int, int], ...] = ()


def select(
    t: int,
    prompted: Collection[int],
    remembered: Collection[int],
    policy: MemoryPolicy,
    *,
    reverse: bool = False,
) -> Reading:
    """What to read at frame t, given the prompted frames and the recent frames that are remembered.

    The rule is SAM 2's (sam2_base, `_prepare_memory_conditioned_features`), with two things settled that
    SAM 2 leaves to the order of clicks: of equally distant prompted frames the earlier one is taken, and
    chosen ones are read in ascending order. A frame that is both prompted and remembered counts as prompted.
    """
    prompted = set(prompted)
    chosen = _choose_prompted(t, prompted, policy, reverse)
    # A prompted frame beyond the limit is still read as the recent frame it also is.
    recent = (set(remembered) | prompted) - set(chosen)
    sign = -1 if reverse else 1

    memories = [(frame, 0) for frame in chosen]
    for steps in range(policy.slots - 1, 0, -1):
        frame = _recent_frame(t, steps, policy.stride, reverse)
        if frame in recent:
            memories.append((frame, steps))

    pointers = [(frame, sign * (t - frame)) for frame in chosen if sign * (t - frame) >= 0]
    for steps in range(1, policy.pointers):
        if t - sign * steps in recent:
            pointers.append((t - sign * steps, steps))
    return Reading(tuple(memories), tuple(pointers))


def _choose_prompted(t: int, prompted: set[int], policy: MemoryPolicy, reverse: bool) -> list[int]:
    if not policy.future_prompted:
        prompted = {frame for frame in prompted if (frame >= t if reverse else frame <= t)}
    if policy.prompted_limit is None or len(prompted) <= policy.prompted_limit:
        return sorted(prompted)
    chosen = []
    before = [frame for frame in prompted if frame < t]
    after = [frame for frame in prompted if frame >= t]
    if before:
        chosen.append(max(before))
    if after:
        chosen.append(min(after))
    others = sorted(prompted - set(chosen), key=lambda frame: (abs(frame - t), frame))
    return sorted((chosen + others)[: policy.prompted_limit])


def _recent_frame(t: int, steps: int, stride: int, reverse: bool) -> int:
    """The frame of slot `steps`: the neighbour, or the (steps-1)-th on the stride's grid beyond it."""
    if reverse:
        if steps == 1:
            return t + 1
        return -(-(t + 2) // stride) * stride + (steps - 2) * stride
    if steps == 1:
        return t - 1
    return (t - 2) // stride * stride - (steps - 2) * stride


@dataclass(frozen=True, eq=False)
class MemoryEntry:
    """One object on one frame, as later frames may read it.

    feature     the engine's memory of the frame; None = not remembered (yet), or out of reach
    pointer     float32 [C]
    occlusion   > 0 is visible
    logits      float32 [S/4, S/4], the mask the memory was made from; None where it was dropped
    """

    feature: Any
    pointer: np.ndarray
    occlusion: float
    logits: np.ndarray | None = None

    @cached_property
    def extent(self) -> tuple[int, int, int, int] | None:
        """First and last row, first and last column of the mask, among its logits; None: nothing is known."""
        if self.logits is None:
            return None
        positive = self.logits > 0
        rows, columns = np.flatnonzero(positive.any(axis=1)), np.flatnonzero(positive.any(axis=0))
        return (rows[0], rows[-1], columns[0], columns[-1]) if len(rows) else None


@dataclass(eq=False)
class MemoryBank:
    """One object's entries for one sweep: all its prompted frames, and the recent ones in reach."""

    prompted: dict[int, MemoryEntry] = field(default_factory=dict)
    recent: dict[int, MemoryEntry] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.prompted) + len(self.recent)

    def __getitem__(self, frame: int) -> MemoryEntry:
        return self.prompted[frame] if frame in self.prompted else self.recent[frame]

    def write(self, frame: int, entry: MemoryEntry, *, prompted: bool = False) -> None:
        """Store an entry; a frame is either prompted or recent."""
        if prompted:
            self.prompted[frame] = entry
            self.recent.pop(frame, None)
        else:
            self.recent[frame] = entry

    def read(self, t: int, policy: MemoryPolicy, *, reverse: bool = False) -> Reading:
        """What frame t reads from this bank; its own entry is never part of it."""
        return select(t, self.prompted.keys() - {t}, self.recent.keys() - {t}, policy, reverse=reverse)

    def prune(self, t: int, policy: MemoryPolicy, *, reverse: bool = False) -> None:
        """Forget what no frame after t (in the direction of tracking) can read.

        Recent frames lose their memory beyond the memory's reach and vanish beyond the pointers'.
        Prompted frames stay: tracking backwards, or a later prompt, may need them.
        """
        sign = -1 if reverse else 1
        for frame, entry in list(self.recent.items()):
            steps = sign * (t - frame) + 1  # seen from the next frame
            if steps > policy.reach:
                del self.recent[frame]
            elif steps > policy.memory_reach and entry.feature is not None:
                self.recent[frame] = MemoryEntry(None, entry.pointer, entry.occlusion, None)

    def prune_prompted(self, t: int, policy: MemoryPolicy) -> None:
        """For a stream, which never goes back: forget prompted frames that newer ones have displaced.

        Those still in reach stay, since they are read as recent frames.
        """
        if policy.prompted_limit is None:
            return
        newest = sorted(self.prompted)[-policy.prompted_limit :]
        for frame in list(self.prompted):
            if frame not in newest and t - frame + 1 > policy.reach:
                del self.prompted[frame]
