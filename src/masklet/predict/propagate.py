"""Carrying prompts through a stored video: its frames one by one, both sweeps, as planned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from masklet.memory import MemoryBank
from masklet.predict.history import PromptLog
from masklet.predict.plan import Plan
from masklet.predict.recollection import Recollection
from masklet.predict.results import Tracks, frame_masks
from masklet.predict.sweep import advance, tracked_on
from masklet.types import Frame, FrameMasks

Progress = Callable[[int, int], None]
"""Called after every step of a propagation with (steps done, steps in all)."""


def propagate(
    recollection: Recollection,
    log: PromptLog,
    tracks: Tracks,
    steps: Plan,
    *,
    is_over: Callable[[], bool],
    on_step: Progress | None,
) -> Iterator[tuple[Frame, FrameMasks]]:
    """Do what is planned for all objects of a log; `tracks` is written to, frame by frame.

    is_over   asked before every frame; True ends it
    yields    the frames that the plan shows, each with its masks
    """
    done = 0
    banks: dict[int, MemoryBank] = {}

    def go(frame: Frame, reverse: bool) -> None:
        nonlocal done, banks
        if frame.index == (steps.backward if reverse else steps.forward).start:
            banks = recollection.banks_at(log, tracks, log.objects, frame.index, reverse)
        advance(recollection, frame, log, tracks, banks, reverse=reverse)
        done += 1
        if on_step is not None:
            on_step(done, steps.total)

    def read(frames: range, sweep: range, *, reverse: bool) -> Iterator[Frame]:
        """Frames one by one until it is over; those to track are encoded early."""

        def is_wanted(t: int) -> bool:
            return t in sweep and bool(tracked_on(t, log, recollection.policy, reverse=reverse))

        if not frames:
            return
        with closing(recollection.read(frames, is_wanted)) as coming:
            for frame in coming:
                if is_over():
                    return
                yield frame

    def shown(frame: Frame) -> tuple[Frame, FrameMasks]:
        return frame, frame_masks(frame.index, log, tracks, recollection.policy)

    for frame in read(steps.backward, steps.backward, reverse=True):
        go(frame, reverse=True)
        if steps.shown == steps.backward:
            yield shown(frame)
    if steps.shown == steps.backward:
        return
    for frame in read(steps.shown, steps.forward, reverse=False):
        if frame.index in steps.forward:
            go(frame, reverse=False)
        yield shown(frame)
