"""`masklet batch`: whole collections of videos, as a manifest lists them."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.interrupt import Interrupted, stopping_gently
from masklet.cli.options import Device, Json, Model
from masklet.cli.progress import progress_bar
from masklet.errors import ConfigError, MaskletError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.batch.ledger import Result
    from masklet.batch.run import Engine

ENGINES = ("processes", "ray")
NOT_DONE = ("damaged", "failed", "refused")


def add_to(app: typer.Typer) -> None:
    app.command("batch", short_help="Follow objects through whole collections of videos.")(batch)


def batch(
    manifest: Annotated[
        str, typer.Argument(help="A path or URI of JSON lines, a row each.", show_default=False)
    ],
    out: Annotated[
        str, typer.Option("--out", help="The folder of the outputs: a path or a URI.", show_default=False)
    ],
    engine: Annotated[
        str, typer.Option("--engine", help="processes: on this machine; ray: on a cluster, with Ray Data.")
    ] = "processes",
    workers: Annotated[int, typer.Option("--workers", help="How many models work at once.")] = 1,
    chunk: Annotated[
        int,
        typer.Option("--chunk", help="Most frames between two savings of a row, where a killed run goes on."),
    ] = 256,
    time_limit: Annotated[
        float | None,
        typer.Option("--time-limit", help="Most seconds a row may take.", show_default=False),
    ] = None,
    retries: Annotated[
        int, typer.Option("--retries", help="How often a row is tried again after its worker died.")
    ] = 1,
    address: Annotated[
        str | None,
        typer.Option(
            "--address", help="The Ray cluster; by default one is started here.", show_default=False
        ),
    ] = None,
    cpus: Annotated[float, typer.Option("--cpus", help="With Ray: CPUs of each worker.")] = 1.0,
    gpus: Annotated[float, typer.Option("--gpus", help="With Ray: GPUs of each worker, also parts.")] = 0.0,
    rows_a_call: Annotated[
        int, typer.Option("--batch", help="With Ray: pieces of work that one call of a worker takes.")
    ] = 1,
    loader: Annotated[
        str | None,
        typer.Option(
            "--loader", metavar="MODULE:FUNCTION", help="What opens the model instead of masklet.load."
        ),
    ] = None,
    model: Model = DEFAULT,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet batch manifest.jsonl --out results/ --workers 2`

    Follow objects through whole collections of videos. Each line of the manifest is a row:
    `{"video": "dance.mp4", "prompts": [{"object": 1, "frame": 0, "clicks": [[210, 350]]}]}`.

    Run again, it goes on where it was; rows that are done are not done again. Ctrl-C keeps them too.
    """
    from masklet.batch.job import Job, ModelSpec
    from masklet.batch.manifest import read_manifest
    from masklet.batch.run import run_batch
    from masklet.batch.storage import Store, read_text

    if workers < 1:
        raise ConfigError(f"--workers {workers} must be at least 1")
    spec = ModelSpec(model, device) if loader is None else ModelSpec(model, device, loader=loader)
    job = Job(Store(out), spec, chunk, time_limit, retries)
    doing = _engine(engine, workers, address, cpus, gpus, rows_a_call)
    try:
        rows, refusals = read_manifest(read_text(manifest), manifest.rpartition("/")[0])
    except MaskletError as error:
        raise type(error)(f"{manifest}: {error}" if manifest not in str(error) else str(error)) from error
    stop = threading.Event()
    with stopping_gently(stop.set) as interruption:
        results = list(_shown(run_batch(rows, refusals, job, doing, stop), len(rows) + len(refusals)))
    if as_json:
        results.sort(key=lambda result: result["line"])
        typer.echo(json.dumps({"out": out, "rows": results}, indent=2))
    _judge(results, len(rows) + len(refusals), out, interrupted=interruption.happened)


def _engine(
    name: str, workers: int, address: str | None, cpus: float, gpus: float, rows_a_call: int
) -> Engine:
    """What does the rows; raises ConfigError for an engine or a setting there is none of."""
    from functools import partial

    if name == "processes":
        from masklet.batch import processes

        return partial(processes.run, workers=workers)
    if name == "ray":
        from masklet.batch import ray_engine

        options = ray_engine.RayOptions(workers, cpus, gpus, rows_a_call, address)
        return partial(ray_engine.run, options=options)
    raise ConfigError(f"--engine {name!r} is unknown; give {' or '.join(ENGINES)}")


def _shown(results: Iterator[Result], total: int) -> Iterator[Result]:
    """The results as they come: a bar, and a line on stderr for each that is not done."""
    with progress_bar("rows") as show:
        show(0, total)
        for number, result in enumerate(results, start=1):
            if result["status"] != "done":
                print(_complaint(result), file=sys.stderr)
            show(number, total)
            yield result


def _complaint(result: Result) -> str:
    error = " ".join(str(result["error"]).split())
    if result["status"] == "refused":
        return error  # names its line
    named = f" ({result['id']})" if result["id"] else ""
    return f"line {result['line']}{named}: {result['video']}: {error}"


def _judge(results: list[Any], total: int, out: str, *, interrupted: bool) -> None:
    """Leave with an error when not everything is done."""
    counts = Counter(result["status"] for result in results)
    if interrupted and len(results) < total:
        raise Interrupted(f"interrupted; {counts['done']} of {total} rows are done, the next run goes on")
    if counts["done"] < total:
        kinds = [f"{counts[status]} {status}" for status in NOT_DONE if counts[status]]
        missing = f"{total - counts['done']} of {total} rows are not done ({', '.join(kinds)})"
        raise MaskletError(f"{missing}; see {out}/results.jsonl")
