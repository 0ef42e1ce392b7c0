"""The manifest: a file of JSON lines, each a video and what to follow in it.

    {"video": "s3://bucket/dance.mp4", "prompts": [{"object": 1, "frame": 0, "clicks": [[210, 350]]}]}

video       a URI or path; a relative path starts at the manifest's folder
prompts     each with `object` (1 when left out), `frame` (0), and `clicks` [[x, y], [x, y, false], …]
            and/or `box` [x0, y0, x1, y1], or `mask` {"size": [height, width], "counts": RLE}; in pixels
objects     names of the objects, {"1": "rabbit"}, or their ids, [1]; must be those of the prompts
range       [start, stop]: frames to track, stop excluded; null stands for an end of the video
direction   both, forward or backward
policy      "sam2", or fields of TrackingPolicy that differ: {"fill_holes": 0, "memory": {"stride": 2}}
id          the caller's own name for the row; it changes nothing
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, get_args

from masklet.errors import ConfigError, DataError, MaskletError, PromptError
from masklet.memory import MemoryPolicy
from masklet.predict.plan import Direction
from masklet.predict.policy import TrackingPolicy
from masklet.rle import from_runs
from masklet.types import Mask, Prompt

if TYPE_CHECKING:
    pass

FIELDS = ("video", "prompts", "objects", "range", "direction", "policy", "id")
PROMPT_FIELDS = ("object", "frame", "clicks", "box", "mask")


@dataclass(frozen=True)
class PlacedPrompt:
    """What one object gets on one frame."""

    object_id: int
    frame: int
    prompt: Prompt


@dataclass(frozen=True)
class Row:
    """One line of a manifest, checked.

    line        where it stands, from 1
    given       the JSON it was read from, with `video` made absolute
    names       object id → name, where the row has one
    start, stop the range of frames; None: the video's ends
    """

    line: int
    given: Mapping[str, Any]
    video: str
    prompts: tuple[PlacedPrompt, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    start: int | None = None
    stop: int | None = None
    direction: Direction = "both"
    policy: TrackingPolicy = field(default_factory=TrackingPolicy)
    label: str | None = None

    @property
    def firsts(self) -> list[int]:
        """Each object's first prompted frame."""
        found: dict[int, int] = {}
        for placed in self.prompts:
            found[placed.object_id] = min(placed.frame, found.get(placed.object_id, placed.frame))
        return list(found.values())

    @property
    def prompted(self) -> list[int]:
        """Frames that have a prompt, ascending."""
        return sorted({placed.frame for placed in self.prompts})

    def key(self, settings: Mapping[str, Any]) -> str:
        """Twenty hexadecimal digits: what the row says, and the settings that its masks depend on."""
        content = {name: value for name, value in self.given.items() if name != "id"}
        text = json.dumps([content, settings], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:20]


@dataclass(frozen=True)
class Refusal:
    """A line that is no row, and why in one line."""

    line: int
    error: str
    video: str | None = None
    label: str | None = None


def read_manifest(text: str, base: str = "") -> tuple[list[Row], list[Refusal]]:
    """The rows of a manifest and the lines that cannot be used; empty lines are passed over.

    base     what relative video paths start at: a folder's path or URI
    raises   DataError when there is no line at all
    """
    rows: list[Row] = []
    refused: list[Refusal] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        given: Any = None
        try:
            given = _json(line)
            rows.append(row_of(number, given, base))
        except MaskletError as error:
            known = given if isinstance(given, dict) else {}
            video, label = (None if known.get(name) is None else str(known[name]) for name in ("video", "id"))
            refused.append(Refusal(number, f"line {number}: {error}", video, label))
    if not rows and not refused:
        raise DataError("the manifest is empty; give one JSON object a line, with video and prompts")
    return rows, refused


def _json(line: str) -> Any:
    try:
        return json.loads(line, parse_constant=_no_constant)
    except ValueError as error:
        raise DataError(f"{_short(line)} is not JSON ({error}); give one object a line") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def row_of(line: int, given: Any, base: str = "") -> Row:
    """A row from its JSON object; raises MaskletError naming the field, its value and the remedy."""
    if not isinstance(given, dict):
        raise DataError(f"{_short(given)} is not a row; give an object with video and prompts")
    _check_names(given, FIELDS, "field")
    video = _text(given, "video", "a path or a URI")
    if video is None:
        raise DataError("video is missing; give a path or a URI")
    video = _absolute(video, base)
    prompts = given.get("prompts")
    if not isinstance(prompts, list) or not prompts:
        raise DataError(f"prompts is {_short(prompts)}; give a list with at least one prompt")
    placed = tuple(_placed(one, f"prompts[{number}]") for number, one in enumerate(prompts))
    start, stop = _range(given.get("range"))
    direction = given.get("direction", "both")
    if direction not in get_args(Direction):
        raise DataError(f"direction is {_short(direction)}; give both, forward or backward")
    label = given.get("id")
    return Row(
        line=line,
        given={**given, "video": video},
        video=video,
        prompts=placed,
        names=_names(given.get("objects"), {one.object_id for one in placed}),
        start=start,
        stop=stop,
        direction=direction,
        policy=policy_of(given.get("policy")),
        label=None if label is None else str(label),
    )


