"""The plan of a propagation: integers in, ranges out."""

from __future__ import annotations

import pytest

from masklet.errors import ConfigError, UnknownFrameError
from masklet.predict.plan import plan


def lists(p):
    return list(p.backward), list(p.forward), list(p.shown)


@pytest.mark.parametrize(
    ("direction", "firsts", "bounds", "expected"),
    [
        ("both", [0], {}, ([], [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])),
        ("both", [3], {}, ([3, 2, 1, 0], [3, 4, 5], [0, 1, 2, 3, 4, 5])),
        ("both", [1, 4], {}, ([4, 3, 2, 1, 0], [1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])),
        ("both", [3], {"start": 2, "stop": 5}, ([3, 2], [3, 4], [2, 3, 4])),
        ("both", [3], {"limit": 1}, ([3, 2], [3, 4], [2, 3, 4])),
        ("both", [0], {"start": 3}, ([], [3, 4, 5], [3, 4, 5])),
        ("both", [5], {"stop": 3}, ([2, 1, 0], [], [0, 1, 2])),
        ("forward", [2], {}, ([], [2, 3, 4, 5], [2, 3, 4, 5])),
        ("forward", [2], {"start": 4}, ([], [4, 5], [4, 5])),
        ("forward", [2], {"limit": 0}, ([], [2], [2])),
        ("backward", [1, 3], {}, ([3, 2, 1, 0], [], [3, 2, 1, 0])),
        ("backward", [3], {"stop": 6}, ([5, 4, 3, 2, 1, 0], [], [5, 4, 3, 2, 1, 0])),
        ("backward", [3], {"limit": 2}, ([3, 2, 1], [], [3, 2, 1])),
    ],
)
def test_plans(direction, firsts, bounds, expected) -> None:
    assert lists(plan(direction, firsts, 6, **bounds)) == expected


def test_bad_plans_are_refused() -> None:
    with pytest.raises(ConfigError, match="sideways"):
        plan("sideways", [0], 6)
    with pytest.raises(UnknownFrameError, match=r"start 6 is outside the video \(0–5\)"):
        plan("both", [0], 6, start=6)
    with pytest.raises(UnknownFrameError, match="stop 7"):
        plan("both", [0], 6, stop=7)
    with pytest.raises(ConfigError, match="start 4 must lie before stop 2"):
        plan("both", [0], 6, start=4, stop=2)
    with pytest.raises(ConfigError, match="limit -1"):
        plan("both", [0], 6, limit=-1)
