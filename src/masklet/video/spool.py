"""Masks on their way to a file: kept on disk, found again by object or by frame."""

from __future__ import annotations

import math
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from masklet.errors import SinkError
from masklet.types import Frame, FrameMasks, Mask
from masklet.video.draft import check_parent, is_direct, writing


@dataclass(frozen=True)
class MaskRecord:
    """One object on one frame. Scores are None where the tracker gave none."""

    frame: int
    object_id: int
    mask: Mask
    iou: float | None
    occlusion: float | None
    prompted: bool


COLUMNS = 6  # frame, object, offset and length in the file, prompted, number of the write


class MaskSpool:
    """Takes masks in any order and gives them back sorted; a frame written again replaces its masks.

    The masks lie in an unnamed temporary file beside the output; 64 bytes each stay in memory.
    """

    def __init__(self, target: Path) -> None:
        check_parent(target)
        self._target = target
        beside = None if is_direct(target) else target.parent
        with writing(target):
            self._file = tempfile.TemporaryFile(dir=beside)  # noqa: SIM115
        self._table = array("q")
        self._scores = array("d")
        self._end = 0
        self._writes = 0
        self._latest: dict[int, int] = {}
        self.size: tuple[int, int] | None = None
        self.frames: dict[int, Fraction] = {}

    def add(self, frame: Frame, masks: FrameMasks) -> None:
        """Keep one frame's masks; raises SinkError when the disk is full or sizes differ."""
        size = (frame.width, frame.height)
        self.size = self.size or size
        for object_id, mask in masks.masks.items():
            if (mask.width, mask.height) != self.size:
                raise SinkError(
                    f"cannot write {self._target}: mask of object {object_id} on frame {masks.index} is "
                    f"{mask.width}×{mask.height}, the video is {self.size[0]}×{self.size[1]}"
                )
        for object_id, mask in masks.masks.items():
            with writing(self._target):
                self._file.write(mask.counts)
            prompted = int(object_id in masks.prompted)
            self._table.extend((masks.index, object_id, self._end, len(mask.counts), prompted, self._writes))
            self._scores.append(masks.iou.get(object_id, math.nan))
            self._scores.append(masks.occlusion.get(object_id, math.nan))
            self._end += len(mask.counts)
        self.frames[masks.index] = frame.time
        self._latest[masks.index] = self._writes
        self._writes += 1

    def objects(self) -> list[int]:
        """Ids that have a mask on some frame, sorted."""
        return [int(i) for i in np.unique(self._rows()[0][:, 1])]

    def by_object(self) -> Iterator[MaskRecord]:
        """Every mask, sorted by object, then frame."""
        return self._sorted((1, 0))

    def by_frame(self) -> Iterator[MaskRecord]:
        """Every mask, sorted by frame, then object."""
        return self._sorted((0, 1))

    def close(self) -> None:
        with suppress(OSError):  # on a full disk closing fails as writing did; nobody needs the rest
            self._file.close()

    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The table and the scores of what is still valid."""
        rows = np.array(self._table, dtype=np.int64).reshape(-1, COLUMNS)
        scores = np.array(self._scores, dtype=np.float64).reshape(-1, 2)
        valid = np.array([self._latest[int(f)] for f in rows[:, 0]], dtype=np.int64) == rows[:, 5]
        return rows[valid], scores[valid]

    def _sorted(self, keys: tuple[int, int]) -> Iterator[MaskRecord]:
        rows, scores = self._rows()
        for row in np.lexsort((rows[:, keys[1]], rows[:, keys[0]])):
            yield self._record(rows[row], scores[row])

    def _record(self, row: np.ndarray, scores: np.ndarray) -> MaskRecord:
        assert self.size is not None
        frame, object_id, offset, length, prompted, _ = (int(n) for n in row)
        with writing(self._target):
            self._file.seek(offset)
            counts = self._file.read(length)
        iou, occlusion = (None if math.isnan(s) else float(s) for s in scores)
        return MaskRecord(
            frame, object_id, Mask(counts, self.size[1], self.size[0]), iou, occlusion, bool(prompted)
        )
