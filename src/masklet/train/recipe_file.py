"""A training run as a TOML file.

    [model]          name (a network of `config.presets`); image_weights and memory_weights (a checkpoint's
                     path, or "embedded" for the one that comes with the package, "embedded:NAME" for
                     another model's); trunk_weights (a student's)
    [data]           root (folder of data sets of stills); stills: names of the sets that single pictures come
                     from, all when left out
    [[data.folders]] images, masks: any folder of pictures, and one of masks with the same names: index
                     PNGs, black and white ones, or JSON files as SA-1B has them (then it may be the same)
    [[data.videos]]  root, format, weight, strides, split: real videos with masks beside the stills
    [[data.plain]]   root: pictures and videos without masks, for distillation
    [clips]          fields of ClipSettings, and [clips.light] of LightSettings; frames and size: see [recipe]
    [recipe]         fields of Recipe
    [prompts]        fields of PromptMix
    [slips]          fields of Slips
    [losses]         fields of LossWeights
    [distill]        fields of Distillation, and teacher, teacher_weights: learn from a teacher

What is left out keeps its default; only `recipe.steps` has none. Relative paths start at the file's folder.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from masklet.data.clips import ClipSettings
from masklet.data.sampling import PromptMix
from masklet.errors import CheckpointError, ConfigError
from masklet.model import registry
from masklet.model.config import config_for
from masklet.model.registry import DEFAULT
from masklet.train.damage import Slips
from masklet.train.losses import LossWeights
from masklet.train.ranges import check_ranges, check_video
from masklet.train.recipe import Distillation, Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
Table = Mapping[str, Any]


@dataclass(frozen=True)
class FolderSource:
    """Pictures, and index masks or JSON files (as SA-1B has them) with the same names."""

    images: str
    masks: str


@dataclass(frozen=True)
class VideoSource:
    """Real videos with masks."""

    root: str
    format: str = "all"
    """davis, ytvos, mose, lvos, vipseg, sav, or all (any palette folder)."""
    weight: float = 1.0
    """Share of the clips that come from here; stills have 1."""
    strides: tuple[int, int] = (1, 3)
    """Least and most steps between the annotated frames of a clip."""
    split: str = ""
    """A list below ImageSets; empty takes every video with masks."""


@dataclass(frozen=True)
class PlainSource:
    """Pictures and videos without masks."""

    root: str


@dataclass(frozen=True)
class RecipeFile:
    """What a recipe file says.

    model           name of the network
    image_weights   checkpoint of its image path; None takes the embedded one
    memory_weights  checkpoint of its memory to go on from; None starts a new memory
    data            folder of data sets, as `training_images` reads it; None when the file names none
    stills          sets of `data` that batches of single pictures are made of; empty takes all
    clips           how clips are made; frames and size are the recipe's
    folders, videos, plain   further data
    teacher, teacher_weights, trunk_weights   of a distillation: the network learned from, its image path
                    (None takes the embedded one), and what the student's trunk starts from
    """

    recipe: Recipe
    clips: ClipSettings
    model: str = DEFAULT
    image_weights: Path | None = None
    data: Path | None = None
    stills: tuple[str, ...] = ()
    memory_weights: Path | None = None
    folders: tuple[FolderSource, ...] = ()
    videos: tuple[VideoSource, ...] = ()
    plain: tuple[PlainSource, ...] = ()
    teacher: str = DEFAULT
    teacher_weights: Path | None = None
    trunk_weights: str = ""

    @property
    def has_data(self) -> bool:
        """Whether it names anything to train on."""
        return self.data is not None or bool(self.folders or self.videos or self.plain)

    @property
    def image_start(self) -> Path | None:
        """What the image path begins with; None for a student that takes its teacher's decoder and a trunk.

        raises CheckpointError when the package has none for the network
        """
        if self.recipe.distillation is not None and self.image_weights is None:
            return None
        return self.image_weights or embedded_weights(self.model, "image")

    @property
    def teacher_start(self) -> Path:
        """The image path that a student learns from; raises as `image_start`."""
        return self.teacher_weights or embedded_weights(self.teacher, "image")


@dataclass(frozen=True)
class _Model:
    name: str = DEFAULT
    image_weights: str = ""
    memory_weights: str = ""
    trunk_weights: str = ""


@dataclass(frozen=True)
class _Data:
    root: str = ""
    stills: tuple[str, ...] = ()
    folders: tuple[FolderSource, ...] = ()
    videos: tuple[VideoSource, ...] = ()
    plain: tuple[PlainSource, ...] = ()


@dataclass(frozen=True)
class _Teacher:
    teacher: str = DEFAULT
    teacher_weights: str = ""


TABLES = ("model", "data", "clips", "recipe", "prompts", "slips", "losses", "distill")
EMBEDDED = "embedded"


def read_recipe(path: str | Path) -> RecipeFile:
    """Read a recipe file.

    raises ConfigError when it cannot be read, is no TOML, or has a name, type or value that is not allowed
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the recipe {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    try:
        return _recipe_file(content, path.parent)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _recipe_file(content: Table, folder: Path) -> RecipeFile:
    tables = {name: _table(value, name) for name, value in content.items()}
    _check_names(tables, TABLES, "table")
    model = from_table(_Model, tables.get("model", {}), "model")
    data = from_table(_Data, tables.get("data", {}), "data")
    teacher, distillation = _distill(tables.get("distill"))
    recipe = from_table(
        Recipe,
        tables.get("recipe", {}),
        "recipe",
        elsewhere={
            "prompts": from_table(PromptMix, tables.get("prompts", {}), "prompts"),
            "slips": from_table(Slips, tables.get("slips", {}), "slips"),
            "weights": from_table(LossWeights, tables.get("losses", {}), "losses"),
            "distillation": distillation,
        },
    )
    check_ranges(recipe)
    for one in data.videos:
        check_video(one.weight, one.strides)
    config_for(model.name).at(recipe.input_size)
    clips = from_table(
        ClipSettings,
        tables.get("clips", {}),
        "clips",
        elsewhere={"frames": recipe.frames, "size": recipe.input_size},
    )
    return RecipeFile(
        recipe=recipe,
        clips=clips,
        model=model.name,
        image_weights=_weights(model.image_weights, folder, model.name, "image"),
        data=folder / data.root if data.root else None,
        stills=data.stills,
        memory_weights=_weights(model.memory_weights, folder, model.name, "memory"),
        folders=tuple(
            FolderSource(str(folder / one.images), str(folder / one.masks)) for one in data.folders
        ),
        videos=tuple(replace(one, root=str(folder / one.root)) for one in data.videos),
        plain=tuple(PlainSource(str(folder / one.root)) for one in data.plain),
        teacher=teacher.teacher,
        teacher_weights=_weights(teacher.teacher_weights, folder, teacher.teacher, "image"),
        trunk_weights=_trunk(model.trunk_weights, folder),
    )


def _distill(table: Table | None) -> tuple[_Teacher, Distillation | None]:
    """The teacher and how to learn from it; no table, no distillation."""
    if table is None:
        return _Teacher(), None
    names = [one.name for one in fields(_Teacher)]
    _check_names(table, [*names, *(one.name for one in fields(Distillation))], "setting in [distill]:")
    teacher = from_table(_Teacher, {n: v for n, v in table.items() if n in names}, "distill")
    config_for(teacher.teacher)
    how = from_table(Distillation, {n: v for n, v in table.items() if n not in names}, "distill")
    return teacher, how


def _weights(given: str, folder: Path, model: str, part: str) -> Path | None:
    kind, _, lender = given.partition(":")
    if kind != EMBEDDED:
        return folder / given if given else None
    return embedded_weights(lender or model, part)


def embedded_weights(model: str, part: str) -> Path:
    """The image or memory path that comes with the package; CheckpointError when there is none."""
    for checkpoint in registry.known():
        if checkpoint.name == model and checkpoint.is_embedded:
            for path in checkpoint.paths:
                if f".{part}." in path.name and path.is_file():
                    return path
    option = f"--{part}-weights FILE" if part == "image" else f"model.{part}_weights in the recipe"
    raise CheckpointError(f"no {part} path for {model} comes with masklet; name a checkpoint: {option}")


def _trunk(given: str, folder: Path) -> str:
    return given if not given or given.startswith("package:") else str(folder / given)


def from_table(kind: Callable[..., T], table: Table, where: str, *, elsewhere: Table | None = None) -> T:
    """A dataclass from a TOML table: every name a field, every value of the field's type.

    where       the table's name, for messages
    elsewhere   values of fields that are not given in this table
    """
    elsewhere = elsewhere or {}
    hints = get_type_hints(kind)
    mine = [one for one in fields(kind) if one.name not in elsewhere]  # type: ignore[arg-type]
    _check_names(table, [one.name for one in mine], f"setting in [{where}]:")
    for one in mine:
        if one.name not in table and one.default is MISSING and one.default_factory is MISSING:
            raise ConfigError(f"{where}.{one.name} is missing; give {_described(hints[one.name])}")
    given = {name: _value(value, hints[name], f"{where}.{name}") for name, value in table.items()}
    return kind(**given, **elsewhere)


def _check_names(given: Collection[str], allowed: Collection[str], what: str) -> None:
    for name in given:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1) or [", ".join(allowed)]
            raise ConfigError(f"unknown {what} {name!r}; did you mean {near[0]}?")


