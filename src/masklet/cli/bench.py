"""`masklet bench`: how fast models track on this machine."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.options import Boxes, Compiled, Device, Json
from masklet.errors import ConfigError, MaskletError, VideoError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from rich.table import Table

    from masklet.bench.case import Case, Measured
    from masklet.bench.clip import Clip


def add_to(app: typer.Typer) -> None:
    app.command("bench", short_help="Measure speed, stage by stage.")(bench)


def bench(
    ctx: typer.Context,
    video: Annotated[
        Path | None,
        typer.Argument(help="A video or folder of pictures; by default a 720p clip made on the spot."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="A checkpoint; may be repeated.")
    ] = None,
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help="torch or openvino; may be repeated.")
    ] = None,
    device: Device = None,
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="float32, bfloat16 or float16; by default the quickest.")
    ] = None,
    input_size: Annotated[
        list[int] | None,
        typer.Option("--input-size", help="Side pictures are resized to; may be repeated."),
    ] = None,
    objects: Annotated[
        list[int] | None, typer.Option("--objects", help="How many to follow; may be repeated. [default: 1]")
    ] = None,
    box: Boxes = None,
    frames: Annotated[int, typer.Option("--frames", help="Frames tracked.")] = 40,
    warmup: Annotated[
        int, typer.Option("--warmup", help="First frames that do not count: memory is full after 16.")
    ] = 16,
    random: Annotated[
        bool, typer.Option("--random", help="Random weights in the network named: speed without a download.")
    ] = False,
    compiled: Compiled = False,
    against: Annotated[
        list[str] | None,
        typer.Option("--against", help="sam2 or transformers: the same weights and frames in its code."),
    ] = None,
    here: Annotated[
        bool, typer.Option("--here", help="Measure in this process; its memory is then that of all cases.")
    ] = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write the stages as a picture (.svg).", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """`masklet bench --model masklet-tiny --engine torch --engine openvino --objects 1 --objects 10`

    Track objects through a clip and print frames a second, median and 95th percentile, each stage's
    share, loading time, peak memory, and the mean IoU with the clip's truth. Every configuration runs
    in a process of its own, one after another. Leave the machine alone meanwhile, and compare figures
    of one run only.

    `--against sam2` runs the official code on the same weights and frames and prints the ratio.
    """
    from masklet.bench.case import ratios
    from masklet.bench.report import document
    from masklet.bench.report import plot as draw

    if plot is not None and plot.suffix.lower() != ".svg":
        raise ConfigError(f"cannot draw {plot}: name it .svg")
    counts = objects or [1]
    if not (here or random):
        _check_models(model or [DEFAULT])
    if video is not None:
        _check_own(video, len(box or []), max(counts))
    measured: list[Measured] = []
    skipped: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        clip = None
        if video is None:
            clip = _clip(max(counts), frames, Path(folder))
            video = Path(folder, "clip.mp4")
        given = [_box(text) for text in box] if box else []
        boxes = tuple(given) if clip is None else clip.boxes()
        settings = {
            "video": str(video),
            "boxes": boxes,
            "device": device,
            "dtype": dtype,
            "frames": frames,
            "warmup": warmup,
            "random": random,
            "compiled": compiled,
        }
        cases = _cases(model or [DEFAULT], engine, input_size, counts, against or [], settings)
        for case in cases:
            _measure_into(measured, skipped, case, clip, ctx.obj if here else None)
    if plot is not None and measured:
        plot.write_text(draw(measured))
    if as_json:
        typer.echo(json.dumps({**document(measured), "skipped": skipped}, indent=2))
    elif measured:
        _print_tables(measured)
        for ratio in ratios(measured):
            typer.echo(str(ratio))
    if not measured:
        raise ConfigError("nothing could be measured")


def _check_models(names: Sequence[str]) -> None:
    """Raise for a model that is not there: a process of its own would only find out after others."""
    from masklet.engine.openvino_store import is_exported
    from masklet.model.registry import resolve

    for name in names:
        if not is_exported(name):
            resolve(name)


def _check_own(video: Path, boxes: int, objects: int) -> None:
    """Raise unless somebody's own video is there, and has a box for each object."""
    if not video.exists():
        raise VideoError(f"{video} does not exist; check the path")
    if boxes < objects:
        raise ConfigError(
            f"{video} needs a --box X0,Y0,X1,Y1 for each object on its first frame: {objects} wanted, "
            f"{boxes} given"
        )


