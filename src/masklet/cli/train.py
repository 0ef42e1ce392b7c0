"""`masklet train` and `masklet distill`: what a recipe file says, done and kept."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.interrupt import Interrupted, Interruption, stopping_gently
from masklet.cli.options import Device, Json
from masklet.cli.training_files import draw_curves, note_skipped, sample_writer
from masklet.cli.training_line import Means, training_line
from masklet.errors import ConfigError, MissingExtraError

if TYPE_CHECKING:
    from masklet.data.problems import Problems
    from masklet.train.company import Company
    from masklet.train.loop import Trainer
    from masklet.train.recipe_file import RecipeFile

SAVE_EVERY = 100
"""Steps between two checkpoints: what a power cut costs at most."""
PHOTOS = 40
"""Pictures whose features a new memory's starting values are taken from."""

Recipe = Annotated[Path, typer.Argument(help="The recipe, a .toml.", show_default=False)]
Out = Annotated[
    Path,
    typer.Option("-o", "--out", help="The run's folder; a run that is there goes on.", show_default=False),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of data sets, each with instances.json (COCO) and images/; else as in the recipe.",
        show_default=False,
    ),
]
ImageWeights = Annotated[
    Path | None,
    typer.Option(
        "--image-weights",
        help="Checkpoint of the image path; else as in the recipe, else the embedded one.",
        show_default=False,
    ),
]
Workers = Annotated[
    int, typer.Option("--workers", help="Processes that make clips ahead; 0 makes them in between.")
]
Steps = Annotated[
    int | None, typer.Option("--steps", help="Steps in all, instead of the recipe's.", show_default=False)
]
Minutes = Annotated[
    float | None,
    typer.Option(
        "--minutes", help="Save and stop after so long; the same command goes on.", show_default=False
    ),
]
Samples = Annotated[
    int, typer.Option("--samples", help="Draw a picture of truth and answers every so many steps; 0 none.")
]


@dataclass(frozen=True)
class Call:
    """What the command line says besides the recipe."""

    recipe: Path
    out: Path
    workers: int
    minutes: float | None
    samples: int
    device: str | None
    as_json: bool


def add_to(app: typer.Typer) -> None:
    app.command("train", short_help="Train the memory, or all of a model, as a recipe says.")(train)


