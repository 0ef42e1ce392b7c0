"""From a recipe to a model that can learn, and from a run to the file it was for."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints, quantised, registry
from masklet.model.checkpoints import Card
from masklet.model.config import config_for
from masklet.model.sam2 import Sam2
from masklet.train.initialise import initialise_memory
from masklet.train.loop import Trainer
from masklet.train.recipe import Recipe
from masklet.train.recipe_file import RecipeFile

FREE = ("recipe.steps",)
"""Settings that may differ when a run goes on: it may be made longer or shorter."""


def starting_model(plan: RecipeFile) -> Sam2:
    """The network on the CPU: image path from its checkpoint, memory at its starting values.

    The same seed gives the same values; torch's own generator is left as it was.

    raises CheckpointError when the image path's weights are not there or do not fit
    """
    config = config_for(plan.model).at(plan.recipe.input_size)
    path = plan.image_weights or embedded_image_weights(plan.model)
    image, _ = checkpoints.split(checkpoints.load_state(path))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.recipe.seed)
        model = Sam2(config)
    wanted, _ = checkpoints.split(model.state_dict())
    checkpoints.check_fit(wanted, image, path)
    model.load_state_dict(image, strict=False)
    initialise_memory(model, plan.recipe.seed)
    _check_trainable(model, plan.recipe)
    return model


def embedded_image_weights(model: str) -> Path:
    """The image path that comes with the package; CheckpointError when there is none for this network."""
    for checkpoint in registry.known():
        if checkpoint.name == model and checkpoint.is_embedded and checkpoint.paths[0].is_file():
            return checkpoint.paths[0]
    raise CheckpointError(
        f"no image path for {model} comes with masklet; name a checkpoint: --image-weights FILE"
    )


def _check_trainable(model: Sam2, recipe: Recipe) -> None:
    names = [name for name, _ in model.named_parameters()]
    for prefix in recipe.trainable:
        # Some networks lack a part of the memory (SAM 2 has no no_object_embed); a default names them all.
        if prefix not in Recipe.trainable and not any(name.startswith(prefix) for name in names):
            raise ConfigError(f"recipe.trainable: no parameter of {model.config.name} begins with {prefix!r}")


def claim_folder(folder: Path, plan: RecipeFile) -> None:
    """Make the run's folder and note the plan in `recipe.json`; a run that is there must have the same one.

    raises ConfigError naming the first setting that differs
    """
    note = folder / "recipe.json"
    mine = json.loads(json.dumps(_settings(plan)))
    if note.exists() and (folder / "run.pt").exists():
        theirs = json.loads(note.read_text())
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in FREE and mine.get(name) != theirs.get(name):
                raise ConfigError(
                    f"{folder} holds a run with {name} = {theirs.get(name)!r}, not {mine.get(name)!r}; "
                    "name another --out, or give the same recipe"
                )
    folder.mkdir(parents=True, exist_ok=True)
    beside = note.with_suffix(".partial")
    beside.write_text(json.dumps(mine, indent=1))
    os.replace(beside, note)


def _settings(plan: RecipeFile) -> dict[str, Any]:
    """Everything that shapes the result, flat; where pictures and weights lie is left out."""
    flat: dict[str, Any] = {"model": plan.model}

    def add(where: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, dict):
                add(f"{where}.{name}", value)
            else:
                flat[f"{where}.{name}"] = value

    add("recipe", asdict(plan.recipe))
    add("clips", asdict(plan.clips))
    return flat


def save_result(trainer: Trainer, plan: RecipeFile, folder: Path, source: str) -> list[Path]:
    """Write `memory.safetensors`: the memory path with the averaged weights, as embedded checkpoints have it.

    When parts of the image path learned too, `image.safetensors` goes with it.
    source   where the weights come from, in a sentence
    returns  the files written
    """
    state = {**trainer.model.state_dict(), **trainer.averaged()}
    image, memory = checkpoints.split(state)
    parts = {"memory": memory}
    if any(not checkpoints.is_memory_path(name) for name in trainer.trainable):
        parts["image"] = image
    written = []
    for part, tensors in parts.items():
        path = folder / f"{part}.safetensors"
        card = Card(plan.model, part, plan.recipe.input_size, "Apache-2.0", source)
        stored = {name: quantised.halve(name, tensor) for name, tensor in tensors.items()}
        checkpoints.save_state(path, stored, card)
        written.append(path)
    return written
