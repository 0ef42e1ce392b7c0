"""The rule of reading against a brute force written from its definition, and what the bank keeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from masklet.errors import ConfigError
from masklet.memory import MemoryBank, MemoryEntry, MemoryPolicy, select

FRAMES = st.integers(0, 40)
CASES = {
    "t": FRAMES,
    "prompted": st.sets(FRAMES, max_size=8),
    "remembered": st.sets(FRAMES, max_size=40),
    "policy": st.builds(
        MemoryPolicy,
        slots=st.integers(2, 8),
        stride=st.integers(1, 5),
        pointers=st.integers(1, 18),
        prompted_limit=st.none() | st.integers(1, 6),
        future_prompted=st.booleans(),
    ),
    "reverse": st.booleans(),
}


def entry(value: float = 0.0, feature: object = "memory") -> MemoryEntry:
    return MemoryEntry(feature, np.full(4, value, np.float32), 1.0, np.zeros((2, 2), np.float32))


def chosen_by_definition(t, prompted, policy, passed):
    """Which prompted frames are read, ranked by one key instead of by steps."""
    if not policy.future_prompted:
        prompted = {f for f in prompted if passed(f) or f == t}
    before = max((f for f in prompted if f < t), default=None)
    after = min((f for f in prompted if f >= t), default=None)
    if policy.prompted_limit is None or len(prompted) <= policy.prompted_limit:
        return prompted
    return set(
        sorted(prompted, key=lambda f: (f != before, f not in (before, after), abs(f - t), f))[
            : policy.prompted_limit
        ]
    )


@given(**CASES)
def test_select_is_the_rule(t, prompted, remembered, policy, reverse) -> None:
    def passed(f):
        return f > t if reverse else f < t

    reading = select(t, prompted, remembered, policy, reverse=reverse)
    chosen = chosen_by_definition(t, prompted, policy, passed)
    recent = {f for f in remembered | prompted if f not in chosen and passed(f)}

    # Slot k: the k-th frame met when walking away from t over the neighbour, then over grid frames.
    walk = range(t + 1, 400) if reverse else range(t - 1, -400, -1)
    stops = [f for n, f in enumerate(walk) if n == 0 or f % policy.stride == 0][: policy.slots - 1]
    slots = {f: k for k, f in enumerate(stops, 1) if f in recent}
    pointers = {f: abs(t - f) for f in recent if 1 <= abs(t - f) <= policy.pointers - 1}
    pointers |= {f: abs(t - f) for f in chosen if passed(f) or f == t}

    assert dict(reading.memories) == {**dict.fromkeys(chosen, 0), **slots}
    assert dict(reading.pointers) == pointers
    assert len(reading.memories) == len(chosen) + len(slots)  # nothing twice
    assert len(reading.pointers) == len(pointers)
    # The order: prompted frames, then recent ones from the farthest; pointers the nearest first.
    assert [f for f, slot in reading.memories if slot == 0] == sorted(chosen)
    order = [slot for _, slot in reading.memories]
    assert order == [0] * len(chosen) + sorted(slots.values(), reverse=True)
    tail = [distance for f, distance in reading.pointers if f not in chosen]
    assert tail == sorted(tail)


@given(**CASES)
def test_backwards_mirrors_forwards(t, prompted, remembered, policy, reverse) -> None:
    """Read from the far end of a video turned round; distances keep their sign."""
    last = 60 * policy.stride  # a multiple of the stride, so that the grid lies the same way

    def turn(frames):
        return {last - f for f in frames}

    forward = select(t, prompted, remembered, policy)
    backward = select(last - t, turn(prompted), turn(remembered), policy, reverse=True)
    if policy.prompted_limit is None:  # "nearest before, then at or after" is about time, not direction
        assert {(last - f, s) for f, s in backward.memories} == set(forward.memories)
        assert {(last - f, d) for f, d in backward.pointers} == set(forward.pointers)


def test_a_worked_example() -> None:
    """Frame 20 with prompts at 0 and 30 and everything tracked since 0."""
    reading = select(20, {0, 30}, range(1, 20), MemoryPolicy())
    assert reading.memories == ((0, 0), (30, 0), (14, 6), (15, 5), (16, 4), (17, 3), (18, 2), (19, 1))
    assert reading.pointers == ((0, 20), *((20 - k, k) for k in range(1, 16)))


def test_prompted_frames_beyond_the_limit_are_read_as_recent() -> None:
    policy = MemoryPolicy(prompted_limit=2)
    reading = select(10, {7, 9, 12}, {8}, policy)
    assert reading.memories == ((9, 0), (12, 0), (7, 3), (8, 2))
    assert reading.pointers == ((9, 1), (8, 2), (7, 3))


@given(**CASES)
def test_reach_is_enough_and_tight(t, prompted, remembered, policy, reverse) -> None:
    reading = select(t, prompted, remembered, policy, reverse=reverse)
    for frame, slot in reading.memories:
        if slot:
            assert abs(t - frame) <= policy.memory_reach
    assert all(abs(d) <= policy.reach for f, d in reading.pointers if f not in prompted)


@given(stride=st.integers(1, 6), slots=st.integers(2, 8), reverse=st.booleans())
def test_memory_reach_is_met_somewhere(stride, slots, reverse) -> None:
    policy = MemoryPolicy(slots=slots, stride=stride)
    farthest = max(
        abs(t - f)
        for t in range(100, 100 + stride)
        for f, _ in select(t, (), range(300), policy, reverse=reverse).memories
    )
    assert farthest == policy.memory_reach


@given(
    policy=CASES["policy"],
    prompted=st.sets(st.integers(0, 59), max_size=4),
    reverse=st.booleans(),
)
def test_pruning_never_changes_a_reading(policy, prompted, reverse) -> None:
    """A pruned bank and one that keeps everything read the same, frame after frame."""
    pruned, whole = MemoryBank(), MemoryBank()
    for f in prompted:
        pruned.write(f, entry(), prompted=True)
        whole.write(f, entry(), prompted=True)
    for t in range(59, -1, -1) if reverse else range(60):
        reading = pruned.read(t, policy, reverse=reverse)
        assert reading == whole.read(t, policy, reverse=reverse)
        assert all(pruned[f].feature is not None for f, _ in reading.memories)
        if t not in prompted:
            pruned.write(t, entry())
            whole.write(t, entry())
        pruned.prune(t, policy, reverse=reverse)
        assert len(pruned.recent) <= policy.reach + 1


@given(
    policy=st.builds(MemoryPolicy, prompted_limit=st.integers(1, 5), stride=st.integers(1, 3)),
    prompted=st.sets(st.integers(0, 79)),
)
def test_pruning_prompted_frames_never_changes_a_stream(policy, prompted) -> None:
    """Frames prompted as they come: what newer prompts displace is never missed."""
    pruned, whole = MemoryBank(), MemoryBank()
    for t in range(80):
        assert pruned.read(t, policy) == whole.read(t, policy)
        for bank in (pruned, whole):
            bank.write(t, entry(), prompted=t in prompted)
        pruned.prune(t, policy)
        pruned.prune_prompted(t, policy)
        assert len(pruned) <= policy.prompted_limit + 2 * policy.reach + 2


def test_a_frame_never_reads_itself() -> None:
    bank = MemoryBank()
    bank.write(3, entry(), prompted=True)
    bank.write(4, entry())
    assert bank.read(3, MemoryPolicy()).memories == ()
    assert bank.read(4, MemoryPolicy()).memories == ((3, 0),)


def test_prompting_a_tracked_frame_makes_it_prompted() -> None:
    bank = MemoryBank()
    bank.write(3, entry(1.0))
    bank.write(3, entry(2.0), prompted=True)
    assert len(bank) == 1
    assert bank[3].pointer[0] == 2.0


@pytest.mark.parametrize(
    ("name", "value"), [("slots", 1), ("stride", 0), ("pointers", 0), ("prompted_limit", 0)]
)
def test_settings_out_of_range_are_refused(name, value) -> None:
    with pytest.raises(ConfigError, match=name):
        MemoryPolicy(**{name: value})


def test_sam2_reads_every_prompted_frame() -> None:
    assert len(select(50, range(0, 40, 2), (), MemoryPolicy.sam2()).memories) == 20
    assert len(select(50, range(0, 40, 2), (), MemoryPolicy()).memories) == 4
