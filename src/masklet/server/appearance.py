"""How a session's pictures look: the effects on them, which are work, and how masks lie over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from masklet.errors import ConfigError
from masklet.server.objects import Objects, find, hexadecimal
from masklet.video.effects import Effect, Look, rgb


@dataclass(frozen=True)
class MaskLook:
    """How masks lie over the pictures.

    opacity   0 (not seen) to 1 (nothing is seen below)
    outline   whether they have an edge
    """

    opacity: float = 0.45
    outline: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.opacity <= 1:
            raise ConfigError(f"mask opacity {self.opacity:g} must lie between 0 and 1")


def as_json(effects: Look) -> dict[str, Any]:
    """Effects as clients get them and the log keeps them; the objects' colours are the objects' own."""
    return {
        "background": _effect_json(effects.background),
        "object": _effect_json(effects.object),
        "objects": {str(i): _effect_json(one) for i, one in sorted(effects.objects.items())},
    }


def from_json(told: Mapping[str, Any]) -> Look:
    return Look(
        _effect(told["background"]),
        _effect(told["object"]),
        {int(i): _effect(one) for i, one in told["objects"].items()},
    )


def checked(effects: Look, objects: Objects) -> Look:
    """The effects, if every object that has its own is there; raises UnknownObjectError."""
    for object_id in effects.objects:
        find(objects, object_id)
    return effects


def without(effects: Look, object_id: int) -> Look:
    """The effects after an object was removed."""
    return replace(effects, objects={i: one for i, one in effects.objects.items() if i != object_id})


def coloured(effects: Look, objects: Objects) -> Look:
    """The effects with the objects' colours, ready to be drawn."""
    return replace(effects, colours={known.id: rgb(known.colour) for known in objects})


def _effect_json(effect: Effect) -> dict[str, Any]:
    return {
        "kind": effect.kind,
        "strength": effect.strength,
        "colour": None if effect.colour is None else hexadecimal(effect.colour),
        "colour2": None if effect.colour2 is None else hexadecimal(effect.colour2),
    }


def _effect(told: Mapping[str, Any]) -> Effect:
    colour, colour2 = (None if told[name] is None else rgb(told[name]) for name in ("colour", "colour2"))
    return Effect(told["kind"], told["strength"], colour, colour2)
