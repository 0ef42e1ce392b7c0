"""Endless sources: objects come and go, errors lose nothing, memory stays flat."""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares, truth
from masklet.errors import ConfigError, PromptError, SessionError, UnknownObjectError
from masklet.memory import MemoryPolicy
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession
from masklet.predict.stream import Stream
from masklet.types import Frame, Mask, Prompt


class Camera:
    """Frames once, in order; its numbering may jump, as when a camera drops frames."""

    def __init__(self, images, numbers=None) -> None:
        self.images, self.numbers, self.closed = images, numbers or itertools.count(), False

    def __iter__(self):
        for number, image in zip(self.numbers, self.images, strict=False):
            yield Frame(number, Fraction(number, 25), image)

    def close(self) -> None:
        self.closed = True


def frames(count: int = 12, objects: int = 2):
    return [Frame(t, Fraction(t, 25), image) for t, image in enumerate(squares(count, objects))]


def at(t: int, object_id: int) -> Prompt:
    return Prompt.of(clicks=[inside(t, object_id)])


def right(mask: Mask, t: int, object_id: int) -> bool:
    return mask.iou(Mask.from_array(truth(t, object_id))) > 0.8


def test_a_stream_tracks_as_a_session_does() -> None:
    """Two doors, one step: the same masks and scores."""
    s = VideoSession(ArraySource(squares(30, 2)), FakeEngine())
    stream = Stream(FakeEngine())
    for i in (1, 2):
        s.prompt(0, i, clicks=[inside(0, i)])
        stream.prompt(i, clicks=[inside(0, i)])
    session_masks = [masks for _, masks in s.propagate()]
    assert [stream.step(frame) for frame in frames(30)] == session_masks


def test_objects_come_and_go_while_it_runs() -> None:
    def ask(frame: Frame):
        return {0: [(1, at(0, 1))], 4: [(2, at(4, 2))]}.get(frame.index)

    seen = {}
    camera = Camera(squares(12, 2))
    with Stream(FakeEngine(), camera, prompts=ask) as stream:
        for frame, masks in stream:
            seen[frame.index] = masks
            if frame.index == 8:
                stream.remove(1)
    assert camera.closed
    assert [sorted(m) for m in seen.values()] == [[1]] * 4 + [[1, 2]] * 5 + [[2]] * 3
    assert all(right(m[i], t, i) for t, m in seen.items() for i in m)
    assert seen[4].prompted == {2}
    assert seen[5].prompted == frozenset()
    assert set(stream.objects) == set()


def test_nothing_to_follow_costs_nothing() -> None:
    stream = Stream(FakeEngine())
    assert stream.step(frames()[0]).masks == {}
    assert not stream.engine.calls


def test_a_prompt_on_a_followed_object_corrects_it_with_memory() -> None:
    stream = Stream(FakeEngine())
    pictures = frames()
    stream.prompt(1, clicks=[inside(0, 1)])
    for frame in pictures[:8]:
        stream.step(frame)
    stream.prompt(1, clicks=[(120, 90, False)])
    masks = stream.step(pictures[8])
    assert right(masks[1], 8, 1)  # a negative click alone would find nothing
    assert masks.prompted == {1}
    assert (stream.engine.priors[-1] > 0).any()
    assert list(stream.engine.readings[-1].slots) == [0, 6, 5, 4, 3, 2, 1]
    stream.step(pictures[9])
    assert list(stream.engine.readings[-1].slots) == [0, 0, 6, 5, 4, 3, 2]  # 8 is prompted now


def test_mask_prompts_come_out_verbatim_and_hold_their_pixels() -> None:
    stream = Stream(FakeEngine())
    pictures = frames()
    stream.prompt(1, clicks=[inside(0, 1)])
    stream.step(pictures[0])
    array = truth(1, 1)
    array[90:, :] = True
    stream.prompt(2, mask=array)
    masks = stream.step(pictures[1])
    assert np.array_equal(masks[2].to_array(), array)
    assert masks[1].is_empty


def test_clicks_that_wait_for_one_frame_add_up() -> None:
    stream = Stream(FakeEngine(), policy=TrackingPolicy(second_look=False))
    stream.prompt(1, clicks=[inside(0, 1)])
    stream.prompt(1, clicks=[(100, 90, False)])
    stream.step(frames()[0])
    assert stream.engine.calls["decode"] == 1
    assert stream.step(frames()[1]).masks[1].area > 0


