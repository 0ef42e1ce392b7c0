"""`masklet evaluate clips`: a test set of made-up clips, in which objects leave and return."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.progress import progress_bar
from masklet.errors import ConfigError


def clips(
    root: Annotated[
        Path,
        typer.Option(
            "--root", help="A COCO instance JSON, or a folder with instances.json.", show_default=False
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="A new folder, in DAVIS's layout.", show_default=False)
    ],
    every: Annotated[int, typer.Option("--every", help="Only pictures whose id is divisible by this.")] = 1,
    count: Annotated[int, typer.Option("--count", help="How many clips.")] = 40,
    frames: Annotated[int, typer.Option("--frames", help="Frames of each.")] = 24,
    size: Annotated[int, typer.Option("--size", help="Side of the square frames, pixels.")] = 384,
    objects: Annotated[int, typer.Option("--objects", help="Most labelled objects in a clip.")] = 1,
    leave: Annotated[float, typer.Option("--leave", help="Chance that a moving object leaves.")] = 0.5,
    cover: Annotated[float, typer.Option("--cover", help="Chance that something hides an object.")] = 0.5,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same clips.")] = 0,
) -> None:
    """`masklet evaluate clips --root coco --every 5 -o clips/`

    Make a test set from labelled pictures: objects move, are hidden, leave and come back, with the truth on
    every frame. On real video one has to look long for as many returns. Use pictures that no training saw.
    `masklet evaluate davis --root clips/` measures on it.
    """
    from masklet.data.clip_folder import write_clips
    from masklet.data.clips import ClipSettings
    from masklet.data.coco import CocoMasks
    from masklet.data.datasets import ImagePool
    from masklet.data.synthetic import ClipSynthesiser

    for name, value in (("--every", every), ("--count", count)):
        if value < 1:
            raise ConfigError(f"{name} {value} must be at least 1")
    settings = ClipSettings(frames=frames, size=size, max_objects=objects, leave=leave, cover=cover)
    file = root / "instances.json" if root.is_dir() else root
    pool = ImagePool([CocoMasks(file, keep=lambda record: int(record["id"]) % every == 0)])
    made = 0
    with progress_bar("making clips") as show:
        for _ in write_clips(ClipSynthesiser(pool, settings), out, count, seed):
            made += 1
            show(made, count)
    typer.echo(f"{out}: {made} clips of {frames} frames")
