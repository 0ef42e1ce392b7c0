"""What the numbers of a recipe may be: a run that no recipe could mean is refused before it begins."""

from __future__ import annotations

from masklet.errors import ConfigError
from masklet.train.recipe import Distillation, Recipe

COUNTS = {
    "steps": 1,
    "input_size": 32,
    "clips": 1,
    "objects": 1,
    "reuse": 1,
    "warmup": 0,
    "accumulate": 1,
    "images": 1,
    "lora_rank": 0,
    "seed": 0,
    "weight_decay": 0,
}
"""Setting of [recipe] → the least it may be."""

LARGEST_SEED = 2**63 - 1
"""What PyTorch's generators take."""


def check_ranges(recipe: Recipe) -> None:
    """Raise ConfigError for a recipe that no run could follow."""
    frames = 1 if recipe.image_share == 1 else 2
    for name, least in {**COUNTS, "frames": frames}.items():
        _at_least(f"recipe.{name}", getattr(recipe, name), least)
    if recipe.seed > LARGEST_SEED:
        raise ConfigError(f"recipe.seed is {recipe.seed}; give at most {LARGEST_SEED}")
    for name in ("rate", "clip_norm", "image_rate", "decoder_rate", "layer_decay"):
        _above_zero(f"recipe.{name}", getattr(recipe, name))
    if not 0 <= recipe.average < 1:
        raise ConfigError(f"recipe.average is {recipe.average}; give a number from 0 to less than 1")
    for name in ("image_share", "shuffle", "final_rate"):
        _share(f"recipe.{name}", getattr(recipe, name))
    if recipe.layer_decay > 1:
        raise ConfigError(f"recipe.layer_decay is {recipe.layer_decay}; give a number up to 1")
    if recipe.dtype not in ("bfloat16", "float32"):
        raise ConfigError(f"recipe.dtype is {recipe.dtype!r}; give 'bfloat16' or 'float32'")
    if not recipe.trainable and not recipe.lora_rank:
        raise ConfigError("recipe.trainable is empty; name the beginnings of the parameters that learn")
    for name in ("forget", "damage"):
        _share(f"slips.{name}", getattr(recipe.slips, name))
    for name in ("focal", "dice", "iou", "occlusion", "focal_gamma"):
        _at_least(f"losses.{name}", getattr(recipe.weights, name), 0)
    _share("losses.focal_alpha", recipe.weights.focal_alpha)
    if recipe.distillation is not None:
        _check_distillation(recipe.distillation)


def check_video(weight: float, strides: tuple[int, int]) -> None:
    """Raise ConfigError for videos of which no clip could be drawn."""
    _above_zero("data.videos.weight", weight)
    least, most = strides
    if not 1 <= least <= most:
        raise ConfigError(f"data.videos.strides is {list(strides)}; give least and most, from 1 on")


def _check_distillation(how: Distillation) -> None:
    if how.teacher_size < 0 or how.teacher_size % 32:
        raise ConfigError(f"distill.teacher_size is {how.teacher_size}; give a multiple of 32, or 0")
    _at_least("distill.masks", how.masks, 0)
    _at_least("distill.places", how.places, 0)
    if min(how.features) < 0:
        raise ConfigError(f"distill.features is {list(how.features)}; give numbers of at least 0")
    if not any(how.features) and not how.masks:
        raise ConfigError(
            f"distill.features is {list(how.features)} and masks 0; nothing would be learned: raise one"
        )


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ConfigError(f"{name} is {value}; give at least {least}")


def _above_zero(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{name} is {value}; give a number above 0")


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} is {value}; give a number from 0 to 1")
