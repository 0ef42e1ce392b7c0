from __future__ import annotations

import multiprocessing
from collections.abc import Sequence

import numpy as np
import pytest

from masklet.data.clips import Clip, ClipSettings
from masklet.data.datasets import ImagePool
from masklet.data.feed import ClipFeed
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
