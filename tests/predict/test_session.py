"""A video session with a fake model that follows colours."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

from fakes import ArraySource, FakeEngine, inside, squares, truth
from masklet.errors import (
    DamagedVideoError,
    MaskError,
    MaskletError,
    PromptError,
    SessionError,
    UnknownFrameError,
    UnknownObjectError,
)
from masklet.memory import MemoryPolicy
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import VideoSession
from masklet.types import Mask


def session(
    frames: int = 12, objects: int = 1, policy: TrackingPolicy | None = None, **options
) -> VideoSession:
    return VideoSession(ArraySource(squares(frames, objects, **options)), FakeEngine(), policy)


def run(s: VideoSession, *args, **options) -> dict:
    return {frame.index: masks for frame, masks in s.propagate(*args, **options)}


def click(s: VideoSession, frame: int, object_id: int = 1, **options):
    return s.prompt(frame, object_id, clicks=[inside(frame, object_id)], **options)


def right(mask: Mask, t: int, object_id: int) -> bool:
    return mask.iou(Mask.from_array(truth(t, object_id))) > 0.8


# ── prompting ────────────────────────────────────────────────────────────────────────────────────


def test_a_click_answers_at_once_with_three_candidates() -> None:
    s = session()
    preview = click(s, 4)
    assert right(preview.mask, 4, 1)
    assert (preview.mask.height, preview.mask.width) == (96, 128)
    assert len(preview.candidates) == len(preview.iou) == 3
    assert preview.iou[preview.chosen] == max(preview.iou)
    assert preview.candidates[preview.chosen] == preview.mask
    assert preview.occlusion > 0
    assert s.masks(4)[1] == preview.mask
    assert s.masks(4).prompted == {1}
    assert s.masks(3).masks == {}


def test_a_box_and_two_clicks_give_one_candidate() -> None:
    s = session()
    x, y = inside(0, 1)
    assert len(s.prompt(0, 1, box=(x - 10, y - 10, x + 10, y + 10)).candidates) == 1
    assert len(s.prompt(0, 2, clicks=[(x, y), (x + 2, y)]).candidates) == 1
    assert len(s.prompt(0, 3, clicks=[(x, y)]).candidates) == 3


def test_clicks_add_up_and_go_in_with_the_previous_answer() -> None:
    s = session()
    first = click(s, 0)
    s.prompt(0, 1, clicks=[(100, 90, False)])
    assert [c.positive for c in s.prompts[1][0].clicks] == [True, False]
    prior = s.engine.priors[-1]
    assert prior.shape == (1, 1, 32, 32)
    assert np.abs(prior).max() <= 32
    assert ((prior[0, 0] > 0).sum() > 0) == (not first.mask.is_empty)
    s.prompt(0, 1, clicks=[(5, 90)], replace=True)
    assert len(s.prompts[1][0].clicks) == 1
    assert s.engine.priors[-2] is None  # the last is the second look's own


def test_the_prior_can_be_switched_off() -> None:
    s = session(policy=TrackingPolicy(refine_with_prior=False, second_look=False))
    click(s, 0)
    click(s, 0)
    assert s.engine.priors == [None, None]


def test_numpy_s_numbers_are_numbers() -> None:
    s = session()
    s.prompt(np.int64(2), np.int64(3), clicks=np.array([inside(2, 1)]))
    assert [type(i) for i in (*s.objects, *s.prompts[3])] == [int, int]  # or json could not write them
    assert s.masks(np.int64(2))[3].area > 0


def test_a_mask_prompt_comes_out_verbatim() -> None:
    s = session()
    array = truth(3, 1)
    array[0, 0] = True  # a pixel no model would give
    assert np.array_equal(s.prompt(3, 1, mask=array).mask.to_array(), array)
    assert np.array_equal(run(s)[3][1].to_array(), array)


def test_another_candidate_can_be_chosen_then_or_later() -> None:
    s = session()
    preview = click(s, 0)
    chosen = s.choose(0, 1, 2)
    assert chosen.mask == preview.candidates[2] == s.masks(0)[1]
    assert click(s, 0, replace=True, candidate=1).mask == preview.candidates[1]
    with pytest.raises(PromptError, match="candidate 3 does not exist; this prompt has 3, numbered 0 to 2"):
        s.choose(0, 1, 3)
    assert s.masks(0)[1] == preview.candidates[1]


# ── undo, clear, remove, pin ─────────────────────────────────────────────────────────────────────


def test_undo_and_redo_walk_through_every_kind_of_step() -> None:
    s = session(objects=2)
    steps = [lambda: click(s, 0), lambda: click(s, 5), lambda: s.choose(5, 1, 2), lambda: click(s, 2, 2)]
    steps += [lambda: s.pin(5, 1), lambda: s.clear(0, 1), lambda: s.remove(2)]

    def seen():
        return s.prompts, [s.masks(t) for t in range(12)]

    states = [seen()]
    for do in steps:
        do()
        states.append(seen())
    for state in states[-2::-1]:
        s.undo()
        assert seen() == state
    with pytest.raises(SessionError, match="nothing to undo"):
        s.undo()
    for state in states[1:]:
        s.redo()
        assert seen() == state
    with pytest.raises(SessionError, match="nothing to redo"):
        s.redo()


def test_a_new_step_forgets_what_was_undone() -> None:
    s = session()
    click(s, 0)
    s.undo()
    click(s, 1)
    with pytest.raises(SessionError):
        s.redo()
    assert s.prompts[1].keys() == {1}


def test_undoing_a_correction_makes_the_old_masks_current_again() -> None:
    s = session()
    click(s, 0)
    assert s.outdated == {1}
    before = run(s)
    assert s.outdated == frozenset()
    click(s, 6)
    assert s.outdated == {1}
    s.undo()
    assert s.outdated == frozenset()
    assert {t: s.masks(t) for t in before} == before


def test_clearing_the_last_prompt_removes_the_object() -> None:
    s = session()
    click(s, 0)
    click(s, 3)
    s.clear(0, 1)
    assert s.objects == (1,)
    s.clear(3, 1)
    assert s.objects == ()
    with pytest.raises(SessionError, match="nothing to propagate"):
        s.propagate()


def test_a_removed_object_is_gone_and_its_id_starts_afresh() -> None:
    s = session(objects=2)
    click(s, 0, 1)
    click(s, 0, 2)
    run(s)
    s.remove(1)
    assert set(s.masks(5)) == {2}
    s.prompt(0, 1, clicks=[inside(0, 2)])
    assert set(s.masks(5)) == {2}  # nothing of the old object 1
    s.undo()
    s.undo()
    assert right(s.masks(5)[1], 5, 1)


def test_prompted_and_pinned_frames_come_out_verbatim() -> None:
    s = session()
    click(s, 0)
    run(s)
    wrong = np.zeros((96, 128), bool)
    wrong[60:70, 60:75] = True
    pins = {3: s.pin(3, 1).mask, 7: s.pin(7, 1, wrong).mask, 0: s.masks(0)[1]}
    pins[9] = click(s, 9).mask
    after = run(s)
    for t, mask in pins.items():
        assert after[t][1].iou(mask) == 1.0
        assert after[t][1] == mask
        assert 1 in after[t].prompted
    assert np.array_equal(after[7][1].to_array(), wrong)


def test_pinning_an_empty_mask_says_the_object_is_not_there() -> None:
    s = session()
    click(s, 0)
    preview = s.pin(4, 1, np.zeros((96, 128), bool))
    assert preview.mask.is_empty
    assert preview.occlusion <= 0
    assert run(s)[4][1].is_empty


def test_pinned_masks_keep_their_pixels_against_tracked_ones() -> None:
    s = session(objects=2)
    click(s, 0, 1)
    click(s, 0, 2)
    run(s)
    everything = np.ones((96, 128), bool)
    s.pin(5, 1, everything)
    after = run(s)
    assert after[5][1].area == 96 * 128
    assert after[5][2].is_empty


# ── propagating ──────────────────────────────────────────────────────────────────────────────────


def test_both_directions_from_the_middle_in_time_order() -> None:
    s = session()
    click(s, 6)
    results = run(s)
    assert list(results) == list(range(12))
    assert all(right(results[t][1], t, 1) for t in results)
    assert all(0 <= results[t].iou[1] <= 1 and results[t].occlusion[1] > 0 for t in results)
    assert s.masklet(1).masks == {t: m[1] for t, m in results.items()}
    assert s.masklet(1).prompted == {6}
    assert s.masklets()[1] == s.masklet(1)


def test_backward_descends_and_forward_ascends() -> None:
    s = session()
    click(s, 4)
    assert list(run(s, "backward")) == [4, 3, 2, 1, 0]
    assert list(run(s, "forward")) == list(range(4, 12))
    assert len(s.masklet(1).masks) == 12


def test_the_result_does_not_depend_on_the_order_of_calls() -> None:
    def results(order, directions):
        s = session(objects=3)
        for frame, object_id in order:
            click(s, frame, object_id)
        for direction in directions:
            run(s, direction)
        return {t: dict(s.masks(t).masks) for t in range(12)}, {i: s.masklet(i).prompted for i in (1, 2, 3)}

    prompts = [(6, 1), (2, 2), (9, 3), (10, 1)]
    expected = results(prompts, ["both"])
    assert all(len(masks) == 3 for masks in expected[0].values())
    assert results(prompts[::-1], ["both"]) == expected
    assert results(prompts[2:] + prompts[:2], ["forward", "backward"]) == expected
    assert results(prompts, ["backward", "forward", "both"]) == expected


def test_objects_that_read_alike_are_one_batch_and_give_the_same_masks() -> None:
    together = session(objects=3)
    for i in (1, 2, 3):
        click(together, 0, i)
    joint = run(together)
    assert set(together.engine.batches) == {3}
    for i in (1, 2, 3):
        alone = session(objects=3)
        click(alone, 0, i)
        assert {t: m[i] for t, m in run(alone).items()} == {t: m[i] for t, m in joint.items()}


def test_big_batches_are_cut() -> None:
    s = session(frames=3, objects=3, policy=TrackingPolicy(batch=2))
    for i in (1, 2, 3):
        click(s, 0, i)
    results = run(s)
    assert s.engine.batches == [2, 1] * 2
    assert all(right(results[2][i], 2, i) for i in (1, 2, 3))


def test_an_object_added_at_any_frame_is_tracked_both_ways() -> None:
    s = session(objects=2)
    click(s, 0, 1)
    run(s)
    click(s, 8, 2)
    results = run(s)
    assert all(right(results[t][i], t, i) for t in results for i in (1, 2))


def test_every_frame_is_encoded_once_however_many_objects() -> None:
    s = session(frames=20, objects=3)
    for i in (1, 2, 3):
        click(s, 0, i)
    run(s)
    assert s.engine.calls["encode"] == 20


def test_an_absent_object_is_empty_and_comes_back() -> None:
    s = session(hidden=range(5, 8))
    click(s, 0)
    results = run(s)
    for t in range(12):
        assert results[t][1].is_empty == (t in range(5, 8))
        assert (results[t].occlusion[1] <= 0) == (t in range(5, 8))
    assert right(results[9][1], 9, 1)


def test_prompted_frames_are_remembered_as_binary_and_tracked_ones_not() -> None:
    s = session(frames=4, objects=2)
    click(s, 0, 1)
    click(s, 0, 2)
    assert s.engine.remembered == []  # a preview costs no memory
    run(s)
    assert s.engine.remembered == [(2, True), (2, False), (2, False), (2, False)]
    run(s)  # prompted memories are kept
    assert s.engine.remembered[4:] == [(2, False)] * 3


def test_overlaps_are_settled_before_remembering() -> None:
    def remembered(policy):
        s = session(frames=3, objects=1, policy=policy)
        click(s, 0, 1)
        s.prompt(0, 2, clicks=[inside(0, 1)])
        masks = run(s)
        return (s.engine.remembered_logits[-1][:, 0] > 0).sum(axis=0).max(), masks[2]

    shared, masks = remembered(TrackingPolicy())
    assert shared == 1
    assert not (masks[1].to_array() & masks[2].to_array()).any()
    shared, masks = remembered(TrackingPolicy(exclusive=False))
    assert shared == 2
    assert masks[1] == masks[2]


def test_sweeps_that_meet_share_no_pixel() -> None:
    """Object 1 comes forward from frame 0, object 2, the same thing, backward from frame 11."""
    s = session()
    click(s, 0, 1)
    s.prompt(11, 2, clicks=[inside(11, 1)])
    results = run(s)
    for t in range(1, 11):
        assert not (results[t][1].to_array() & results[t][2].to_array()).any()
        assert s.masks(t) == results[t]


def test_progress_counts_every_step() -> None:
    s = session()
    click(s, 6)
    calls = []
    run(s, on_step=lambda done, total: calls.append((done, total)))
    assert calls == [(k, 13) for k in range(1, 14)]


def test_limits() -> None:
    s = session()
    click(s, 6)
    assert list(run(s, limit=2)) == [4, 5, 6, 7, 8]
    assert s.masks(3).masks == {}
    assert list(run(s, start=5, stop=8)) == [5, 6, 7]


def test_closing_the_generator_keeps_what_was_done() -> None:
    s = session()
    click(s, 0)
    running = s.propagate()
    done = [next(running)[0].index for _ in range(5)]
    running.close()
    assert done == [0, 1, 2, 3, 4]
    assert [t for t in range(12) if s.masks(t).masks] == done
    assert list(run(s)) == list(range(12))


def test_cancel_stops_after_the_frame_and_the_next_run_goes_on() -> None:
    s = session()
    click(s, 6)
    for frame, _ in s.propagate():
        if frame.index == 2:
            s.cancel()
    assert s.masks(0).masks
    assert not s.masks(9).masks
    assert len(run(s)) == 12


def test_cancel_from_another_thread_during_the_silent_sweep() -> None:
    s = session(frames=40)
    click(s, 39)

    def on_step(done: int, total: int) -> None:
        if done == 5:
            thread = threading.Thread(target=s.cancel)
            thread.start()
            thread.join()

    assert list(s.propagate(on_step=on_step)) == []
    assert sum(bool(s.masks(t).masks) for t in range(39)) == 4


def test_a_video_that_breaks_off_keeps_the_frames_before() -> None:
    s = VideoSession(ArraySource(squares(12), breaks_at=7), FakeEngine())
    click(s, 0)
    seen = []
    with pytest.raises(DamagedVideoError, match="breaks off at frame 7"):
        seen.extend(frame.index for frame, _ in s.propagate())
    assert seen == list(range(7))
    assert [t for t in range(12) if s.masks(t).masks] == list(range(7))


def test_prompts_changed_during_a_run_count_for_the_next() -> None:
    s = session(objects=2)
    click(s, 0, 1)
    for frame, masks in s.propagate():
        assert set(masks) == {1}
        if frame.index == 3:
            click(s, 3, 2)
    assert s.outdated == {2}
    assert set(run(s)[8]) == {1, 2}


# ── correcting ───────────────────────────────────────────────────────────────────────────────────


BARE = TrackingPolicy(refine_with_memory=False)


def test_a_correction_sees_the_picture_itself_and_refines_the_tracked_answer() -> None:
    s = session(frames=40, policy=BARE)
    click(s, 0)
    run(s)
    s.engine.calls.clear()
    s.engine.readings.clear()
    s.prompt(10, 1, clicks=[inside(10, 1)])
    assert s.engine.readings == []
    assert s.engine.calls["encode"] == 1  # however far the last sweep is
    assert (s.engine.priors[-1][0, 0] > 0).any()


def test_where_nothing_is_shown_a_correction_reads_memory() -> None:
    s = session(hidden=range(6, 10), policy=BARE)
    click(s, 0)
    run(s)
    assert s.masks(8)[1].is_empty
    s.engine.readings.clear()
    s.prompt(8, 1, clicks=[inside(8, 1)])
    assert list(s.engine.readings[-1].slots) == [0, 6, 5, 4, 3, 2, 1]


def test_a_correction_reads_memory_and_refines_the_tracked_answer() -> None:
    s = session()
    click(s, 0)
    run(s)
    s.engine.readings.clear()
    preview = s.prompt(8, 1, clicks=[(120, 90, False)])
    assert right(preview.mask, 8, 1)  # a negative click alone: what is there comes from memory
    assert list(s.engine.readings[-1].slots) == [0, 6, 5, 4, 3, 2, 1]
    assert list(s.engine.readings[-1].distances) == [8, 1, 2, 3, 4, 5, 6, 7]
    assert (s.engine.priors[-1][0, 0] > 0).any()
    assert len(preview.candidates) == 3


def test_a_model_with_fewer_slots_reads_fewer_frames() -> None:
    engine = FakeEngine()
    engine.slots = 3
    s = VideoSession(ArraySource(squares(12, 1)), engine, TrackingPolicy())
    click(s, 0)
    run(s)
    assert list(engine.readings[-1].slots) == [0, 2, 1]
    assert s.policy.memory.slots == 3
    assert TrackingPolicy(memory=MemoryPolicy(slots=2)).within(3).memory.slots == 2


def test_a_corrected_frame_stays_a_prompted_frame() -> None:
    s = session()
    click(s, 0)
    run(s)
    corrected = s.prompt(6, 1, clicks=[(40, 60)]).mask  # background: surely another answer
    s.engine.readings.clear()
    after = run(s)
    assert after[6][1] == corrected
    assert list(s.engine.readings[0].slots)[:2] == [0, 0]  # read before it is reached, too


def test_corrections_far_from_the_last_sweep_make_their_neighbours_memories_again() -> None:
    s = session(frames=40)
    click(s, 0)
    run(s)
    s.engine.calls.clear()
    s.engine.readings.clear()
    preview = s.prompt(10, 1, clicks=[(120, 90, False)])
    assert right(preview.mask, 10, 1)
    assert s.engine.calls["encode"] == 7  # frame 10 and its six neighbours
    reading = s.engine.readings[-1]
    assert list(reading.slots) == [0, 6, 5, 4, 3, 2, 1]
    assert list(reading.distances) == [10, *range(1, 10)]
    s.prompt(10, 1, clicks=[(121, 90, False)])
    assert s.engine.calls["encode"] == 7  # a second click finds them at hand


def test_corrections_in_the_backward_sweep_read_backwards() -> None:
    s = session(frames=30)
    click(s, 25)
    run(s)
    s.prompt(20, 1, clicks=[(120, 90, False)])
    reading = s.engine.readings[-1]
    assert list(reading.slots) == [0, 4, 3, 2, 1]
    assert list(reading.distances) == [5, 1, 2, 3, 4]


def test_going_on_from_the_middle_equals_never_having_stopped() -> None:
    whole = session(frames=30)
    click(whole, 0)
    expected = run(whole)
    parts = session(frames=30)
    click(parts, 0)
    run(parts, limit=12)
    rest = run(parts, "forward", start=13)
    assert {t: rest[t] for t in range(13, 30)} == {t: expected[t] for t in range(13, 30)}
    assert all(len(r.slots) == 7 for r in parts.engine.readings[-10:])


def test_memory_of_a_session_is_bounded() -> None:
    s = session(frames=100)
    click(s, 0)
    run(s)
    (bank,) = s._recollection._banks.values()
    assert len(bank) <= 1 + 16
    assert sum(e.feature is not None for e in bank.recent.values()) <= 7
    assert len(s._recollection._features) <= 8


# ── SAM 2's own behaviour ────────────────────────────────────────────────────────────────────────


def test_sam2_recomputes_a_corrected_frame() -> None:
    s = session(policy=TrackingPolicy.sam2())
    click(s, 0)
    tracked = run(s, "forward")
    corrected = s.prompt(6, 1, clicks=[(40, 60)]).mask
    assert s.masks(6)[1] == corrected != tracked[6][1]
    assert s.engine.remembered[-1] == (1, True)
    assert s._recollection._banks[1, False].recent.keys() == set(range(1, 12))
    s.engine.readings.clear()
    run(s, "forward", start=7)
    assert list(s.engine.readings[0].slots) == [0, 6, 5, 4, 3, 2, 1]  # 6 is the neighbour, not prompted
    assert s.masks(6)[1] == corrected
    run(s, "forward")
    assert s.masks(6)[1] != corrected  # what its users report


def test_sam2_reads_across_directions_and_every_prompt() -> None:
    s = session(frames=30, policy=TrackingPolicy.sam2())
    for t in (10, 12, 14, 16, 18):
        click(s, t)
    run(s, "forward")
    s.engine.readings.clear()
    results = run(s, "backward", stop=11)
    assert list(results) == list(range(10, -1, -1))
    first = s.engine.readings[0]  # at frame 9
    assert list(first.slots) == [0] * 5 + [6, 4, 2]  # 15, 13, 11 were tracked forwards
    assert list(first.distances) == [1, 3, 5, 7, 9, 2, 4, 6, 8, *range(10, 16)]


def test_sam2_keeps_pins() -> None:
    s = session(policy=TrackingPolicy.sam2())
    click(s, 0)
    run(s)
    wrong = np.zeros((96, 128), bool)
    wrong[60:70, 60:75] = True
    s.pin(6, 1, wrong)
    assert np.array_equal(run(s)[6][1].to_array(), wrong)


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────


class Decisive(FakeEngine):
    """Tracks with a certainty that depends on the candidate it started from."""

    def condition(self, features, reading, foveas=None):
        # The fake's pointers are shifted by the candidate's number.
        self.which = None if reading is None else np.round(reading.pointers[:, 0, 3] - 1).astype(int)
        return super().condition(features, reading, foveas)

    def decode(self, conditioned, prompts, *, multimask):
        answer = super().decode(conditioned, prompts, multimask=multimask)
        if self.which is not None and prompts.points.shape[1] == 0:
            sure = np.array([0.3, 0.8, 0.5], np.float32)[self.which]
            return replace(answer, iou=answer.iou * 0 + sure[:, None])
        return answer


def test_deciding_keeps_the_candidate_that_can_be_followed() -> None:
    s = VideoSession(ArraySource(squares(12)), Decisive())
    preview = click(s, 0)
    assert preview.chosen == 0
    decision = s.decide(1, frames=4)
    assert decision.candidate == 1
    assert decision.frames == 4
    assert decision.scores == pytest.approx((0.3, 0.8, 0.5))
    assert set(s.engine.batches) == {3}  # one batch
    assert s.masks(0)[1] == preview.candidates[1]
    s.undo()
    assert s.masks(0)[1] == preview.mask


@pytest.mark.parametrize(("at", "followed"), [(11, 8), (9, 2), (0, 8)])
def test_deciding_at_the_ends_of_the_video(at, followed) -> None:
    s = session()
    click(s, at)
    assert s.decide(1).frames == followed


def test_deciding_counts_invisible_frames_as_nothing() -> None:
    s = session(hidden=range(2, 5))
    click(s, 0)
    assert s.decide(1, frames=4).scores[0] == pytest.approx(0.9 / 4)


# ── errors ───────────────────────────────────────────────────────────────────────────────────────

WHOLE = np.ones((96, 128), bool)
BAD = [
    (UnknownFrameError, r"frame 12 is outside the video \(0–11\)", lambda s: s.prompt(12, clicks=[(1, 1)])),
    (UnknownFrameError, "frame -1 is outside", lambda s: s.prompt(-1, clicks=[(1, 1)])),
    (UnknownFrameError, "frame 1.0 must be a whole number", lambda s: s.prompt(1.0, clicks=[(1, 1)])),
    (UnknownFrameError, "frame 'first' must be", lambda s: s.prompt("first", clicks=[(1, 1)])),
    (UnknownFrameError, "frame 99", lambda s: s.masks(99)),
    (UnknownFrameError, "frame 99", lambda s: s.pin(99, 1)),
    (PromptError, r"click \(128, 5\) is outside the frame", lambda s: s.prompt(0, clicks=[(128, 5)])),
    (PromptError, "finite", lambda s: s.prompt(0, clicks=[(float("nan"), 5)])),
    (PromptError, "inside out", lambda s: s.prompt(0, box=(50, 50, 20, 60))),
    (PromptError, "reaches outside", lambda s: s.prompt(0, box=(0, 0, 129, 60))),
    (PromptError, "needs a click, a box or a mask", lambda s: s.prompt(0)),
    (PromptError, "stands alone", lambda s: s.prompt(0, clicks=[(1, 1)], mask=WHOLE)),
    (PromptError, "mask prompt is empty", lambda s: s.prompt(0, mask=~WHOLE)),
    (PromptError, "mask is 64×48 but the frame is 128×96", lambda s: s.prompt(0, mask=WHOLE[::2, ::2])),
    (PromptError, "mask is 64×48", lambda s: s.pin(0, 1, WHOLE[::2, ::2])),
    (MaskError, "finite", lambda s: s.prompt(0, mask=np.full((96, 128), np.nan))),
    (MaskError, r"\[H, W\]", lambda s: s.prompt(0, mask=np.ones((96, 128, 3), bool))),
    (PromptError, "candidate 5", lambda s: s.prompt(0, clicks=[(14, 12)], candidate=5)),
    (PromptError, "object id 'dog'", lambda s: s.prompt(0, "dog", clicks=[(1, 1)])),
    (UnknownObjectError, "object 9 has no prompt; known objects: 1", lambda s: s.remove(9)),
    (UnknownObjectError, "object 9", lambda s: s.clear(0, 9)),
    (UnknownObjectError, "object 9", lambda s: s.choose(0, 9, 0)),
    (UnknownObjectError, "object 9", lambda s: s.pin(0, 9, WHOLE)),
    (UnknownObjectError, "object 9", lambda s: s.masklet(9)),
    (UnknownObjectError, "object 9", lambda s: s.decide(9)),
    (SessionError, "object 1 has no prompt on frame 3; it has prompts on 0", lambda s: s.clear(3, 1)),
    (SessionError, "object 1 has no mask on frame 3", lambda s: s.pin(3, 1)),
    (SessionError, "at least one frame to follow", lambda s: s.decide(1, frames=0)),
    (UnknownFrameError, "start 20", lambda s: s.propagate(start=20)),
    (MaskletError, "direction 'up'", lambda s: s.propagate("up")),
]


@pytest.mark.parametrize(("error", "message", "call"), BAD, ids=range(len(BAD)))
def test_a_bad_call_says_why_and_changes_nothing(error, message, call) -> None:
    s = session()
    click(s, 0)
    before = s.prompts, s.masks(0), len(s._history.logs)
    with pytest.raises(error, match=message) as caught:
        call(s)
    assert "\n" not in str(caught.value)
    assert (s.prompts, s.masks(0), len(s._history.logs)) == before
    assert len(run(s)) == 12


def test_deciding_without_candidates_is_refused() -> None:
    s = session()
    s.prompt(0, 1, mask=truth(0, 1))
    with pytest.raises(SessionError, match="no prompt with several candidates"):
        s.decide(1)


def test_an_engine_that_fails_leaves_the_session_as_it_was() -> None:
    s = session()
    click(s, 0)
    before = s.prompts
    s.engine.decode = None
    with pytest.raises(TypeError):
        click(s, 3)
    del s.engine.decode
    assert s.prompts == before
    click(s, 3)


def test_a_closed_session_refuses_everything() -> None:
    source = ArraySource(squares(4))
    with VideoSession(source, FakeEngine(), close_source=True) as s:
        click(s, 0)
        running = s.propagate()
        next(running)
    assert list(running) == []
    assert source.closed
    s.close()
    calls = [
        lambda: click(s, 0),
        lambda: s.choose(0, 1, 0),
        lambda: s.pin(0, 1),
        lambda: s.clear(0, 1),
        lambda: s.remove(1),
        s.undo,
        s.redo,
        s.propagate,
        lambda: s.masks(0),
        lambda: s.masklet(1),
        lambda: s.decide(1),
        lambda: s.save("x"),
    ]
    for call in calls:
        with pytest.raises(SessionError, match="closed"):
            call()


def test_a_source_that_is_not_ours_stays_open() -> None:
    source = ArraySource(squares(4))
    VideoSession(source, FakeEngine()).close()
    assert not source.closed


def test_a_video_without_frames_is_refused() -> None:
    with pytest.raises(SessionError, match="array has no frames"):
        VideoSession(ArraySource([]), FakeEngine())


def test_policies_are_values() -> None:
    assert TrackingPolicy.sam2().memory == MemoryPolicy(prompted_limit=None)
    with pytest.raises(MaskletError, match="fill_holes"):
        TrackingPolicy(fill_holes=-1)


def test_a_correction_that_is_all_that_is_left_holds_the_object() -> None:
    policy = TrackingPolicy(corrections_stay=False)
    s = session(policy=policy)
    click(s, 0)
    run(s)
    corrected = click(s, 6).mask
    assert s.masks(6).prompted == frozenset()
    s.clear(0, 1)
    results = run(s)
    assert results[6].prompted == {1}
    assert results[6][1] == corrected
    assert all(right(results[t][1], t, 1) for t in results)


def test_corrections_that_do_not_stay_do_not_move_the_sweeps() -> None:
    s = session(policy=TrackingPolicy(corrections_stay=False))
    click(s, 6)
    before = run(s)
    click(s, 2)  # tracked backwards; the backward sweep still begins at 6
    assert run(s) == before
