"""The frames that a step needs of a video, decoded in one place and tracked in another."""

from __future__ import annotations

import pickle
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from masklet.errors import DamagedVideoError, SessionError
from masklet.types import Frame
from masklet.video.positions import check_frame, check_range
from masklet.video.protocol import FrameSource


@dataclass(eq=False)
class HeldFrames:
    """A video of which some frames are at hand; a FrameSource.

    frames   by index; asking for another frame raises SessionError
    damage   how the video broke off at the first frame that is missing, if it did
    """

    name: str
    width: int
    height: int
    rate: Fraction | None
    length: int
    frames: Mapping[int, Frame]
    damage: str | None = None

    @classmethod
    def of(cls, source: FrameSource, wanted: Collection[int]) -> HeldFrames:
        """Decode frames of a source, in their order; the video may break off on the way."""
        frames: dict[int, Frame] = {}
        damage = None
        try:
            for run in _runs(wanted):
                for frame in source.read(run.start, run.stop):
                    frames[frame.index] = frame
        except DamagedVideoError as error:
            damage = str(error)
        return cls(source.name, source.width, source.height, source.rate, len(source), frames, damage)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Frame:
        check_frame(index, self.length)
        if index in self.frames:
            return self.frames[index]
        if self.damage is not None:
            raise DamagedVideoError(self.damage)
        raise SessionError(f"frame {index} of {self.name} was not decoded for this step")

    def read(self, start: int, stop: int, step: int = 1) -> Iterator[Frame]:
        return (self[index] for index in check_range(start, stop, step, self.length))

    def close(self) -> None: ...

    def to_bytes(self) -> bytes:
        """For the way to a worker of the same run; never read from a file."""
        return pickle.dumps(self, protocol=pickle.HIGHEST_PROTOCOL)

    @classmethod
    def from_bytes(cls, content: bytes) -> HeldFrames:
        held = pickle.loads(content)
        assert isinstance(held, cls)
        return held


def _runs(wanted: Collection[int]) -> Iterator[range]:
    """The indices as ranges without gaps, ascending."""
    start: int | None = None
    before = -2
    for index in sorted(wanted):
        if index != before + 1:
            if start is not None:
                yield range(start, before + 1)
            start = index
        before = index
    if start is not None:
        yield range(start, before + 1)
