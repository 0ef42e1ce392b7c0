"""One step of a row: a session taken over, carried on, and handed over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from masklet.batch.manifest import Row
from masklet.batch.parts import Part
from masklet.batch.steps import Step
from masklet.errors import DamagedVideoError
from masklet.predict.segmenter import Segmenter
from masklet.predict.session import VideoSession
from masklet.types import Frame, FrameMasks
from masklet.video.protocol import FrameSource


class Timed:
    """A source that knows how many seconds its frames took; another's to close."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.seconds = 0.0
        self.name, self.width, self.height = source.name, source.width, source.height
        self.rate: Fraction | None = source.rate

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Frame:
        began = time.perf_counter()
        try:
            return self._source[index]
        finally:
            self.seconds += time.perf_counter() - began

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        frames = iter(self._source.read(start, stop, step))
        while True:
            began = time.perf_counter()
            try:
                frame = next(frames)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - began
            yield frame

    def close(self) -> None: ...


def check_prompts(row: Row, source: FrameSource) -> None:
    """Raise PromptError or UnknownFrameError unless every prompt lies on the video."""
    from masklet.video.positions import check_frame

    for placed in row.prompts:
        check_frame(placed.frame, len(source))
        placed.prompt.check_inside(source.width, source.height)


def track_step(
    model: Segmenter, source: FrameSource, row: Row, step: Step, taken: Path | None, handed: Path | None
) -> Part:
    """Track a step's frames.

    taken     the session that the step before handed over; None: the row begins
    handed    where to save the session for the next step; None: there is none
    returns   the masks that are final; when the video breaks off, those before the damage
    """
    began = time.perf_counter()
    timed = Timed(source)
    found: dict[int, tuple[Fraction, FrameMasks]] = {}
    damage = None
    with closing(_opened(model, timed, row, taken)) as session:
        try:
            for frame, masks in session.propagate(step.direction, start=step.start, stop=step.stop):
                if frame.index in step.final:
                    found[frame.index] = (frame.time, masks)
        except DamagedVideoError as error:
            damage = str(error)
        if handed is not None and damage is None:
            session.save(handed, frames=step.kept)
    seconds = {"decode": timed.seconds, "model": time.perf_counter() - began - timed.seconds}
    return Part(timed.width, timed.height, len(timed), found, seconds, damage)


def _opened(model: Segmenter, source: FrameSource, row: Row, taken: Path | None) -> VideoSession:
    if taken is not None:
        return model.resume(taken, source)
    session = model.video(source, policy=row.policy)
    for placed in row.prompts:
        given = placed.prompt
        session.prompt(placed.frame, placed.object_id, clicks=given.clicks, box=given.box, mask=given.mask)
    return session