def _table(value: Any, where: str) -> Table:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} is {value!r}; it belongs in a table such as [recipe]")
    return value


def _value(value: Any, kind: Any, where: str) -> Any:
    """The value as its field has it; a whole number passes for a float, a list for a tuple."""
    if is_dataclass(kind) and isinstance(value, dict):
        return from_table(kind, value, where)  # type: ignore[arg-type]
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _finite(value, where)
    if get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) == len(value):
            return tuple(
                _value(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True))
            )
    if (
        isinstance(kind, type)
        and get_origin(kind) is None  # to Python 3.10 tuple[int, ...] is a type, too
        and isinstance(value, kind)
        and not (isinstance(value, bool) and kind is not bool)
    ):
        return value
    raise ConfigError(f"{where} is {value!r}; give {_described(kind)}")


def _finite(value: float, where: str) -> float:
    if not -sys.float_info.max <= value <= sys.float_info.max:
        raise ConfigError(f"{where} is {value}; give a finite number")
    return float(value)


def _described(kind: Any) -> str:
    """What a type is called in a message."""
    if is_dataclass(kind):
        return "a table"
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        one = _described(inner[0])
        return f"a list, each {one}" if inner[-1] is Ellipsis else f"a list of {len(inner)}, each {one}"
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(kind, str(kind))
