"""`masklet evaluate clips`: a test set of made-up clips, in which objects leave and return."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masklet.cli.progress import progress_bar
from masklet.errors import ConfigError

if TYPE_CHECKING:
    from masklet.data.clips import ClipSettings


FRAMES, SIZE, LEAVE, COVER = 24, 384, 0.5, 0.5
"""Frames of each clip, side in pixels, chances of leaving and of being hidden, unless told."""


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
    frames: Annotated[int, typer.Option("--frames", help="Frames of each.")] = FRAMES,
    size: Annotated[int, typer.Option("--size", help="Side of the square frames, pixels.")] = SIZE,
    objects: Annotated[int, typer.Option("--objects", help="Most labelled objects in a clip.")] = 1,
    leave: Annotated[float, typer.Option("--leave", help="Chance that a moving object leaves.")] = LEAVE,
    cover: Annotated[float, typer.Option("--cover", help="Chance that something hides an object.")] = COVER,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same clips.")] = 0,
) -> None:
    """`masklet evaluate clips --root coco --every 5 -o clips/`

    Make a test set from labelled pictures: objects move, are hidden, leave and come back, with the truth on
    every frame. On real video one has to look long for as many returns. Use pictures that no training saw.
    `masklet evaluate davis --root clips/` measures on it.
    """
    from masklet.data.clips import ClipSettings

    for name, value in (("--every", every), ("--count", count)):
        if value < 1:
            raise ConfigError(f"{name} {value} must be at least 1")
    settings = ClipSettings(frames=frames, size=size, max_objects=objects, leave=leave, cover=cover)
    made = _make(root, out, every=every, count=count, settings=settings, seed=seed)
    typer.echo(f"{out}: {made} clips of {frames} frames")


def made_clips(root: Path, out: Path, *, every: int, count: int, objects: int) -> Path:
    """The test set that `clips` makes unless told more, in `out`; made now if it is not there yet."""
    from masklet.data.clips import ClipSettings

    if not out.is_dir():
        # Whole or not at all: what a killed command left behind would pass for the set.
        begun = out.with_name(f"{out.name}.{os.getpid()}.part")
        shutil.rmtree(begun, ignore_errors=True)
        settings = ClipSettings(frames=FRAMES, size=SIZE, max_objects=objects, leave=LEAVE, cover=COVER)
        _make(root, begun, every=every, count=count, settings=settings, seed=0)
        begun.rename(out)
    return out


def _make(root: Path, out: Path, *, every: int, count: int, settings: ClipSettings, seed: int) -> int:
    """Make the clips, with a bar, and say how many there are."""
    from masklet.data.clip_folder import write_clips
    from masklet.data.coco import CocoMasks
    from masklet.data.datasets import ImagePool
    from masklet.data.synthetic import ClipSynthesiser

    file = root / "instances.json" if root.is_dir() else root
    pool = ImagePool([CocoMasks(file, keep=lambda record: int(record["id"]) % every == 0)])
    made = 0
    with progress_bar("making clips") as show:
        for _ in write_clips(ClipSynthesiser(pool, settings), out, count, seed):
            made += 1
            show(made, count)
    return made
