"""The objects of a session as people see them: names, colours, what is hidden or locked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from masklet.errors import ConfigError, SessionError, UnknownObjectError
from masklet.video.colours import colour as colour_of

MOST_ID = 65535
LONGEST_NAME = 200


@dataclass(frozen=True)
class ObjectInfo:
    """One object. colour: "#rrggbb"; a locked one takes no prompts; hidden concerns the page alone."""

    id: int
    name: str
    colour: str
    hidden: bool = False
    locked: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.id <= MOST_ID:
            raise ConfigError(f"object id {self.id} must lie between 1 and {MOST_ID}")
        if not re.fullmatch(r"#[0-9a-fA-F]{6}", self.colour):
            raise ConfigError(f"colour {self.colour!r} must look like #1e90ff")
        if not self.name.strip() or len(self.name) > LONGEST_NAME:
            raise ConfigError(f"an object's name must have 1 to {LONGEST_NAME} characters")


Objects = tuple[ObjectInfo, ...]


def hexadecimal(rgb: tuple[int, int, int]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*rgb)


def next_id(objects: Objects) -> int:
    return max((known.id for known in objects), default=0) + 1


def unnamed(object_id: int) -> str:
    """What an object is called until somebody names it."""
    return f"Object {object_id}"


def find(objects: Objects, object_id: int) -> ObjectInfo:
    for known in objects:
        if known.id == object_id:
            return known
    ids = ", ".join(str(known.id) for known in objects) or "none yet"
    raise UnknownObjectError(f"there is no object {object_id}; known objects: {ids}")


def added(
    objects: Objects, object_id: int, most: int, name: str | None = None, colour: str | None = None
) -> Objects:
    """One more object, named and coloured by its id unless told otherwise."""
    if any(known.id == object_id for known in objects):
        raise SessionError(f"object {object_id} is there already; leave the id out for a new one")
    if len(objects) >= most:
        raise SessionError(f"a session holds {most} objects at most; remove one first")
    made = ObjectInfo(object_id, name or unnamed(object_id), colour or hexadecimal(colour_of(object_id)))
    return (*objects, made)


def ensured(objects: Objects, object_id: int, most: int) -> Objects:
    """The objects with this one among them, ready for a prompt."""
    if not any(known.id == object_id for known in objects):
        return added(objects, object_id, most)
    if find(objects, object_id).locked:
        raise SessionError(f"object {object_id} is locked; unlock it to change it")
    return objects


def changed(objects: Objects, object_id: int, values: Mapping[str, Any]) -> Objects:
    """One object's name, colour, hidden or locked set anew."""
    new = replace(find(objects, object_id), **values)
    return tuple(new if known.id == object_id else known for known in objects)


def without(objects: Objects, object_id: int) -> Objects:
    if find(objects, object_id).locked:
        raise SessionError(f"object {object_id} is locked; unlock it to remove it")
    return tuple(known for known in objects if known.id != object_id)


def as_json(objects: Objects) -> list[dict[str, Any]]:
    return [asdict(known) for known in objects]


def from_json(saved: list[dict[str, Any]]) -> Objects:
    return tuple(ObjectInfo(**one) for one in saved)
