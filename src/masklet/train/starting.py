"""From a recipe to a model that can learn, and from a run to the file it was for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from masklet.errors import ConfigError
from masklet.model import checkpoints
from masklet.model.card import read_card
from masklet.model.checkpoints import Card
from masklet.model.config import config_for
from masklet.model.registry import PARTS
from masklet.model.sam2 import Sam2
from masklet.train.borrowing import Photos, borrow_memory, shaped_like
from masklet.train.initialise import initialise_memory
from masklet.train.loop import Trainer
from masklet.train.lora import without_lora
from masklet.train.matching import start_by_matching
from masklet.train.recipe import Recipe
from masklet.train.recipe_file import RecipeFile
from masklet.train.students import start_student


def starting_model(plan: RecipeFile, teacher: Sam2 | None = None, photos: Photos | None = None) -> Sam2:
    """The network on the CPU: image path from its checkpoint, memory from its own or at starting values.

    photos    asked for where a new memory starts by matching what they look like to the image path, or where
              a borrowed one has more hidden units than this network
    teacher   of a distillation: a student without weights of its own starts from the teacher's decoder
    The same seed gives the same values; torch's own generator is left as it was.

    raises CheckpointError when the image path's weights are not there or do not fit
    """
    model = _random(plan.model, plan.recipe.input_size, plan.recipe.seed)
    image = plan.image_start
    if image is not None:
        _load_image(model, image)
    elif teacher is not None:
        start_student(model, teacher, plan.trunk_weights)
    initialise_memory(model, plan.recipe.seed)
    if plan.memory_weights is not None:
        _load_memory(model, plan.memory_weights, plan.recipe.seed, photos)
    elif photos is not None and plan.recipe.matching:
        start_by_matching(model, photos(), plan.recipe.seed)
    _check_trainable(model, plan.recipe)
    return model


def teacher_model(plan: RecipeFile) -> Sam2:
    """The image path that a student learns from, on the CPU; its memory is of no use."""
    size = plan.recipe.input_size
    if plan.recipe.distillation is not None and plan.recipe.distillation.teacher_size:
        size = plan.recipe.distillation.teacher_size
    teacher = _random(plan.teacher, size, 0)
    _load_image(teacher, plan.teacher_start)
    return teacher


def _random(name: str, size: int, seed: int) -> Sam2:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Sam2(config_for(name).at(size))


def _load_image(model: Sam2, path: Path) -> None:
    image, _ = checkpoints.split(checkpoints.load_state(path))
    wanted, _ = checkpoints.split(model.state_dict())
    checkpoints.check_fit(wanted, image, path)
    model.load_state_dict(image, strict=False)


def _load_memory(model: Sam2, path: Path, seed: int, photos: Photos | None) -> None:
    """A memory of the same network, or one that another network or an earlier version lends."""
    _, memory = checkpoints.split(checkpoints.load_state(path))
    card = read_card(path)
    if card is not None:
        lender = shaped_like(config_for(card.config), memory)
        if lender.at(model.config.input_size) != model.config:
            borrow_memory(model, memory, lender, path, seed, photos)
            return
    _, wanted = checkpoints.split(model.state_dict())
    checkpoints.check_fit(wanted, memory, path)
    model.load_state_dict(memory, strict=False)


def _check_trainable(model: Sam2, recipe: Recipe) -> None:
    names = [name for name, _ in model.named_parameters()]
    for prefix in recipe.trainable:
        # Some networks lack a part of the memory (SAM 2 has no no_object_embed); a default names them all.
        if prefix not in Recipe.trainable and not any(name.startswith(prefix) for name in names):
            raise ConfigError(f"recipe.trainable: no parameter of {model.config.name} begins with {prefix!r}")


def save_result(trainer: Trainer, plan: RecipeFile, folder: Path, source: str) -> list[Path]:
    """Write `image.safetensors` and `memory.safetensors` with the averaged weights: a whole model.

    A part of which nothing learned is written as the run found it, so that the folder can be used as it is.
    source   where the weights come from, in a sentence
    returns  the files written
    raises   CheckpointError when they cannot be, or the weights are not finite
    """
    state = without_lora({**trainer.model.state_dict(), **trainer.averaged()})
    checkpoints.check_finite(state, f"the run in {folder}", "begin anew, with a lower recipe.rate")
    learned = {PARTS[checkpoints.is_memory_path(name)] for name in trainer.trainable}
    told = {part: Card(plan.model, part, plan.recipe.input_size, "Apache-2.0", source) for part in PARTS}
    return [
        checkpoints.save_part(folder, tensors, told[part] if part in learned else _as_found(told[part], plan))
        for part, tensors in zip(PARTS, checkpoints.split(state), strict=True)
    ]


def _as_found(card: Card, plan: RecipeFile) -> Card:
    """The card of a part that did not learn: its weights and their licence are those the run began with."""
    path = plan.image_start if card.part == "image" else plan.memory_weights
    if path is None:
        return replace(card, source="starting values, untrained")
    theirs = read_card(path)
    if theirs is None:
        return replace(card, source=f"as in {path.name}")
    return replace(card, licence=theirs.licence, source=theirs.source)
