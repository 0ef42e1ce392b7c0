"""`masklet models`: which checkpoints there are, and fetching one."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from masklet.model import registry
from masklet.model.registry import KnownCheckpoint


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(rich_markup_mode="markdown")
    group.callback(invoke_without_command=True)(list_models)
    group.command("get", short_help="Download a checkpoint.")(get)
    app.add_typer(group, name="models", short_help="List checkpoints, and download one.")


def list_models(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON on stdout.")] = False,
) -> None:
    """`masklet models`

    List every checkpoint masklet knows by name: size, licence, whether it is on disk, and the input sizes
    at which it runs without PyTorch.
    `masklet models get NAME` fetches one.
    """
    if ctx.invoked_subcommand is not None:
        return
    if as_json:
        typer.echo(json.dumps([_row(checkpoint) for checkpoint in registry.known()], indent=2))
    else:
        _print_table()


def get(
    name: Annotated[str, typer.Argument(help="A name from `masklet models`.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the checkpoint's row as JSON on stdout.")
    ] = False,
) -> None:
    """`masklet models get sam2.1-hiera-large`

    Download a checkpoint into the cache folder ($MASKLET_CACHE, else the platform's own).
    One that is there already is left alone.
    """
    checkpoint = registry.download(name)
    if as_json:
        typer.echo(json.dumps(_row(checkpoint), indent=2))
    else:
        typer.echo("\n".join(str(path) for path in checkpoint.paths))


def _row(checkpoint: KnownCheckpoint) -> dict[str, Any]:
    from masklet.engine.openvino_topology import packed_sizes

    return {
        "name": checkpoint.name,
        "bytes": checkpoint.size,
        "licence": checkpoint.licence,
        "on_disk": checkpoint.is_on_disk,
        "origin": checkpoint.origin,
        "files": [str(path) for path in checkpoint.paths],
        "without_pytorch": list(packed_sizes(checkpoint.name)),
    }


def _print_table() -> None:
    from rich.table import Table

    from masklet.cli.screen import console
    from masklet.engine.openvino_topology import packed_sizes

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("MB", justify="right")
    table.add_column("licence", no_wrap=True)
    table.add_column("on disk", no_wrap=True)
    table.add_column("without PyTorch", no_wrap=True)
    table.add_column("weights by")
    for checkpoint in registry.known():
        size = "–" if checkpoint.size is None else f"{checkpoint.size / 1e6:.0f}"
        here = "yes" if checkpoint.is_on_disk else "no"
        sizes = ", ".join(map(str, packed_sizes(checkpoint.name))) or "–"
        table.add_row(checkpoint.name, size, checkpoint.licence, here, sizes, checkpoint.origin)
    console().print(table)