def _clip(objects: int, frames: int, folder: Path) -> Clip:
    from masklet.bench.clip import Clip

    if objects < 1:
        raise ConfigError(f"--objects {objects} must be at least 1")
    if frames < 2:
        raise ConfigError(f"--frames {frames} must be at least 2")
    clip = Clip(objects=objects, frames=frames)
    clip.write(folder / "clip.mp4")
    return clip


def _box(text: str) -> tuple[float, float, float, float]:
    from masklet.cli.prompts import parse_box

    return parse_box(text).corners


def _cases(
    models: Sequence[str],
    engines: Sequence[str] | None,
    sizes: Sequence[int] | None,
    counts: Sequence[int],
    peers: Sequence[str],
    settings: dict[str, Any],
) -> list[Case]:
    """Ours, then the peers, of every combination."""
    from masklet.bench.case import PEERS, Case

    if unknown := [peer for peer in peers if peer not in PEERS]:
        raise ConfigError(f"--against {unknown[0]} is unknown; use {' or '.join(PEERS)}")
    cases: list[Case] = []
    all_sizes: Sequence[int | None] = sizes or [None]
    all_engines: Sequence[str | None] = engines or [None]
    for name, size, count in product(models, all_sizes, counts):
        one = {**settings, "model": name, "input_size": size, "objects": count}
        cases += [Case(**one, engine=engine) for engine in all_engines]
        cases += [Case(**one, by=peer) for peer in peers]
    return cases


def _measure_into(
    measured: list[Measured],
    skipped: list[str],
    case: Case,
    clip: Clip | None,
    load: Callable[..., Any] | None,
) -> None:
    """Measure one case; what cannot be run is told in a line, and the others go on."""
    from masklet.bench.run import measure, measure_apart

    who = f"{case.model}, {case.engine or 'default engine'}" if case.by == "masklet" else case.by
    print(f"measuring {who}, {case.objects} object(s) …", file=sys.stderr)
    try:
        measured.append(measure_apart(case, clip) if load is None else measure(case, clip, load))
    except Exception as error:
        # A peer's own code may fail in any way; that must not cost the figures of the others.
        if case.by == "masklet" and not isinstance(error, MaskletError):
            raise
        skipped.append(f"{who}: {error}")
        print(f"skipped {who}: {' '.join(str(error).split())}", file=sys.stderr)


def _print_tables(measured: Sequence[Measured]) -> None:
    """Two tables, each narrow enough for a small terminal: what a user feels, and where the time went."""
    from masklet.bench.case import STAGES
    from masklet.cli.screen import console

    numbers = ("side", "objects", "frames/s", "p50 ms", "p95 ms", "load s", "first s", "MB", "IoU")
    speed = _table("model", "on", numbers=numbers)
    shares = _table("ms a frame", "side", numbers=("objects", *STAGES))
    for m in measured:
        who = m.case.model if m.case.by == "masklet" else f"{m.case.model} by {m.case.by}"
        speed.add_row(
            who,
            m.device,
            str(m.input_size),
            str(m.case.objects),
            f"{m.fps:.2f}",
            f"{1000 * m.percentile(0.5):.0f}",
            f"{1000 * m.percentile(0.95):.0f}",
            f"{m.load:.2f}",
            f"{m.first:.2f}",
            "–" if m.peak_memory is None else f"{m.peak_memory / 1e6:.0f}",
            "–" if m.iou is None else f"{m.iou:.3f}",
        )
        if m.stages:
            stages = [f"{1000 * m.stages[name]:.1f}" for name in STAGES]
            on = who if m.case.engine is None else f"{who}, {m.case.engine}"
            shares.add_row(on, str(m.input_size), str(m.case.objects), *stages)
    out = console()
    out.print(speed)
    if shares.row_count:
        out.print()
        out.print(shares)


def _table(*names: str, numbers: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        table.add_column(name)
    for name in numbers:
        table.add_column(name.replace("_", " "), justify="right")
    return table
