"""Objects that are small as the model sees them."""

from __future__ import annotations

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares
from masklet.cli.small_objects import advice
from masklet.predict.session import VideoSession


def asked(name: str, input_size: int, model: str, objects: int = 1) -> str | None:
    engine = FakeEngine(input_size)
    engine.name = name
    with VideoSession(ArraySource(squares(3, 2)), engine) as session:
        for k in range(1, objects + 1):
            session.prompt(0, k, clicks=[inside(0, k)])
        return advice(session, model)


@pytest.mark.parametrize(
    ("name", "remedy"), [("masklet-tiny", "--input-size 1024"), ("masklet-nano", "--input-size 448")]
)
def test_a_small_object_is_told(name: str, remedy: str) -> None:
    line = asked(name, 128, name, objects=2)
    assert line is not None
    assert "1 more: small as the model sees it" in line
    assert "of 128 pixels wide" in line
    assert remedy in line


def test_the_small_model_at_its_largest_points_to_the_other_one() -> None:
    engine = FakeEngine(448)
    engine.name = "masklet-nano"
    with VideoSession(ArraySource(squares(3, 2)), engine) as session:
        session.prompt(0, 1, mask=np.indices((96, 128)).sum(axis=0) < 12)
        line = advice(session, "masklet-nano")
    assert line is not None
    assert "--model masklet-tiny" in line


@pytest.mark.parametrize(("name", "size"), [("masklet-tiny", 1024), ("sam2.1-hiera-tiny", 128)])
def test_nothing_finer_is_there(name: str, size: int) -> None:
    assert asked(name, size, name) is None


def test_a_large_object_is_not_told() -> None:
    assert asked("masklet-tiny", 512, "masklet-tiny") is None
