"""What clients send, checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from masklet.errors import ConfigError
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


class Rename(Body):
    name: Name


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
    objects: dict[str, EffectBody] = {}


class ExportBody(Body):
    format: Literal["coco", "sav", "png", "yolo", "cutout", "video"]
    objects: list[ObjectId] | None = None
    start: FrameIndex | None = None
    stop: FrameIndex | None = None
    cutout: Literal["png", "mov", "webm"] = "png"
    effects: EffectsBody = EffectsBody()
    sound: bool = True

    def request(self, objects: Objects) -> ExportRequest:
        """objects: as they are in the session, for their colours."""
        try:
            own = {int(i): body.effect() for i, body in self.effects.objects.items()}
        except ValueError as error:
            raise ConfigError("effects.objects must be named by object ids") from error
        look = Look(
            self.effects.background.effect(),
            self.effects.object.effect(),
            own,
            {known.id: rgb(known.colour) for known in objects},
        )
        ids = None if self.objects is None else tuple(self.objects)
        return ExportRequest(self.format, ids, self.start, self.stop, self.cutout, look, self.sound)
