"""What a sitting goes on with: one masklet's masks, as the project had them, in a file of the session."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from masklet.annotate.masklets import Kept
from masklet.annotate.rounds import starting_frames
from masklet.errors import SessionError
from masklet.server.masks_json import rle_of
from masklet.server.objects import ObjectInfo, hexadecimal
from masklet.types import FrameMasks, Mask
from masklet.video.colours import colour as colour_of

FILE = "beginning.json"


@dataclass(frozen=True)
class Beginning:
    """The one object of a sitting, and its masks of earlier rounds.

    number   the object's id
    name     what it is called
    kept     frame → mask
    """

    number: int
    name: str
    kept: Mapping[int, Kept]

    @property
    def object(self) -> ObjectInfo:
        return ObjectInfo(self.number, self.name, hexadecimal(colour_of(self.number)))

    @cached_property
    def starting(self) -> tuple[int, ...]:
        """Frames that the session is given as prompts."""
        return starting_frames(self.kept)

    @cached_property
    def below(self) -> dict[int, Kept]:
        """The others: shown where the session has nothing newer."""
        return {t: one for t, one in self.kept.items() if t not in self.starting}

    def shown(self, found: FrameMasks) -> FrameMasks:
        """A frame's masks with the earlier one, if the session knows none."""
        one, number = self.below.get(found.index), self.number
        if one is None or number in found.masks:
            return found
        return FrameMasks(
            found.index,
            {**found.masks, number: one.mask},
            found.iou if one.iou is None else {**found.iou, number: one.iou},
            found.occlusion if one.occlusion is None else {**found.occlusion, number: one.occlusion},
            found.prompted | {number} if one.prompted else found.prompted,
        )

    def check(self, change: Mapping[str, Any]) -> None:
        """Raise SessionError for a change that concerns other objects, or would leave none."""
        kind = change.get("kind")
        named = {int(i) for i in change["masks"]} if kind == "masks" else {change.get("object")}
        if kind in ("add_object", "remove_object") or named - {self.number, None}:
            raise SessionError(
                f"this work is object {self.number} alone; another object is a task of its own"
            )

    def write(self, folder: Path) -> None:
        """Keep it with a session."""
        folder.mkdir(parents=True, exist_ok=True)
        kept = {t: {**asdict(one), "mask": rle_of(one.mask)} for t, one in self.kept.items()}
        text = json.dumps({"number": self.number, "name": self.name, "kept": kept})
        with (folder / FILE).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # the sitting that is noted next relies on it


def beginning_in(folder: Path) -> Beginning | None:
    """What the session of a folder began with; None for one that began with nothing."""
    try:
        found = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Beginning(found["number"], found["name"], {int(t): _kept(one) for t, one in found["kept"].items()})


def _kept(told: Mapping[str, Any]) -> Kept:
    height, width = told["mask"]["size"]
    mask = Mask(told["mask"]["counts"].encode("ascii"), height, width)
    return Kept(mask, told["iou"], told["occlusion"], told["prompted"])
