"""Encoding ahead: the same masks, each frame encoded once, and nothing lost when a video breaks off."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares
from masklet.errors import DamagedVideoError
from masklet.predict.encoding import encoded_ahead
from masklet.predict.segmenter import Segmenter
from masklet.types import Frame


class AheadEngine(FakeEngine):
    """Notes which thread encodes, and how many frames were begun."""

    encodes_ahead = 1

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def encode_image(self, image: np.ndarray) -> np.ndarray:
        self.threads.add(threading.get_ident())
        return super().encode_image(image)


def tracked(engine: FakeEngine, direction: str = "both", prompted: int = 15) -> dict:
    with Segmenter(engine).video(ArraySource(squares(30))) as session:
        session.prompt(prompted, 1, clicks=[inside(prompted, 1)])
        return {f.index: masks[1] for f, masks in session.propagate(direction)}  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", ["both", "forward", "backward"])
def test_the_same_masks_with_no_more_work(direction: str) -> None:
    plain, ahead = FakeEngine(), AheadEngine()
    expected, found = tracked(plain, direction), tracked(ahead, direction)
    assert list(found) == list(expected)
    assert all(np.array_equal(found[t].to_array(), mask.to_array()) for t, mask in expected.items())
    assert ahead.calls == plain.calls
    assert len(ahead.threads) > 1


def test_one_frame_ahead_and_not_more() -> None:
    engine = AheadEngine()
    frames = list(ArraySource(squares(8)).read(0, 8))
    taken = []

    def read() -> Iterator[Frame]:
        for frame in frames:
            taken.append(frame.index)
            yield frame

    coming = encoded_ahead(engine, read(), lambda index: index != 1)
    assert next(coming)[1] is not None
    assert taken == [0, 1]
    assert next(coming)[1] is None  # known already
    assert taken == [0, 1, 2]
    coming.close()
    assert engine.calls["encode"] <= 2
    assert not [t for t in threading.enumerate() if t.name.startswith("masklet encoding")]


def test_a_video_that_breaks_off_loses_no_frame() -> None:
    def found(engine: FakeEngine) -> list[int]:
        seen: list[int] = []
        with Segmenter(engine).video(ArraySource(squares(8), breaks_at=5)) as session:
            session.prompt(0, 1, clicks=[inside(0, 1)])
            with pytest.raises(DamagedVideoError):
                seen.extend(frame.index for frame, _ in session.propagate("forward"))
        return seen

    assert found(AheadEngine()) == found(FakeEngine())


def test_a_picture_that_cannot_be_encoded_says_so() -> None:
    class Failing(AheadEngine):
        def encode_image(self, image: np.ndarray) -> np.ndarray:
            if self.calls["encode"] == 3:
                raise ValueError("no")
            return super().encode_image(image)

    with pytest.raises(ValueError, match="no"):
        tracked(Failing(), "forward", 0)
