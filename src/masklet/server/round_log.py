"""A sitting's log of changes as the round that a project keeps: what was given, and what of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from masklet.annotate.masklets import Kept
from masklet.annotate.rounds import Given, Round
from masklet.server.appearance import from_json
from masklet.server.beginning import Beginning
from masklet.server.workspace import PLAIN, Change, Workspace, prompt_of
from masklet.types import Prompt
from masklet.video.effects import Look

Made = tuple[float, Mapping[str, Any]]
"""When a change was made, in seconds since 1970, and the change."""


@dataclass(frozen=True)
class _Pin:
    """What was shown on a frame was fixed as it is; the mask is in the session."""

    frame: int
    at: float


@dataclass(frozen=True)
class _Standing:
    """What stands after a change; undo goes back to what stood before.

    cleared   frames whose prompts of earlier rounds stand no more
    look      name and colour of the object, which are steps to undo too
    effects   as are these, although no part of a masklet
    """

    given: tuple[Given | _Pin, ...] = ()
    cleared: frozenset[int] = frozenset()
    look: tuple[str, str] = ("", "")
    effects: Look = PLAIN


def round_of(workspace: Workspace, changes: Iterable[Made]) -> Round:
    """What was done since a sitting began, as the workspace shows it now."""
    beginning = workspace.beginning
    assert beginning is not None
    log = list(changes)
    standing = _replayed(workspace, beginning, log)
    shown = _shown(workspace, beginning)
    number = beginning.number
    known = workspace.session.log.objects.get(number)
    prompts = []
    for one in standing.given:
        if isinstance(one, Given):
            prompts.append(one)
        elif known is not None and one.frame in known.frames:
            mask = known.frames[one.frame].prompt.mask
            if mask is not None:
                prompts.append(Given(one.frame, Prompt(mask=mask), one.at))
    name = standing.look[0]
    return Round(
        edits=tuple(_edits(log)),
        prompts=tuple(prompts),
        cleared=standing.cleared,
        masks={t: kept for t, kept in shown.items() if beginning.kept.get(t) != kept},
        gone=frozenset(beginning.kept.keys() - shown.keys()),
        category=None if name == beginning.name else name,
    )


def _shown(workspace: Workspace, beginning: Beginning) -> dict[int, Kept]:
    """Every mask the person sees; those they left as they were are as the project has them."""
    number, found = beginning.number, dict(beginning.below)
    known = workspace.session.log.objects.get(number)
    if known is None:
        return found
    for t in workspace.session.masklet(number).masks:
        given, stored = known.frames.get(t), beginning.kept.get(t)
        if given is not None and stored is not None and t in beginning.starting:
            fixed = given.pinned and not stored.mask.is_empty
            if given.prompt.mask == stored.mask and not fixed:
                found[t] = stored
                continue
        masks = workspace.session.masks(t)
        scores = masks.iou.get(number), masks.occlusion.get(number)
        found[t] = Kept(masks[number], *scores, number in masks.prompted)
    return found


def _edits(log: Iterable[Made]) -> Iterable[tuple[int, int, float]]:
    """Frame, clicks, moment of everything given. Moving or removing a click is one click."""
    for at, change in log:
        if change["kind"] in ("prompt", "masks", "pin"):
            clicks = len(change.get("clicks") or ())
            yield change["frame"], min(clicks, 1) if change.get("replace") else clicks, at


def _replayed(workspace: Workspace, beginning: Beginning, log: Iterable[Made]) -> _Standing:
    own = beginning.object
    now = _Standing(look=(own.name, own.colour))
    done: list[_Standing] = []
    undone: list[_Standing] = []
    for at, change in log:
        kind = change["kind"]
        if kind == "undo":
            undone.append(now)
            now = done.pop()
        elif kind == "redo":
            done.append(now)
            now = undone.pop()
        else:
            after = _after(workspace, beginning, now, change, at)
            # How the object is looked at is no step of the work; all else is, a choice of candidates too.
            if kind not in ("object", "effects") or after != now:
                done.append(now)
                undone.clear()
            now = after
    return now


def _after(
    workspace: Workspace, beginning: Beginning, now: _Standing, change: Change, at: float
) -> _Standing:
    kind, frame = change["kind"], change.get("frame")
    if kind == "object":
        look = (change.get("name", now.look[0]), change.get("colour", now.look[1]))
        return replace(now, look=look)
    if kind == "effects":
        return replace(now, effects=from_json(change["effects"]))
    if kind == "clear":
        places = {frame} if frame is not None else {*beginning.starting, *(one.frame for one in now.given)}
        return _without(now, places)
    if kind == "pin" and change.get("mask") is None:
        return replace(now, given=(*now.given, _Pin(change["frame"], at)))
    if kind in ("prompt", "masks", "pin"):
        mask = change["masks"][str(beginning.number)] if kind == "masks" else change.get("mask")
        source = workspace.session.source
        prompt = prompt_of({**change, "mask": mask}, source.width, source.height)
        if kind == "masks" or change.get("replace"):
            now = _without(now, {change["frame"]})
        return replace(now, given=(*now.given, Given(change["frame"], prompt, at)))
    return now


def _without(now: _Standing, frames: set[int]) -> _Standing:
    left = tuple(one for one in now.given if one.frame not in frames)
    return replace(now, given=left, cleared=now.cleared | frames)
