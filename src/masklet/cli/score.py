"""`masklet score`: how good masks are, whichever tool wrote them. Needs no model."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.measuring import Earlier, JsonFile, Page, finish, read_categories, running
from masklet.errors import ConfigError, DataError

FORMATS = ("davis", "ytvos", "mose", "lvos", "vipseg", "sav", "all", "coco")


def add_to(app: typer.Typer) -> None:
    app.command("score", short_help="Score masks that any tool wrote.")(score)


def score(
    truth: Annotated[
        Path, typer.Option("--gt", help="The true masks: a data set's folder.", show_default=False)
    ],
    predictions: Annotated[
        Path, typer.Option("--pred", help="The masks to score: a folder a sequence.", show_default=False)
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format", help=f"Which frames and objects count: {', '.join(FORMATS)} (all: every frame)."
        ),
    ] = "davis",
    split: Annotated[
        str | None, typer.Option("--split", help="A list in ImageSets, such as val; by default all.")
    ] = None,
    predicted_only: Annotated[
        bool, typer.Option("--predicted-only", help="Leave out sequences that have no predictions.")
    ] = False,
    seen: Annotated[
        Path | None,
        typer.Option(
            "--seen",
            metavar="FILE",
            help="Categories of the training data, one a line: gives YouTube-VOS's G.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", help="By default one a core.", show_default=False)
    ] = None,
    json_file: JsonFile = None,
    html: Page = None,
    earlier: Earlier = None,
) -> int:
    """`masklet score --gt DAVIS --pred results --format davis`

    J, F and J&F of masks on disk: `SEQUENCE/FRAME.png` with object ids as pixel values,
    `SEQUENCE/OBJECT/FRAME.png` black and white, or `SEQUENCE.json` as SA-V or `masklet track` has it. With
    `--format coco`, a COCO instance JSON and a COCO results JSON.
    """
    from masklet.evaluate.coco_score import measure_coco
    from masklet.evaluate.measure import measure_masks
    from masklet.evaluate.readers import open_videos

    if format not in FORMATS:
        raise ConfigError(f"format {format} is unknown; choose one of {', '.join(FORMATS)}")
    workers = processes if processes is not None else os.cpu_count() or 1
    if format == "coco":
        if split or seen or predicted_only:
            raise ConfigError("--split, --seen and --predicted-only do not go with --format coco")
        with running("coco", workers, None, html, earlier) as how:
            document = measure_coco(truth, predictions)
        return finish(document, replace(how, journal=None), json_file, html, earlier, None)
    videos = open_videos(truth, format, split=split, need_frames=False)
    if predicted_only:
        names = tuple(n for n in videos.names if any((predictions / f).exists() for f in (n, f"{n}.json")))
        if not names:
            raise DataError(f"{predictions} has predictions for no sequence of {truth}")
        videos = replace(videos, names=names)
    with running(format, workers, json_file, html, earlier) as how:
        document = measure_masks(
            videos, predictions, seen=read_categories(seen) if seen else None, running=how
        )
    return finish(document, how, json_file, html, earlier, videos)
