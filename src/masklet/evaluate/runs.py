"""A list of measurements as a TOML file, from which a page of results is made.

models  = ["masklet-tiny"]           each run measures each of them…
engines = ["torch", "openvino"]      …with each of these; left out, with what is installed

[[run]]
name     = "davis-click"             its result files are NAME.MODEL.json
title    = "DAVIS, one click"        heading of its table
protocol = "davis"                   davis, ytvos, mose, lvos, vipseg, sav, interactive, clips or images
root     = "davis"                   the data set, below the folder of all data
prompt   = "click"                   further fields of `Run`
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from masklet.errors import ConfigError, MissingExtraError
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.protocols.robustness import Variant
from masklet.evaluate.readers.dataset import CONVENTIONS
from masklet.model.registry import DEFAULT

PROTOCOLS = (*(name for name in CONVENTIONS if name != "all"), "interactive", "clips", "images")


@dataclass(frozen=True)
class Subject:
    """What is measured: a model's name or path, and the engine it runs on (None: what is installed)."""

    model: str
    engine: str | None = None

    @property
    def slug(self) -> str:
        """For names of files."""
        name = Path(self.model).name.removesuffix(".safetensors")
        return f"{name}.{self.engine}" if self.engine else name

    def __str__(self) -> str:
        return f"{self.model} on {self.engine}" if self.engine else self.model


@dataclass(frozen=True)
class Run:
    """One measurement, of several models. Fields that its protocol does not know are refused.

    name, title, protocol, root   as above
    models, engines               instead of the file's own
    input_size                    side pictures are resized to; None takes each model's own
    format, split, sequences      videos: layout (interactive only), list in ImageSets, some sequences
    prompt, harder                videos: first prompt; how the video is spoilt, as in "jpeg:10"
    mode, frames, clicks          interactive: offline or online, most frames corrected, clicks on each
    every                         images and clips: only pictures whose ids this divides
    count, objects                clips, made up of labelled pictures: how many, most objects in each
    least_area, most              images: least pixels of an object, first so many
    """

    name: str
    protocol: str
    root: str
    title: str = ""
    models: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    input_size: int | None = None
    format: str = ""
    split: str | None = None
    sequences: tuple[str, ...] = ()
    prompt: str = "mask"
    harder: str = ""
    mode: str = "offline"
    frames: int = 8
    clicks: int = 3
    every: int = 1
    count: int = 40
    objects: int = 1
    least_area: int = 0
    most: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            raise ConfigError(f"run {self.name!r} must be named in small letters, digits, - and _")
        if self.protocol not in PROTOCOLS:
            raise ConfigError(
                f"run {self.name}: protocol {self.protocol} is unknown; choose one of {', '.join(PROTOCOLS)}"
            )
        if self.mode not in ("offline", "online"):
            raise ConfigError(f"run {self.name}: mode {self.mode} is unknown; choose offline or online")
        FirstPrompt.parse(self.prompt)
        if self.harder:
            Variant.parse(self.harder)
        if not self.format:
            object.__setattr__(self, "format", self.protocol if self.protocol in CONVENTIONS else "davis")

    @property
    def heading(self) -> str:
        return self.title or self.name

    @property
    def subjects(self) -> tuple[Subject, ...]:
        """Every model with every engine."""
        return tuple(Subject(m, e) for m in self.models for e in (self.engines or (None,)))


COMMON = {"name", "protocol", "root", "title", "models", "engines", "input_size"}
VIDEO = {"split", "sequences", "harder"}
OWN = {
    "interactive": VIDEO | {"format", "mode", "frames", "clicks"},
    "clips": {"prompt", "harder", "every", "count", "objects"},
    "images": {"every", "least_area", "most"},
}
"""Fields of the protocols; those of video benchmarks are `VIDEO` and prompt."""


def read_runs(path: str | Path) -> tuple[Run, ...]:
    """The runs of a TOML file, in its order.

    raises   ConfigError when the file cannot be read, or says what is unknown or of the wrong type;
             MissingExtraError before Python 3.11 without tomli
    """
    path = Path(path)
    try:
        content = _toml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} cannot be read: {reason}") from error
    _check_names(f"{path}", content, {"models", "engines", "run"})
    rows = content.get("run", [])
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path} lists nothing to measure; give at least one [[run]]")
    runs = tuple(_run(path, number, row, content) for number, row in enumerate(rows, 1))
    names = [run.name for run in runs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path} has two runs named {twice}; their results would overwrite one another")
    return runs


def chosen(runs: Sequence[Run], only: Sequence[str] | None) -> tuple[Run, ...]:
    """The runs of these names; all of them without."""
    names = [run.name for run in runs]
    for name in only or ():
        if name not in names:
            raise ConfigError(f"run {name} is not in the list; there are {', '.join(names)}")
    return tuple(run for run in runs if not only or run.name in only)


def _run(path: Path, number: int, row: Mapping[str, Any], content: Mapping[str, Any]) -> Run:
    place = f"{path}, run {row.get('name', number)}"
    missing = [name for name in ("name", "protocol", "root") if name not in row]
    if missing:
        raise ConfigError(f"{place} lacks {missing[0]}")
    known = {field.name for field in fields(Run)}
    _check_names(place, row, known)
    strange = sorted(set(row) - COMMON - OWN.get(row["protocol"], VIDEO | {"prompt"}))
    if strange and row["protocol"] in PROTOCOLS:
        raise ConfigError(f"{place}: {strange[0]} does not go with protocol {row['protocol']}")
    given = {"models": content.get("models", [DEFAULT]), "engines": content.get("engines", []), **row}
    return Run(**{name: _value(place, name, value) for name, value in given.items()})


def _value(place: str, name: str, value: Any) -> Any:
    """A value of the type that the field has."""
    if name in ("models", "engines", "sequences"):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"{place}: {name} must be a list of texts, not {value!r}")
        return tuple(value)
    number = name in ("input_size", "frames", "clicks", "every", "count", "objects", "least_area", "most")
    if number and (not isinstance(value, int) or isinstance(value, bool) or value < (name != "least_area")):
        raise ConfigError(f"{place}: {name} must be a positive whole number, not {value!r}")
    if not number and not isinstance(value, str):
        raise ConfigError(f"{place}: {name} must be a text, not {value!r}")
    return value


def _check_names(place: str, found: Mapping[str, Any], known: set[str]) -> None:
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), 1)
            raise ConfigError(
                f"{place}: {name} is unknown"
                + (f"; did you mean {near[0]}?" if near else f": {sorted(known)}")
            )


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError as error:
            raise MissingExtraError(
                "reading TOML before Python 3.11 needs tomli: pip install 'masklet[train]'"
            ) from error
    return tomllib.loads(text)
