"""`masklet distill`: a small image encoder, learned from a large one."""

from __future__ import annotations

import typer

from masklet.cli.options import Device, Json
from masklet.cli.train import (
    Call,
    Data,
    ImageWeights,
    Minutes,
    Out,
    Recipe,
    Samples,
    Steps,
    Workers,
    carry_out,
    read_plan,
)
from masklet.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    app.command("distill", short_help="Teach a small image encoder what a large one sees.")(distill)


def distill(
    recipe: Recipe,
    out: Out,
    data: Data = None,
    image_weights: ImageWeights = None,
    workers: Workers = 1,
    steps: Steps = None,
    minutes: Minutes = None,
    samples: Samples = 200,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet distill recipes/nano-image.toml --data pictures -o runs/nano-image`

    Train a student: its image encoder learns the teacher's feature maps and, as the recipe says, the masks
    that the teacher's decoder makes of them. --image-weights goes on from a student that has learned before.
    Stopping and going on, and what lies in the folder at the end, are as with masklet train.
    """
    plan = read_plan(recipe, data, image_weights, steps)
    if plan.recipe.distillation is None:
        raise ConfigError(f"{recipe} has no [distill] table; without a teacher it is for masklet train")
    carry_out(Call(recipe, out, workers, minutes, samples, device, as_json), plan)
