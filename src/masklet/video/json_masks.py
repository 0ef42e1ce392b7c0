"""Masks as RLE in JSON: the style of COCO / YouTube-VIS, and the style of SA-V."""

from __future__ import annotations

import json
import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO

from masklet.errors import MaskError, SinkError
from masklet.types import Frame, FrameMasks, Mask, Masklet
from masklet.video.draft import Draft, writing
from masklet.video.sink import Sink
from masklet.video.spool import MaskRecord, MaskSpool

Rle = dict[str, Any]


class JsonMasks(Sink):
    """Common to both styles: masks go to a spool as they come, closing writes the file in its order.

    name     of the video in the file; the output's own name by default
    length   frames of the whole video; by default up to the last frame written

    Memory does not grow with the masks. Frames may come in any order, the last word on a frame counts.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, name: str | None = None, length: int | None = None
    ) -> None:
        self._draft = Draft(path)
        self._name = name if name is not None else self._draft.target.stem
        self._length = length
        try:
            self._spool = MaskSpool(self._draft.target)
        except SinkError:
            self._draft.discard()
            raise
        self._done = False

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        if self._done:
            raise SinkError(f"{self._draft.target} is already closed")
        try:
            self._spool.add(frame, masks)
        except SinkError:
            self._give_up()
            raise

    def close(self) -> None:
        if self._done:
            return
        try:
            with writing(self._draft.target), self._draft.path.open("w", encoding="utf-8") as file:
                self._write_file(file)
        except BaseException:
            self._give_up()
            raise
        self._draft.commit()
        self._done = True
        self._spool.close()

    @abstractmethod
    def _write_file(self, file: TextIO) -> None: ...

    def _give_up(self) -> None:
        self._done = True
        self._spool.close()
        self._draft.discard()

    @property
    def _frame_count(self) -> int:
        return max(self._length or 0, max(self._spool.frames, default=-1) + 1)

    @property
    def _seconds(self) -> float:
        times = self._spool.frames.values()
        return float(max(times) - min(times)) if times else 0.0


class CocoJson(JsonMasks):
    """COCO / YouTube-VIS: one annotation an object, with one segmentation (or null) a frame.

    names    object id → category; objects with one name share it, an object without a name is "object"

    `segmentations`, `bboxes` (x, y, width, height), `areas` are null where the object is not visible
    or was not tracked; beyond the format, `object_id`, `iou` and `occlusion` (a number a tracked
    frame, else null) and `prompted` (frame indices).
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        length: int | None = None,
        names: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(path, name=name, length=length)
        self._names = names or {}

    def _write_file(self, file: TextIO) -> None:
        width, height = self._spool.size or (0, 0)
        length = self._frame_count
        video = {
            "id": 1,
            "name": self._name,
            "width": width,
            "height": height,
            "length": length,
            "times": _times(self._spool, length),
        }
        named = dict.fromkeys(self._category(i) for i in self._spool.objects()) or {"object": None}
        numbers = {name: number for number, name in enumerate(named, start=1)}
        categories = [{"id": number, "name": name} for name, number in numbers.items()]
        file.write(
            f'{{"info": {{"description": "written by masklet"}}, "videos": [{json.dumps(video)}], '
            f'"categories": {json.dumps(categories)}, "annotations": ['
        )
        objects = groupby(self._spool.by_object(), key=lambda r: r.object_id)
        for number, (object_id, records) in enumerate(objects, start=1):
            file.write(",\n" if number > 1 else "\n")
            category = numbers[self._category(object_id)]
            self._write_annotation(file, number, object_id, category, records, length)
        file.write("\n]}\n")

    def _category(self, object_id: int) -> str:
        return self._names.get(object_id, "object")

    def _write_annotation(
        self,
        file: TextIO,
        number: int,
        object_id: int,
        category: int,
        records: Iterator[MaskRecord],
        length: int,
    ) -> None:
        width, height = self._spool.size or (0, 0)
        head = {
            "id": number,
            "video_id": 1,
            "category_id": category,
            "iscrowd": 0,
            "object_id": object_id,
            "width": width,
            "height": height,
            "length": length,
        }
        # Segmentations go straight to the file; the short columns are gathered on the way.
        bboxes: list[list[int] | None] = [None] * length
        areas: list[int | None] = [None] * length
        iou: list[float | None] = [None] * length
        occlusion: list[float | None] = [None] * length
        prompted: list[int] = []
        file.write(json.dumps(head)[:-1] + ', "segmentations": [')
        at = 0
        for record in records:
            file.write("null, " * (record.frame - at))
            box = record.mask.box
            file.write(json.dumps(_rle(record.mask)) if box else "null")
            at = record.frame + 1
            file.write(", " if at < length else "")
            if box:
                bboxes[record.frame] = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
                areas[record.frame] = record.mask.area
            iou[record.frame] = _rounded(record.iou)
            occlusion[record.frame] = _rounded(record.occlusion)
            if record.prompted:
                prompted.append(record.frame)
        file.write(", ".join(["null"] * (length - at)) + "]")
        tail = {
            "bboxes": bboxes,
            "areas": areas,
            "iou": iou,
            "occlusion": occlusion,
            "prompted": prompted,
        }
        file.write(", " + json.dumps(tail)[1:])


