"""A run's folder belongs to one recipe: what it was begun with is noted there, and must not change."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from masklet.data.clips import ClipSettings
from masklet.engine.openvino_store import fingerprint
from masklet.errors import ConfigError
from masklet.train.recipe import Recipe
from masklet.train.recipe_file import RecipeFile
from masklet.train.students import trunk_file

FREE = ("recipe.steps",)
"""Settings that may differ when a run goes on: it may be made longer or shorter."""


def claim_folder(folder: Path, plan: RecipeFile) -> None:
    """Make the run's folder and note the plan in `recipe.json`; a run that is there must have the same one.

    raises ConfigError naming the first setting that differs
    """
    note = folder / "recipe.json"
    settings, sources = _plain(_settings(plan)), _plain(_sources(plan))
    if note.exists() and (folder / "run.pt").exists():
        # A run that an earlier version began lacks settings that came later: it had their defaults. What it
        # learned from was not noted at all, and cannot be compared.
        theirs = _defaults() | json.loads(note.read_text())
        known = {name: value for name, value in sources.items() if name in theirs}
        _check_same(folder, settings | known, theirs)
    folder.mkdir(parents=True, exist_ok=True)
    beside = note.with_suffix(".partial")
    beside.write_text(json.dumps(settings | sources, indent=1))
    os.replace(beside, note)


def _check_same(folder: Path, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    for name in sorted(mine.keys() | theirs.keys()):
        if name not in FREE and mine.get(name) != theirs.get(name):
            raise ConfigError(
                f"{folder} holds a run with {name} = {theirs.get(name)!r}, not {mine.get(name)!r}; "
                "name another --out, or give the same recipe, weights and data"
            )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """As JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps(values))
    return plain


def _defaults() -> dict[str, Any]:
    return _plain(_settings(RecipeFile(Recipe(steps=1), ClipSettings())))


def _settings(plan: RecipeFile) -> dict[str, Any]:
    """What the recipe says of the result, flat."""
    flat: dict[str, Any] = {"model": plan.model}
    if plan.recipe.distillation is not None:
        flat["distill.teacher"] = plan.teacher
    if plan.videos:
        flat["data.videos"] = [[v.format, v.weight, list(v.strides), v.split] for v in plan.videos]

    def add(where: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                add(f"{where}.{name}", value)
            else:
                flat[f"{where}.{name}"] = value

    add("recipe", asdict(plan.recipe))
    add("clips", asdict(plan.clips))
    return flat


def _sources(plan: RecipeFile) -> dict[str, Any]:
    """What the run learns from: weights by their content, data by kind and number; where they lie is free."""
    student = plan.image_start is None
    files = {
        "model.image_weights": plan.image_start,
        "model.memory_weights": plan.memory_weights,
        "model.trunk_weights": trunk_file(plan.trunk_weights) if student and plan.trunk_weights else None,
        "distill.teacher_weights": plan.teacher_start if plan.recipe.distillation is not None else None,
    }
    return {
        **{name: f"sha256 {fingerprint([path])}" if path is not None else "" for name, path in files.items()},
        "data.root": int(plan.data is not None),
        "data.stills": list(plan.stills),
        "data.folders": len(plan.folders),
        "data.plain": len(plan.plain),
    }