def train(
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
    """`masklet train recipes/first-memory.toml --data pictures -o runs/first`

    Train a model on clips made up from labelled pictures, on real videos with masks, on single pictures.
    Ctrl-C saves the run; the same command goes on with it, also after a kill. At the end the weights lie in
    the run's folder, beside log.jsonl, curves.svg, samples/ and skipped.txt.
    On several GPUs: torchrun --no-python --nproc-per-node 4 masklet train …
    """
    call = Call(recipe, out, workers, minutes, samples, device, as_json)
    carry_out(call, read_plan(recipe, data, image_weights, steps))


def carry_out(call: Call, plan: RecipeFile) -> None:
    """Run the plan to its last step, alone or with the processes that torchrun started."""
    with extra():
        from masklet.train.company import company
    with company() as together, ExitStack() as held:
        started = time.perf_counter()
        trainer = _trainer(call, plan, together, held)
        first = trainer.step
        means = _follow(call, trainer, plan)
        if not together.leads:
            return
        files = _save(trainer, plan, call)
        if call.as_json:
            result = _result(trainer, means, first, time.perf_counter() - started, files)
            typer.echo(json.dumps({"recipe": str(call.recipe), "model": plan.model, **result}, indent=2))
        else:
            typer.echo("\n".join(map(str, files)))


@contextmanager
def extra() -> Iterator[None]:
    """Imports of what only training needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"training needs {error.name}: pip install 'masklet[train]'") from error


def read_plan(recipe: Path, data: Path | None, image_weights: Path | None, steps: int | None) -> RecipeFile:
    """The recipe with what the command line says instead."""
    with extra():
        from masklet.train.ranges import check_ranges
        from masklet.train.recipe_file import read_recipe
    plan = read_recipe(recipe)
    if steps is not None:
        plan = replace(plan, recipe=replace(plan.recipe, steps=steps))
        check_ranges(plan.recipe)
    plan = replace(plan, data=data or plan.data, image_weights=image_weights or plan.image_weights)
    if not plan.has_data:
        raise ConfigError(f"{recipe} names no data; give --data DIR, or root in its [data]")
    return plan


def _trainer(call: Call, plan: RecipeFile, together: Company, held: ExitStack) -> Trainer:
    """The run in this folder, new or where it was left; no other can begin there until `held` is closed."""
    from masklet.engine.torch_engine import pick_device
    from masklet.train.claiming import claim_folder
    from masklet.train.distilling import Distilling
    from masklet.train.feeding import first_frames
    from masklet.train.locking import locked
    from masklet.train.loop import Trainer
    from masklet.train.starting import starting_model, teacher_model

    place = pick_device(together.device(call.device))
    teacher = teacher_model(plan) if plan.recipe.distillation is not None else None
    model = starting_model(plan, teacher, lambda: first_frames(plan, PHOTOS)).to(place)
    if together.leads:
        held.enter_context(locked(call.out))
        claim_folder(call.out, plan)
    together.wait()
    task = Distilling(model, teacher.to(place), plan.recipe) if teacher is not None else None
    trainer = Trainer(model, plan.recipe, call.out, task=task, company=together)
    if call.samples and together.leads:
        trainer.sample_every, trainer.on_sample = call.samples, sample_writer(call.out)
    return trainer


def _follow(call: Call, trainer: Trainer, plan: RecipeFile) -> Means:
    """Run to the last step with a live line; Interrupted after Ctrl-C, when the run is saved."""
    with extra():
        from masklet.train.feeding import feed_of

    steps, leads = plan.recipe.steps, trainer.company.leads
    feed = feed_of(plan, start=trainer.batch, workers=call.workers, company=trainer.company)
    means = Means()
    with (
        feed,
        training_line(steps, trainer.step, quiet=not leads) as show,
        stopping_gently(show.stopping) as interruption,
    ):
        stopped = _stopper(interruption, call.minutes)
        for report in trainer.run(feed, save_every=SAVE_EVERY, stopped=stopped):
            means.add(report)
            show(report.step, means)
            if leads and report.step % SAVE_EVERY == 0:
                draw_curves(call.out)
    _share_problems(trainer, feed.problems)
    if leads:
        draw_curves(call.out)
        _tell(note_skipped(call.out, feed.problems))
        _tell(f"{trainer.skipped} steps changed nothing: gradients were no numbers" * bool(trainer.skipped))
    if trainer.step < steps:
        why = "interrupted" if interruption.happened else f"stopped after {call.minutes:g} minutes"
        raise Interrupted(
            f"{why}; step {trainer.step} of {steps} is saved in {trainer.checkpoint}, "
            "the same command goes on from there"
        )
    return means


def _share_problems(trainer: Trainer, problems: Problems) -> None:
    """What the other processes could not use is known here, too."""
    from masklet.data.problems import Problem

    mine = json.dumps([asdict(problem) for problem in problems])
    for told in trainer.company.gathered(mine, trainer.device):
        for row in json.loads(told):
            problems.take(Problem(**row))


def _stopper(interruption: Interruption, minutes: float | None) -> Callable[[], bool]:
    end = None if minutes is None else time.monotonic() + 60 * minutes
    return lambda: interruption.happened or (end is not None and time.monotonic() >= end)


def _tell(line: str) -> None:
    if line:
        print(line, file=sys.stderr)


def _save(trainer: Trainer, plan: RecipeFile, call: Call) -> list[Path]:
    from masklet.train.starting import save_result

    how = "clips made from labelled pictures"
    if plan.recipe.distillation is not None:
        how = f"pictures, learning from {plan.teacher}"
    elif plan.videos:
        how += " and videos"
    source = f"masklet train {call.recipe.name}, {trainer.step} steps on {how}"
    return save_result(trainer, plan, call.out, source)


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
