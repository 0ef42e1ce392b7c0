"""`masklet train`: the memory of a model, learned from labelled pictures."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.interrupt import Interrupted, stopping_gently
from masklet.cli.options import Device, Json
from masklet.cli.training_line import Means, training_line
from masklet.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from masklet.train.loop import Trainer
    from masklet.train.recipe_file import RecipeFile

SAVE_EVERY = 100
"""Steps between two checkpoints: what a power cut costs at most."""


def add_to(app: typer.Typer) -> None:
    app.command("train", short_help="Train the memory from labelled pictures.")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a .toml.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="The run's folder; a run that is there goes on.", show_default=False
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder of data sets, each with instances.json (COCO) and images/; else as in the recipe.",
            show_default=False,
        ),
    ] = None,
    image_weights: Annotated[
        Path | None,
        typer.Option(
            "--image-weights",
            help="Checkpoint of the image path; else as in the recipe, else the embedded one.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Processes that make clips ahead; 0 makes them in between.")
    ] = 1,
    steps: Annotated[
        int | None, typer.Option("--steps", help="Steps in all, instead of the recipe's.", show_default=False)
    ] = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet train recipes/first-memory.toml --data pictures -o runs/first`

    Train the memory of a model on clips made up from labelled pictures. Ctrl-C saves the run; the same
    command goes on with it. At the end memory.safetensors lies in the run's folder, beside log.jsonl.
    """
    plan = _plan(recipe, data, image_weights, steps)
    started = time.perf_counter()
    trainer = _trainer(plan, out, device)
    first = trainer.step
    means = _follow(trainer, plan, workers)
    files = _save(trainer, plan, out, recipe)
    if as_json:
        result = _result(trainer, means, first, time.perf_counter() - started, files)
        typer.echo(json.dumps({"recipe": str(recipe), "model": plan.model, **result}, indent=2))
    else:
        typer.echo("\n".join(map(str, files)))


@contextmanager
def _extra() -> Iterator[None]:
    """Imports of what only training needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'masklet[train]'") from error


def _plan(recipe: Path, data: Path | None, image_weights: Path | None, steps: int | None) -> RecipeFile:
    """The recipe with what the command line says instead."""
    with _extra():
        from masklet.train.recipe_file import check_ranges, read_recipe
    plan = read_recipe(recipe)
    if steps is not None:
        plan = replace(plan, recipe=replace(plan.recipe, steps=steps))
        check_ranges(plan.recipe)
    plan = replace(plan, data=data or plan.data, image_weights=image_weights or plan.image_weights)
    if plan.data is None:
        raise ConfigError(f"{recipe} names no data; give --data DIR, or root in its [data]")
    return plan


def _trainer(plan: RecipeFile, out: Path, device: str | None) -> Trainer:
    """The run in this folder, new or where it was left."""
    from masklet.engine.torch_engine import pick_device
    from masklet.train.loop import Trainer
    from masklet.train.starting import claim_folder, starting_model

    place = pick_device(device)
    model = starting_model(plan)
    claim_folder(out, plan)
    return Trainer(model.to(place), plan.recipe, out)


def _follow(trainer: Trainer, plan: RecipeFile, workers: int) -> Means:
    """Run to the last step with a live line; Interrupted after Ctrl-C, when the run is saved."""
    with _extra():
        from masklet.data.datasets import training_images
        from masklet.data.feed import ClipFeed
        from masklet.data.synthetic import ClipSynthesiser

    assert plan.data is not None
    recipe = plan.recipe
    synthesiser = ClipSynthesiser(training_images(plan.data), plan.clips)
    feed = ClipFeed(synthesiser, batch=recipe.clips, seed=recipe.seed, workers=workers, start=trainer.batch)
    means = Means()
    with (
        feed,
        training_line(recipe.steps, trainer.step) as show,
        stopping_gently(show.stopping) as interruption,
    ):
        for report in trainer.run(feed, save_every=SAVE_EVERY, stopped=lambda: interruption.happened):
            means.add(report)
            show(report.step, means)
    if trainer.step < recipe.steps:
        raise Interrupted(
            f"interrupted; step {trainer.step} of {recipe.steps} is saved in {trainer.checkpoint}, "
            "the same command goes on from there"
        )
    return means


def _save(trainer: Trainer, plan: RecipeFile, out: Path, recipe: Path) -> list[Path]:
    from masklet.train.starting import save_result

    source = f"masklet train {recipe.name}, {trainer.step} steps on clips made from labelled pictures"
    return save_result(trainer, plan, out, source)


def _result(trainer: Trainer, means: Means, first: int, seconds: float, files: list[Path]) -> dict[str, Any]:
    """What --json prints; the measures are means over the last steps, null when this call took none."""
    return {
        "steps": trainer.step,
        "resumed_at": first,
        "seconds": round(seconds, 3),
        "loss": means.loss,
        "J": means.region,
        "occlusion_accuracy": means.occlusion_accuracy,
        "outputs": [str(path) for path in files],
    }
