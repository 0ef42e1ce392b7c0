"""Prompts and answers between the values of the local API and the server's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from masklet.predict.history import Preview
from masklet.server.masks_json import mask_of, rle_of
from masklet.types import Box, Click, Mask, Prompt


def prompt_body(
    frame: int,
    object_id: int,
    clicks: Iterable[Click | Sequence[Any]] = (),
    box: Box | Sequence[float] | None = None,
    mask: Mask | np.ndarray | None = None,
    candidate: int | None = None,
    replace: bool = False,
) -> dict[str, Any]:
    """A prompt as the server takes it; raises PromptError for one that is none."""
    given = Prompt.of(clicks, box, mask)
    return {
        "object": int(object_id),
        "frame": int(frame),
        "clicks": [[c.x, c.y, c.positive] for c in given.clicks],
        "box": list(given.box.corners) if given.box else None,
        "mask": rle_of(given.mask) if given.mask else None,
        "candidate": candidate,
        "replace": replace,
    }


def prompts_of(state: Mapping[str, Any]) -> dict[int, dict[int, Mapping[str, Any]]]:
    """Object id → frame → prompt, of a session's JSON."""
    found: dict[int, dict[int, Mapping[str, Any]]] = {}
    for prompt in state["prompts"]:
        found.setdefault(prompt["object"], {})[prompt["frame"]] = prompt
    return found


def candidates_of(answer: Mapping[str, Any]) -> tuple[list[Mask], list[float]]:
    return [_mask(c["mask"]) for c in answer["candidates"]], [c["iou"] for c in answer["candidates"]]


def preview_of(answer: Mapping[str, Any]) -> Preview:
    masks, iou = candidates_of(answer)
    return Preview(
        answer["frame"],
        answer["object"],
        _mask(answer["mask"]),
        tuple(masks),
        tuple(iou),
        answer["chosen"],
        answer["occlusion"],
    )


def _mask(rle: Mapping[str, Any]) -> Mask:
    return mask_of(rle, rle["size"][1], rle["size"][0])
