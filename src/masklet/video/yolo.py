"""Masks as YOLO segmentation labels: a text file a frame, a polygon a line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from masklet.types import Frame, FrameMasks
from masklet.video.draft import Draft, make_folder, writing
from masklet.video.polygons import one_polygon
from masklet.video.sink import Sink


class YoloLabels(Sink):
    """A folder with `labels/00000.txt` … and `data.yaml`: `class x y x y …`, between 0 and 1.

    names   object id → name; the classes count from 0 in the order of the ids

    A line's polygon is the mask exactly, along pixel edges; parts and holes are joined by bridges
    without width. A frame without objects gets an empty file, which YOLO reads as background.
    """

    def __init__(self, folder: str | os.PathLike[str], names: Mapping[int, str]) -> None:
        self.folder = Path(folder)
        make_folder(self.folder)
        make_folder(self.folder / "labels")
        self._names = dict(sorted(names.items()))
        self._classes = {object_id: number for number, object_id in enumerate(self._names)}

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        lines = []
        for object_id, mask in masks.masks.items():
            if object_id in self._classes and not mask.is_empty:
                points = one_polygon(mask) / (mask.width, mask.height)
                numbers = " ".join(f"{value:.6f}" for value in points.ravel())
                lines.append(f"{self._classes[object_id]} {numbers}\n")
        self._put(self.folder / "labels" / f"{masks.index:05d}.txt", "".join(lines))

    def close(self) -> None:
        names = "".join(
            f"  {self._classes[i]}: {json.dumps(name, ensure_ascii=False)}\n"
            for i, name in self._names.items()
        )
        self._put(self.folder / "data.yaml", f"path: .\ntrain: images\nval: images\nnames:\n{names}")

    def _put(self, path: Path, text: str) -> None:
        draft = Draft(path)
        try:
            with writing(path):
                draft.path.write_text(text, encoding="utf-8")
        except BaseException:
            draft.discard()
            raise
        draft.commit()
