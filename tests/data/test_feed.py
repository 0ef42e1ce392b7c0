from __future__ import annotations

import multiprocessing
from collections.abc import Sequence

import numpy as np
import pytest

from masklet.data.clips import Clip, ClipSettings
from masklet.data.datasets import ImagePool
from masklet.data.feed import ClipFeed, StillShare
from masklet.data.problems import Problems
from masklet.data.stills import StillClips
from masklet.data.synthetic import ClipSynthesiser
from masklet.errors import ConfigError, DataError

SETTINGS = ClipSettings(frames=2, size=48)


class Breaking(ClipSynthesiser):
    """Fails at once."""

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        raise DataError("these pictures are no good")


class Dying(ClipSynthesiser):
    """Its process ends without a word, as when the system kills it."""

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        import os

        os._exit(3)


def same(a: Sequence[Clip], b: Sequence[Clip]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(x.frames, y.frames)
        and np.array_equal(x.masks, y.masks)
        and np.array_equal(x.visible, y.visible)
        for x, y in zip(a, b, strict=True)
    )


def test_batches_depend_on_seed_and_number_alone(pool: ImagePool) -> None:
    synthesiser = ClipSynthesiser(pool, SETTINGS)
    feed = ClipFeed(synthesiser, batch=3, seed=5)
    straight = [next(feed) for _ in range(4)]
    assert feed.index == 4
    resumed = ClipFeed(synthesiser, batch=3, seed=5, start=2)
    assert same(next(resumed), straight[2])
    assert same(next(resumed), straight[3])
    assert not same(next(ClipFeed(synthesiser, batch=3, seed=6)), straight[0])
    assert not same(straight[0], straight[1])
    # a clip's number counts, not its place in a batch
    single = ClipFeed(synthesiser, batch=1, seed=5, start=4)
    assert same(next(single), straight[1][1:2])


def test_workers_give_the_same_batches_in_the_same_order(pool: ImagePool) -> None:
    synthesiser = ClipSynthesiser(pool, SETTINGS)
    inline = ClipFeed(synthesiser, batch=2, seed=1, start=3)
    with ClipFeed(synthesiser, batch=2, seed=1, start=3, workers=2, ahead=1) as feed:
        for _ in range(4):
            assert same(next(feed), next(inline))
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("clips-")]
    with pytest.raises(StopIteration):
        next(feed)
    feed.close()


@pytest.mark.parametrize(("kind", "message"), [(Breaking, "no good"), (Dying, "exit code 3")])
def test_a_worker_that_fails_is_reported(pool: ImagePool, kind: type[ClipSynthesiser], message: str) -> None:
    with (
        ClipFeed(kind(pool, SETTINGS), batch=1, seed=0, workers=1) as feed,
        pytest.raises(DataError, match=message),
    ):
        next(feed)
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("clips-")]


@pytest.mark.parametrize("change", [{"batch": 0}, {"workers": -1}, {"start": -1}, {"ahead": 0}, {"seed": -1}])
def test_settings_out_of_range_are_named(pool: ImagePool, change: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        ClipFeed(ClipSynthesiser(pool, SETTINGS), **({"batch": 1, "seed": 0} | change))


class Complaining(StillClips):
    """Finds fault with every picture, and uses it all the same."""

    def clip(self, rng: np.random.Generator, frames: int | None = None) -> Clip:
        self.pool.sets[0].problems.add(f"picture {int(rng.integers(1000))}", "is dull")
        return super().clip(rng, frames)


def test_batches_of_pictures_among_those_of_clips(pool: ImagePool) -> None:
    def batches(share: float) -> list[list[Clip]]:
        stills = StillShare(StillClips(pool, SETTINGS), share, batch=5)
        feed = ClipFeed(ClipSynthesiser(pool, SETTINGS), batch=2, seed=1, stills=stills)
        return [next(feed) for _ in range(12)]

    mixed, plain = batches(0.5), batches(0.0)
    shapes = [(len(batch), len(batch[0].frames)) for batch in mixed]
    assert set(shapes) == {(5, 1), (2, 2)}
    assert all(len(batch) == 2 for batch in plain)
    # Which clips come does not depend on the pictures between them.
    assert all(same(a, b) for a, b in zip(mixed, plain, strict=True) if len(a) == 2)
    assert [(len(batch), len(batch[0].frames)) for batch in batches(1.0)] == [(5, 1)] * 12


def test_processes_that_train_together_share_the_batches_out(pool: ImagePool) -> None:
    synthesiser = ClipSynthesiser(pool, SETTINGS)
    all_of_them = ClipFeed(synthesiser, batch=1, seed=2)
    straight = [next(all_of_them) for _ in range(4)]
    parts = [ClipFeed(synthesiser, batch=1, seed=2, every=2, first=rank) for rank in range(2)]
    dealt = [next(parts[number % 2]) for number in range(4)]
    assert all(same(a, b) for a, b in zip(straight, dealt, strict=True))


def test_what_a_worker_skips_is_known_here(pool: ImagePool) -> None:
    found = []
    for workers in (0, 1):
        with ClipFeed(Complaining(pool, SETTINGS), batch=2, seed=0, workers=workers) as feed:
            next(feed)
            next(feed)
            found.append(sorted(str(problem) for problem in feed.problems if problem.reason == "is dull"))
        pool.sets[0].problems = Problems()
    assert len(found[0]) == 4
    assert found[0] == found[1]
