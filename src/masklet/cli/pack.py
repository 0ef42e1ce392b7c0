"""`masklet pack`: training data as a few small files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.progress import progress_bar


def add_to(app: typer.Typer) -> None:
    app.command("pack", short_help="Pack training data into a few small files.")(pack)


def pack(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder of data sets, each with instances.json and images/.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="A folder for the shards.", show_default=False)],
    side: Annotated[
        int, typer.Option("--side", help="Longest side of a picture, pixels; 0 keeps all.")
    ] = 640,
    megabytes: Annotated[int, typer.Option("--megabytes", help="Most of a shard.")] = 58,
    quality: Annotated[int, typer.Option("--quality", help="Of the WebP files, 1 to 100.")] = 85,
) -> None:
    """`masklet pack pictures/ -o shards/`

    Pack the pictures and masks that training would use into shards: for a machine without a network, or one
    that takes only small files. `masklet train RECIPE --data shards/` reads them where they lie. Pictures
    that are held out for measuring stay out.
    """
    from masklet.data.datasets import training_images
    from masklet.data.shards import ShardSettings, write_shards

    settings = ShardSettings(side=side, limit=megabytes * 1_000_000, quality=quality)
    pool = training_images(data)
    shards = []
    with progress_bar("packing", "shards/s") as show:
        for shard in write_shards(pool.sets, out, settings):
            shards.append(shard)
            show(len(shards), len(shards), shard.name)
    skipped = sum(len(problems) for problems in pool.problems)
    total = sum(shard.stat().st_size for shard in shards)
    typer.echo(f"{out}: {len(shards)} shards, {total / 1e6:.1f} MB; {skipped} pictures or masks left out")
