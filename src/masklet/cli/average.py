"""`masklet average`: the mean of several weights of one network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    app.command("average", short_help="Average the weights of several runs.")(average)


def average(
    weights: Annotated[
        list[str],
        typer.Argument(
            metavar="WEIGHTS…",
            help="Two or more: a name from `masklet models`, a checkpoint file, or a run's folder.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A folder for the two files.", show_default=False)],
    shares: Annotated[
        str, typer.Option("--shares", metavar="N,N…", help="How much each counts; by default all the same.")
    ] = "",
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="PREFIX",
            help="Average only parameters whose names begin so; the others stay the first's. Repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """`masklet average runs/early runs/late --shares 1,2 -o runs/mean`

    Write the mean of weights that belong together: of one run at two times, of two runs from the same start,
    or of a fine-tuned model and what it began with, which takes back some of what it forgot. The folder
    holds `image.safetensors` and `memory.safetensors`, as a run's does, and can be averaged again.
    """
    from masklet.train.averaging import mean, read_weights, save_mean

    counts = _numbers(shares) if shares else [1.0] * len(weights)
    sources = [read_weights(one) for one in weights]
    for path in save_mean(mean(sources, counts, only or ()), sources, out):
        typer.echo(path)


def _numbers(told: str) -> list[float]:
    try:
        return [float(one) for one in told.split(",")]
    except ValueError:
        raise ConfigError(f"--shares is {told!r}; give numbers with commas, as in 2,1") from None
