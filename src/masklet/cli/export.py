"""`masklet export`: a model's graphs, for running it without PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.options import Json
from masklet.errors import ConfigError
from masklet.model.registry import DEFAULT


def add_to(app: typer.Typer) -> None:
    app.command("export", short_help="Write a model for the OpenVINO engine.")(export)


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="A name from `masklet models`, or the path of a checkpoint file or a run's folder."
        ),
    ] = DEFAULT,
    input_size: Annotated[
        int | None,
        typer.Option("--input-size", help="The only size it will take; by default the model's own."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="The folder; by default where `--engine openvino` looks.", show_default=False
        ),
    ] = None,
    without_weights: Annotated[
        Path | None,
        typer.Option(
            "--without-weights",
            metavar="FOLDER",
            help="Write one small file into this folder: the graphs of a named network, for any weights.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """`masklet export masklet-tiny --input-size 384 --out exported`

    Write a model as graphs that the OpenVINO engine runs on a CPU, without PyTorch. The folder may be
    copied to another machine and named as `--model`. Exporting needs PyTorch, except for the embedded
    models at the sizes that the package has graphs for. `--without-weights` makes those graphs; the
    weights need not be there.
    """
    from masklet import loading
    from masklet.engine.openvino_store import read_card

    if without_weights is not None:
        if out is not None:
            raise ConfigError("--without-weights names the folder itself; leave --out away")
        path = loading.export_topology(model, without_weights, input_size=input_size)
        row = {"file": str(path), "name": model, "bytes": path.stat().st_size}
        typer.echo(json.dumps(row, indent=2) if as_json else path)
        return
    folder = loading.export(model, out, input_size=input_size)
    card = read_card(folder)
    if as_json:
        bytes_ = sum(path.stat().st_size for path in folder.iterdir())
        row = {"folder": str(folder), "name": card.name, "input_size": card.input_size, "bytes": bytes_}
        typer.echo(json.dumps(row, indent=2))
    else:
        typer.echo(folder)