def test_jumping_frame_numbers_keep_memory_contiguous() -> None:
    stream = Stream(FakeEngine(), Camera(squares(12, 1), [3, 4, 9, 20, 21, 22, 40, 41, 42, 50, 60, 70]))
    stream.prompt(1, clicks=[inside(0, 1)])
    indices = [masks.index for _, masks in stream]
    assert indices == [3, 4, 9, 20, 21, 22, 40, 41, 42, 50, 60, 70]
    assert list(stream.engine.readings[-1].slots) == [0, 6, 5, 4, 3, 2, 1]


def test_a_bad_prompt_loses_nothing() -> None:
    stream = Stream(FakeEngine())
    pictures = frames()
    stream.prompt(1, clicks=[inside(0, 1)])
    stream.step(pictures[0])
    stream.prompt(2, clicks=[(500, 5)])
    with pytest.raises(PromptError, match=r"click \(500, 5\) is outside the frame"):
        stream.step(pictures[1])
    masks = stream.step(pictures[1])
    assert set(masks) == {1}
    assert right(masks[1], 1, 1)
    with pytest.raises(UnknownObjectError, match="object 7 is not followed; known objects: 1"):
        stream.remove(7)
    with pytest.raises(PromptError, match="needs a click"):
        stream.prompt(1)


@pytest.mark.parametrize("bad", ["1", 1.5, True])
def test_object_ids_are_whole_numbers(bad) -> None:
    stream = Stream(FakeEngine())
    with pytest.raises(PromptError, match="must be a whole number"):
        stream.prompt(bad, clicks=[inside(0, 1)])
    asking = Stream(FakeEngine(), prompts=lambda frame: [(bad, at(0, 1))])
    with pytest.raises(PromptError, match="must be a whole number"):
        asking.step(frames()[0])
    stream.prompt(np.int64(4), clicks=[inside(0, 1)])
    assert [type(i) for i in stream.step(frames()[0])] == [int]


def test_a_waiting_object_can_be_removed() -> None:
    stream = Stream(FakeEngine())
    stream.prompt(3, clicks=[inside(0, 1)])
    stream.remove(3)
    assert stream.step(frames()[0]).masks == {}


def test_a_closed_stream_refuses() -> None:
    stream = Stream(FakeEngine())
    stream.close()
    stream.close()
    for call in (
        lambda: stream.step(frames()[0]),
        lambda: stream.prompt(clicks=[(1, 1)]),
        lambda: list(stream),
    ):
        with pytest.raises(SessionError, match="closed"):
            call()


def test_a_stream_without_frames_says_what_to_do() -> None:
    with pytest.raises(SessionError, match=r"call step\(frame\)"):
        list(Stream(FakeEngine()))


def test_an_unlimited_number_of_prompted_frames_is_refused() -> None:
    with pytest.raises((SessionError, ConfigError), match="prompted_limit"):
        Stream(FakeEngine(), policy=TrackingPolicy(memory=MemoryPolicy.sam2()))


def test_memory_stays_flat_over_2000_frames_with_corrections_all_along() -> None:
    pictures = squares(40, 2, height=48, width=64)
    stream = Stream(FakeEngine(32))
    entries, traced = [], []
    for t in range(2000):
        if t == 1000:  # tracing is slow; what leaks, leaks in the second half too
            tracemalloc.start()
        if t % 10 == 0:
            stream.prompt(1 + t % 20 // 10, clicks=[inside(t % 40, 1 + t % 20 // 10, 64)])
        stream.step(Frame(t, Fraction(t, 25), pictures[t % 40]))
        # What the fake writes down for tests is not the stream's.
        stream.engine.readings.clear()
        stream.engine.priors.clear()
        stream.engine.batches.clear()
        stream.engine.remembered.clear()
        stream.engine.remembered_logits.clear()
        if t % 100 == 99:
            gc.collect()
            entries.append(stream.entries)
            traced += [tracemalloc.get_traced_memory()[0]] if t > 1100 else []
    tracemalloc.stop()
    assert len(stream.objects) == 2
    assert len(set(entries[1:])) == 1
    assert entries[-1] <= 2 * (16 + 4)
    assert len(traced) == 9
    assert max(traced) - min(traced) < 64_000
