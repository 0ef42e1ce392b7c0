"""Two things that touch as one object."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from masklet.train.unions import with_unions  # noqa: E402


def _masks() -> np.ndarray:
    """A rider on a motorcycle, and a third thing far off: bool [2, 3, 64, 64]."""
    masks = np.zeros((2, 3, 64, 64), bool)
    masks[0, 0, 8:20, 8:20] = True
    masks[0, 1, 20:30, 6:24] = True
    masks[0, 2, 48:60, 48:60] = True
    masks[1, 0, 0:12, 40:52] = True  # thrown off
    masks[1, 1, 30:40, 6:24] = True
    return masks


def test_an_object_takes_in_what_it_touches_on_every_frame() -> None:
    masks = _masks()
    joined = with_unions(np.random.default_rng(0), [0, 0, 0], masks, 1.0)
    both = masks[:, 0] | masks[:, 1]
    assert np.array_equal(joined[:, 0], both)
    assert np.array_equal(joined[:, 1], both)
    assert np.array_equal(joined[:, 2], masks[:, 2]), "nothing touches it"
    assert np.array_equal(masks, _masks()), "the given masks stay as they are"


def test_an_object_is_not_joined_with_one_of_another_clip() -> None:
    joined = with_unions(np.random.default_rng(0), [0, 1, 0], _masks(), 1.0)
    assert np.array_equal(joined, _masks())


def test_the_share_decides_how_many_are_joined() -> None:
    def count(share: float) -> int:
        rng = np.random.default_rng(3)
        return sum(
            int((with_unions(rng, [0, 0, 0], _masks(), share)[0, :2] != _masks()[0, :2]).any((1, 2)).sum())
            for _ in range(200)
        )

    assert count(0.0) == 0
    assert 80 < count(0.25) < 120
