"""What clients send, checked."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from masklet.errors import ConfigError
from masklet.server.appearance import MaskLook, coloured
from masklet.server.exporting import ExportRequest
from masklet.server.objects import Objects
from masklet.server.runs import RunRequest
from masklet.video.effects import Effect, Look, rgb

FrameIndex = Annotated[int, Field(ge=0, le=10**9, strict=True)]
ObjectId = Annotated[int, Field(ge=1, le=65535, strict=True)]
Pixels = Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=1e6)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Hex = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Clicks = Annotated[list[tuple[Pixels, Pixels, bool] | tuple[Pixels, Pixels]], Field(max_length=1000)]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]

MOST_COUNTS = 64 * 2**20
MOST_OWN = 1000
"""Effects of single objects in one request."""


class Body(BaseModel):
    """Refuses names it does not know, so that a misspelt option is told and not ignored."""

    model_config = ConfigDict(extra="forbid")


class Rle(Body):
    size: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]]
    counts: Annotated[str, Field(max_length=MOST_COUNTS)] | list[Annotated[int, Field(ge=0)]]


class Png(Body):
    png: Annotated[str, Field(max_length=MOST_COUNTS, description="a PNG in base64")]


class PromptBody(Body):
    object: ObjectId = 1
    frame: FrameIndex = 0
    clicks: Clicks = []
    box: tuple[Pixels, Pixels, Pixels, Pixels] | None = None
    mask: Rle | Png | None = None
    candidate: Annotated[int, Field(ge=0, le=2)] | None = None
    replace: bool = False

    def change(self) -> dict[str, Any]:
        return {"kind": "prompt", **self.model_dump()}


class ChooseBody(Body):
    object: ObjectId
    frame: FrameIndex
    candidate: Annotated[int, Field(ge=0, le=2)]


class PinBody(Body):
    object: ObjectId
    frame: FrameIndex
    mask: Rle | Png | None = None


class ClearBody(Body):
    object: ObjectId | None = None
    frame: FrameIndex | None = None


class NewSession(Body):
    video: str
    name: Name | None = None


class LookBody(Body):
    opacity: Annotated[float, Field(ge=0, le=1)] | None = None
    outline: bool | None = None

    def look(self, now: MaskLook) -> MaskLook:
        """What is not said stays as it is now."""
        return replace(now, **self.model_dump(exclude_none=True))


class SessionChange(Body):
    name: Name | None = None
    look: LookBody | None = None


class NewObject(Body):
    id: ObjectId | None = None
    name: Name | None = None
    colour: Hex | None = None


class ObjectChange(Body):
    name: Name | None = None
    colour: Hex | None = None
    hidden: bool | None = None
    locked: bool | None = None


class TrackBody(Body):
    direction: Literal["both", "forward", "backward"] = "both"
    start: FrameIndex | None = None
    stop: FrameIndex | None = None
    limit: FrameIndex | None = None

    def request(self) -> RunRequest:
        return RunRequest(self.direction, self.start, self.stop, self.limit)


class PersonBody(Body):
    person: Name


class DutyBody(PersonBody):
    duty: Literal["annotate", "verify"] = "verify"


class TaskBody(DutyBody):
    second: bool = False
    masklet: Annotated[int, Field(ge=1)] | None = None


class NewMasklet(PersonBody):
    video: Annotated[int, Field(ge=1)]


class SubmitBody(PersonBody):
    session: Annotated[str, Field(min_length=1, max_length=40)]
    seconds: Seconds = 0.0


class VerdictBody(PersonBody):
    verdict: Annotated[str, Field(max_length=40)]
    reasons: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=20)] = []
    words: Annotated[str, Field(max_length=2000)] = ""
    seconds: Seconds = 0.0


class EffectBody(Body):
    kind: str = "none"
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5
    colour: Hex | None = None
    colour2: Hex | None = None

    def effect(self) -> Effect:
        return Effect(
            self.kind,
            self.strength,
            rgb(self.colour) if self.colour else None,
            rgb(self.colour2) if self.colour2 else None,
        )


class EffectsBody(Body):
    object: EffectBody = EffectBody()
    background: EffectBody = EffectBody()
    objects: Annotated[dict[str, EffectBody], Field(max_length=MOST_OWN)] = {}

    def effects(self) -> Look:
        """Raises ConfigError for an effect, or an object's id, that cannot be."""
        own = {_object_id(name): body.effect() for name, body in self.objects.items()}
        return Look(self.background.effect(), self.object.effect(), own)


def _object_id(name: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", name):
        raise ConfigError(f'effects.objects has {name[:20]!r}; name effects by ids of objects, like "1"')
    return int(name)


class ExportBody(Body):
    format: Literal["coco", "sav", "png", "yolo", "cutout", "video"]
    objects: list[ObjectId] | None = None
    start: FrameIndex | None = None
    stop: FrameIndex | None = None
    cutout: Literal["png", "mov", "webm"] = "png"
    effects: EffectsBody | None = None
    sound: bool = True

    def request(self, objects: Objects, kept: Look) -> ExportRequest:
        """objects: as they are in the session, for their colours; kept: its effects, if none are given."""
        look = coloured(kept if self.effects is None else self.effects.effects(), objects)
        ids = None if self.objects is None else tuple(self.objects)
        return ExportRequest(self.format, ids, self.start, self.stop, self.cutout, look, self.sound)
