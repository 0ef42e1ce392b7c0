"""Prompts on the command line: --click, --box, --mask, and the --frame and --object they belong to.

Order matters there, so these options are read in the order they were typed:

- --object N holds for the prompts after it; without it they belong to object 1.
- --frame F holds for the prompts after it; without it they are on frame 0. A --frame that comes after
  an object's prompts, with none of that object's behind it, says where those before it are:
  `--click 210,350 --frame 12` is a click on frame 12.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from masklet.errors import ConfigError, PromptError
from masklet.types import Box, Click, Prompt

ORDERED = ("click", "box", "mask", "frame", "object_id")
"""Parameters of a command whose order on the line matters."""

_TYPED = "masklet.typed"


class OrderedCommand(TyperCommand):
    """A command that remembers in which order its prompt options were typed."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        values, _, order = self.make_parser(ctx).parse_args(args=list(args))
        left = {name: iter(values[name]) for name in ORDERED if name in values}
        ctx.meta[_TYPED] = [(p.name, str(next(left[p.name]))) for p in order if p.name in left]
        return super().parse_args(ctx, args)


def typed(ctx: Any) -> list[tuple[str, str]]:
    """(parameter, text) of every prompt option, in the order of the command line."""
    return list(ctx.meta.get(_TYPED, []))


@dataclass(frozen=True)
class PlacedPrompt:
    """What one object gets on one frame.

    object_id    None for a mask file that no --object was named for: its own numbers hold
    prompt       clicks and/or a box, or None with `mask_file`
    """

    frame: int
    object_id: int | None
    prompt: Prompt | None
    mask_file: Path | None = None

    def __str__(self) -> str:
        who = "objects" if self.object_id is None else f"object {self.object_id}"
        what = f"the mask {self.mask_file}" if self.prompt is None else _described(self.prompt)
        return f"{who} on frame {self.frame}: {what}"


@dataclass(frozen=True)
class _Item:
    """One --click, --box or --mask, and where it belongs as far as is known."""

    kind: str
    text: str
    object_id: int | None
    frame: int | None


def placed_prompts(events: Sequence[tuple[str, str]]) -> list[PlacedPrompt]:
    """Prompts by frame and object, in the order of their first option.

    raises PromptError or ConfigError with the option and its value when it cannot be read
    """
    return list(_joined(_placed(events)))


def _placed(events: Sequence[tuple[str, str]]) -> list[_Item]:
    """Every click, box and mask with its frame and object settled."""
    items: list[_Item] = []
    group = 0  # where the present object's prompts begin in `items`
    frame: int | None = None
    object_id: int | None = None
    waiting = ""  # an option that has named a place and found no prompt yet
    for kind, text in events:
        if kind == "frame":
            frame, waiting = _number("--frame", text, least=0), f"--frame {text}"
        elif kind == "object_id":
            if waiting.startswith("--frame"):
                _settle(items, group, frame)
            object_id, waiting = _number("--object", text, least=1), f"--object {text}"
            group = len(items)
        else:
            items.append(_Item(kind, text, object_id, frame))
            waiting = ""
    if waiting and not (waiting.startswith("--frame") and _settle(items, group, frame)):
        where = "beside" if waiting.startswith("--frame") else "after"
        raise ConfigError(f"{waiting} has no --click, --box or --mask {where} it")
    return [replace(item, frame=item.frame or 0) for item in items]


def _settle(items: list[_Item], group: int, frame: int | None) -> bool:
    """Give a --frame that closes a group to the group's prompts without one; False when there are none."""
    open_places = [i for i in range(group, len(items)) if items[i].frame is None]
    for i in open_places:
        items[i] = replace(items[i], frame=frame)
    return bool(open_places)


def _joined(items: list[_Item]) -> Iterator[PlacedPrompt]:
    """Clicks and the box of one object on one frame are one prompt; a mask is its own."""
    places: dict[tuple[int, int], tuple[list[Click], list[Box]]] = {}
    for item in items:
        frame = item.frame or 0
        if item.kind == "mask":
            yield PlacedPrompt(frame, item.object_id, None, Path(item.text))
            continue
        clicks, boxes = places.setdefault((frame, item.object_id or 1), ([], []))
        if item.kind == "click":
            clicks.append(parse_click(item.text))
        else:
            boxes.append(parse_box(item.text))
    for (frame, object_id), (clicks, boxes) in places.items():
        if len(boxes) > 1:
            raise PromptError(
                f"object {object_id} has {len(boxes)} boxes on frame {frame}; give one, "
                "or name other objects with --object"
            )
        yield PlacedPrompt(frame, object_id, Prompt(tuple(clicks), boxes[0] if boxes else None))


def parse_click(text: str) -> Click:
    """`x,y` on the object, `x,y,-` off it."""
    parts = text.split(",")
    sign = parts.pop().strip() if len(parts) == 3 else "+"
    if len(parts) != 2 or sign not in ("+", "-"):
        raise PromptError(f"--click {text!r} must be X,Y on the object or X,Y,- off it")
    x, y = _floats("--click", text, parts)
    return Click(x, y, positive=sign == "+")


def parse_box(text: str) -> Box:
    """`x0,y0,x1,y1`: top-left and bottom-right corner."""
    parts = text.split(",")
    if len(parts) != 4:
        raise PromptError(f"--box {text!r} must be X0,Y0,X1,Y1: the top-left and the bottom-right corner")
    return Box(*_floats("--box", text, parts))


def _floats(option: str, text: str, parts: list[str]) -> list[float]:
    try:
        return [float(part) for part in parts]
    except ValueError as error:
        raise PromptError(f"{option} {text!r} must hold numbers (pixels of the frame)") from error


def _number(option: str, text: str, *, least: int) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r} must be a whole number") from error
    if value < least:
        raise ConfigError(f"{option} {value} must be at least {least}")
    return value


def _described(prompt: Prompt) -> str:
    parts = []
    if prompt.clicks:
        off = sum(not click.positive for click in prompt.clicks)
        count = len(prompt.clicks)
        parts.append(f"{count} click{'s' * (count > 1)}" + (f" ({off} off it)" if off else ""))
    if prompt.box is not None:
        parts.append("a box")
    return " and ".join(parts)