def _absolute(video: str, base: str) -> str:
    if "://" in video or video.startswith("/") or not base:
        return video
    return f"{base.rstrip('/')}/{video}"


def _placed(given: Any, where: str) -> PlacedPrompt:
    if not isinstance(given, dict):
        raise PromptError(f"{where} is {_short(given)}; give an object with clicks, box or mask")
    _check_names(given, PROMPT_FIELDS, f"field of {where}:")
    object_id = _whole(given.get("object", 1), f"{where}.object", 1)
    frame = _whole(given.get("frame", 0), f"{where}.frame", 0)
    try:
        prompt = Prompt.of(
            clicks=_clicks(given.get("clicks", [])), box=_box(given.get("box")), mask=_mask(given.get("mask"))
        )
    except MaskletError as error:
        raise PromptError(f"{where}: {error}") from error
    return PlacedPrompt(object_id, frame, prompt)


def _clicks(given: Any) -> list[tuple[Any, ...]]:
    usable = isinstance(given, list) and all(
        isinstance(one, list)
        and len(one) in (2, 3)
        and all(map(_is_number, one[:2]))
        and all(isinstance(sign, bool) for sign in one[2:])
        for one in given
    )
    if not usable:
        raise PromptError(f"clicks is {_short(given)}; give [[x, y], …], and [x, y, false] off the object")
    return [tuple(one) for one in given]


def _box(given: Any) -> tuple[float, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or len(given) != 4 or not all(map(_is_number, given)):
        raise PromptError(f"box is {_short(given)}; give [x0, y0, x1, y1] in pixels")
    return tuple(given)


def _mask(given: Any) -> Mask | None:
    if given is None:
        return None
    try:
        height, width = (int(n) for n in given["size"])
        counts = given["counts"]
        if isinstance(counts, list):
            return Mask(from_runs(counts, height, width), height, width)
        mask = Mask(counts.encode("ascii"), height, width)
        _ = mask.area  # raises MaskError when the code is broken
        return mask
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        wanted = 'an RLE: {"size": [height, width], "counts": …}'
        message = f"mask is {_short(given)} ({error}); give {wanted}"
        raise PromptError(message) from error


def _range(given: Any) -> tuple[int | None, int | None]:
    if given is None:
        return None, None
    if not isinstance(given, list) or len(given) != 2:
        raise DataError(f"range is {_short(given)}; give [start, stop], null for an end of the video")
    start, stop = (None if n is None else _whole(n, "range", 0) for n in given)
    if stop is not None and (start or 0) >= stop:
        raise DataError(f"range is {_short(given)}; its start must lie before its stop")
    return start, stop


def _names(given: Any, prompted: set[int]) -> dict[int, str]:
    if given is None:
        return {}
    if isinstance(given, list):
        ids, names = [_whole(one, "objects", 1) for one in given], {}
    elif isinstance(given, dict) and all(i.isdecimal() and isinstance(n, str) for i, n in given.items()):
        names = {int(i): name for i, name in given.items()}
        ids = list(names)
    else:
        raise DataError(f'objects is {_short(given)}; give names by id, {{"1": "rabbit"}}, or ids, [1, 2]')
    for object_id in sorted(prompted ^ set(ids)):
        if object_id in prompted:
            raise DataError(f"objects leaves out object {object_id}, which has a prompt; add it")
        raise DataError(f"objects has object {object_id}, which has no prompt; give it one or leave it out")
    return names


def policy_of(given: Any) -> TrackingPolicy:
    """A policy from "sam2" or from the fields that differ; raises ConfigError."""
    if given is None:
        return TrackingPolicy()
    if given == "sam2":
        return TrackingPolicy.sam2()
    if not isinstance(given, dict):
        raise ConfigError(f'policy is {_short(given)}; give "sam2" or the fields that differ')
    here = {name: value for name, value in given.items() if name != "memory"}
    memory = given.get("memory", {})
    if not isinstance(memory, dict):
        raise ConfigError(f"policy.memory is {_short(memory)}; give the fields that differ")
    changed: Any = _changed(MemoryPolicy(), memory, "policy.memory")
    return _changed(TrackingPolicy(memory=changed), here, "policy")


def _changed(base: Any, given: Mapping[str, Any], where: str) -> Any:
    _check_names(given, [one.name for one in fields(base)], f"field of {where}:")
    for name, value in given.items():
        flag = isinstance(getattr(base, name), bool)
        unlimited = name == "prompted_limit" and value is None
        if not (isinstance(value, bool) if flag else _is_whole(value) or unlimited):
            wanted = "true or false" if flag else "a whole number"
            raise ConfigError(f"{where}.{name} is {_short(value)}; give {wanted}")
    return replace(base, **given)


def _text(given: Mapping[str, Any], name: str, wanted: str) -> str | None:
    value = given.get(name)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise DataError(f"{name} is {_short(value)}; give {wanted}")
    return value


def _check_names(given: Collection[str], allowed: Collection[str], what: str) -> None:
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1) or [", ".join(allowed)]
            raise DataError(f"unknown {what} {name!r}; did you mean {near[0]}?")


def _whole(value: Any, where: str, least: int) -> int:
    if not _is_whole(value) or value < least:
        raise DataError(f"{where} is {_short(value)}; give a whole number, at least {least}")
    return int(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= 60 else text[:57] + "…"
    return repr(text) if isinstance(value, str) else text
