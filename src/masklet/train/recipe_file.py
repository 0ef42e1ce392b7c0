"""A training run as a TOML file.

    [model]     name (a network of `config.presets`), image_weights (path of the image path's checkpoint)
    [data]      root (folder of data sets)
    [clips]     fields of ClipSettings, and [clips.light] of LightSettings; frames and size are the recipe's
    [recipe]    fields of Recipe
    [prompts]   fields of PromptMix
    [losses]    fields of LossWeights

What is left out keeps its default; only `recipe.steps` has none. Relative paths start at the file's folder.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from masklet.data.clips import ClipSettings
from masklet.data.sampling import PromptMix
from masklet.errors import ConfigError
from masklet.model.config import config_for
from masklet.model.registry import DEFAULT
from masklet.train.losses import LossWeights
from masklet.train.recipe import Recipe

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")
Table = Mapping[str, Any]


@dataclass(frozen=True)
class RecipeFile:
    """What a recipe file says.

    model           name of the network
    image_weights   checkpoint of its image path; None takes the embedded one
    data            folder of data sets, as `training_images` reads it; None when the file names none
    clips           how clips are made; frames and size are the recipe's
    """

    recipe: Recipe
    clips: ClipSettings
    model: str = DEFAULT
    image_weights: Path | None = None
    data: Path | None = None


@dataclass(frozen=True)
class _Model:
    name: str = DEFAULT
    image_weights: str = ""


@dataclass(frozen=True)
class _Data:
    root: str = ""


TABLES = ("model", "data", "clips", "recipe", "prompts", "losses")


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
    recipe = from_table(
        Recipe,
        tables.get("recipe", {}),
        "recipe",
        elsewhere={
            "prompts": from_table(PromptMix, tables.get("prompts", {}), "prompts"),
            "weights": from_table(LossWeights, tables.get("losses", {}), "losses"),
        },
    )
    check_ranges(recipe)
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
        image_weights=folder / model.image_weights if model.image_weights else None,
        data=folder / data.root if data.root else None,
    )


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


def check_ranges(recipe: Recipe) -> None:
    """Raise ConfigError for a recipe that no run could follow."""
    least = {"steps": 1, "input_size": 32, "clips": 1, "frames": 2, "objects": 1, "reuse": 1, "warmup": 0}
    for name, low in {**least, "seed": 0, "weight_decay": 0, "final_rate": 0}.items():
        if getattr(recipe, name) < low:
            raise ConfigError(f"recipe.{name} is {getattr(recipe, name)}; give at least {low}")
    for name in ("rate", "clip_norm"):
        if not getattr(recipe, name) > 0:
            raise ConfigError(f"recipe.{name} is {getattr(recipe, name)}; give a number above 0")
    if not 0 <= recipe.average < 1:
        raise ConfigError(f"recipe.average is {recipe.average}; give a number from 0 to less than 1")
    if recipe.dtype not in ("bfloat16", "float32"):
        raise ConfigError(f"recipe.dtype is {recipe.dtype!r}; give 'bfloat16' or 'float32'")
    if not recipe.trainable:
        raise ConfigError("recipe.trainable is empty; name the beginnings of the parameters that learn")


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
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if get_origin(kind) is tuple and isinstance(value, list):
        inner = get_args(kind)
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
        if len(kinds) == len(value):
            return tuple(
                _value(v, k, f"{where}[{i}]") for i, (v, k) in enumerate(zip(value, kinds, strict=True))
            )
    if (
        isinstance(kind, type)
        and isinstance(value, kind)
        and not (isinstance(value, bool) and kind is not bool)
    ):
        return value
    raise ConfigError(f"{where} is {value!r}; give {_described(kind)}")


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