class SavJson(JsonMasks):
    """SA-V: `masklet[frame][object]` RLE in the order of `masklet_id`, an empty RLE where there is none.

    The keys are SA-V's; beyond them, `iou` and `occlusion` [frame][object] (null where not tracked).
    """

    def _write_file(self, file: TextIO) -> None:
        width, height = self._spool.size or (0, 0)
        ids, length = self._spool.objects(), self._frame_count
        seen = {i: _Visibility() for i in ids}
        scores: dict[str, list[list[float | None]]] = {"iou": [], "occlusion": []}
        nothing = _rle(Mask.empty(height, width)) if width else {}
        frames = groupby(self._spool.by_frame(), key=lambda r: r.frame)
        coming = next(frames, None)
        head = {
            "video_id": self._name,
            "video_duration": self._seconds,
            "video_frame_count": length,
            "video_height": height,
            "video_width": width,
            "video_resolution": height * width,
            "masklet_id": ids,
            "masklet_num": len(ids),
            "masklet_frame_count": [length] * len(ids),
        }
        file.write(json.dumps(head)[:-1] + ', "masklet": [')
        for index in range(length):
            records: dict[int, MaskRecord] = {}
            if coming is not None and coming[0] == index:
                records = {r.object_id: r for r in coming[1]}
                coming = next(frames, None)
            row = [_rle(records[i].mask) if i in records else nothing for i in ids]
            file.write((",\n" if index else "\n") + json.dumps(row))
            for i in ids:
                seen[i].step(index, records[i].mask.area if i in records else 0)
            scores["iou"].append([_rounded(records[i].iou) if i in records else None for i in ids])
            scores["occlusion"].append(
                [_rounded(records[i].occlusion) if i in records else None for i in ids]
            )
        pixels = max(1, height * width)
        sizes = [seen[i].mean_area for i in ids]
        tail = {
            "masklet_size_abs": sizes,
            "masklet_size_rel": [s / pixels for s in sizes],
            "masklet_first_appeared_frame": [seen[i].first for i in ids],
            "masklet_visibility_changes": [seen[i].changes for i in ids],
            **scores,
        }
        file.write("\n], " + json.dumps(tail)[1:] + "\n")


class _Visibility:
    """When an object was seen, counted frame by frame."""

    def __init__(self) -> None:
        self.first: int | None = None
        self.changes = 0
        self._frames = self._pixels = 0
        self._visible = False

    def step(self, index: int, area: int) -> None:
        visible = area > 0
        if visible and self.first is None:
            self.first = index
        elif visible != self._visible:
            self.changes += 1
        self._visible = visible
        self._frames += visible
        self._pixels += area

    @property
    def mean_area(self) -> float:
        """Pixels on the frames that show it."""
        return self._pixels / self._frames if self._frames else 0.0


def read_masklets(path: str | os.PathLike[str]) -> dict[int, Masklet]:
    """Masklets from a file of either style, object id → masklet; frames without the object are left out.

    Takes any YouTube-VIS or SA-V file of one video; annotations without `object_id` go by their `id`.
    Raises MaskError naming the file when it is neither.
    """
    path = Path(path)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        masks = _from_coco(data) if "annotations" in data else _from_sav(data)
    except OSError as error:
        raise MaskError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, MaskError):
            raise MaskError(f"{path}: {error}") from error
        raise MaskError(
            f"{path} holds no masks in the style of COCO/YouTube-VIS or SA-V ({error})"
        ) from error
    return {i: Masklet(i, frames, frozenset(prompted)) for i, (frames, prompted) in masks.items()}


_Found = dict[int, tuple[dict[int, Mask], list[int]]]


def _from_coco(data: Any) -> _Found:
    found: _Found = {}
    for note in data["annotations"]:
        frames = {t: _mask(rle) for t, rle in enumerate(note["segmentations"]) if rle is not None}
        found[int(note.get("object_id", note["id"]))] = (frames, note.get("prompted", []))
    return found


def _from_sav(data: Any) -> _Found:
    found: _Found = {int(i): ({}, []) for i in data["masklet_id"]}
    for t, row in enumerate(data["masklet"]):
        for object_id, rle in zip(found, row, strict=True):
            mask = _mask(rle)
            if not mask.is_empty:
                found[object_id][0][t] = mask
    return found


def _mask(rle: Any) -> Mask:
    from masklet.rle import from_runs

    height, width = (int(n) for n in rle["size"])
    counts = rle["counts"]
    if isinstance(counts, list):
        return Mask(from_runs(counts, height, width), height, width)
    mask = Mask(counts.encode("ascii"), height, width)
    _ = mask.area  # raises MaskError when the code is broken
    return mask


def _rle(mask: Mask) -> Rle:
    return {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}


def _times(spool: MaskSpool, length: int) -> list[float | None]:
    return [_rounded(float(spool.frames[t])) if t in spool.frames else None for t in range(length)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
