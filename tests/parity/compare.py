"""How close is equal."""

from __future__ import annotations

from torch import Tensor

TOLERANCE = 1e-4


def difference(mine: Tensor, theirs: Tensor) -> float:
    """Largest absolute difference over the published value's largest absolute value."""
    assert mine.shape == theirs.shape, f"{tuple(mine.shape)} is not {tuple(theirs.shape)}"
    return float((mine.double() - theirs.double()).abs().max() / theirs.double().abs().max())


def assert_same(mine: Tensor, theirs: Tensor, tolerance: float = TOLERANCE) -> None:
    """Equal to `tolerance`, relative to the largest value; and the value is not the same everywhere."""
    assert theirs.isfinite().all()
    assert theirs.numel() == 1 or theirs.std() > 0, "nothing to compare: the published value is constant"
    found = difference(mine, theirs)
    assert found <= tolerance, f"differs by {found:.2e} of the largest value"
