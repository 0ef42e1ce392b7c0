"""`masklet serve`: the studio in the browser, for one person or a team."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from masklet.cli.interrupt import leave_sigterm_to_the_server
from masklet.cli.options import Engine, InputSize, open_model
from masklet.cli.served_model import served_model
from masklet.errors import ConfigError
from masklet.model.registry import DEFAULT, QUICK

STORE_VARIABLE, TOKEN_VARIABLE, SAGEMAKER_VARIABLE = "MASKLET_STORE", "MASKLET_TOKEN", "MASKLET_SAGEMAKER"
PORT, SAGEMAKER_PORT = 7860, 8080
GIB = 2**30


def add_to(app: typer.Typer) -> None:
    app.command("serve", short_help="Open the studio in the browser; serve it to others.")(serve)


def serve(
    ctx: typer.Context,
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; other than this machine's own needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen on; 0 takes a free one.")] = PORT,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A name from `masklet models`, or the path of a checkpoint file or a run's folder. "
            f"[default: the projects' own; without a project {DEFAULT} on a GPU, else {QUICK}]",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", help="Where to compute: cpu, cuda, mps; several by comma share the workers."
        ),
    ] = None,
    engine: Engine = None,
    input_size: InputSize = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Models that work at once, each with a thread.", min=1)
    ] = 1,
    gallery: Annotated[
        Path | None,
        typer.Option("--gallery", help="A folder of videos and photos that everybody may open."),
    ] = None,
    project: Annotated[
        list[Path] | None,
        typer.Option(
            "--project",
            metavar="DIR",
            help="A project of `masklet annotate`, for annotating and reviewing in the studio; repeatable.",
        ),
    ] = None,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", help="Where uploads and work are kept. [default: $MASKLET_STORE or ~/.masklet]"
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option("--token", help="What clients must show; `new` makes one. [default: $MASKLET_TOKEN]"),
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", metavar="URL", help="Another site whose pages may use the server."),
    ] = None,
    most_upload: Annotated[
        float, typer.Option("--max-upload", metavar="GIB", help="Largest file taken, in GiB.")
    ] = 4,
    most_photo: Annotated[
        float,
        typer.Option("--max-photo", metavar="MP", help="Largest photo taken, in megapixels.", min=1, max=178),
    ] = 64,
    most_store: Annotated[
        float, typer.Option("--max-store", metavar="GIB", help="Most the store may hold, in GiB.")
    ] = 64,
    most_live: Annotated[
        int, typer.Option("--max-live", metavar="N", help="Most sessions in memory at once.")
    ] = 32,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Don't open the page; print its address only.")
    ] = False,
    sagemaker: Annotated[
        bool,
        typer.Option(
            "--sagemaker",
            help="Amazon SageMaker's contract: port 8080, /ping, /invocations, weights from /opt/ml/model. "
            "[also: $MASKLET_SAGEMAKER=1]",
        ),
    ] = False,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log one JSON object a line, for machines.")
    ] = False,
) -> None:
    """`masklet serve --gallery videos/`

    Open the studio: click, track, correct and finish in the browser.

    It answers on this machine alone until `--host` says otherwise. Ctrl-C saves everything and ends it;
    what was done is there again the next time.
    """
    from masklet.serving import Limits, Settings, serve_until_stopped

    sagemaker = sagemaker or os.environ.get(SAGEMAKER_VARIABLE) == "1"
    if sagemaker:
        from masklet.serving import model_in

        if port not in (PORT, SAGEMAKER_PORT):
            typer.echo(f"--sagemaker listens on port {SAGEMAKER_PORT}; --port {port} is left out", err=True)
        host, port, no_browser, log_json = "0.0.0.0", SAGEMAKER_PORT, True, True
        model = str(found) if (found := model_in()) else model
    devices = [name.strip() or None for name in (device or "").split(",")]
    chosen = served_model(model, project or (), devices, engine)
    token = token or os.environ.get(TOKEN_VARIABLE) or None
    token = secrets.token_urlsafe(24) if token == "new" else token
    settings = Settings(
        store=(store or Path(os.environ.get(STORE_VARIABLE) or "~/.masklet")).expanduser().absolute(),
        gallery=gallery,
        projects=tuple(project or ()),
        model=chosen.name,
        host=host,
        port=port,
        token=token,
        origins=tuple(origin or ()),
        sagemaker=sagemaker,
        limits=Limits(
            upload_bytes=int(most_upload * GIB),
            photo_pixels=int(most_photo * 1e6),
            store_bytes=int(most_store * GIB),
            live=most_live,
        ),
    )
    loads = _loads(ctx.obj, chosen.name, devices, engine, input_size, workers)

    def say(address: str) -> None:
        typer.echo(f"masklet studio: {address}{f'?token={token}' if token else ''}")
        for line in chosen.lines:
            typer.echo(line)

    leave_sigterm_to_the_server()
    serve_until_stopped(settings, loads, browser=not no_browser, log_json=log_json, say=say)


def _loads(
    load: Callable[..., Any],
    model: str,
    devices: list[str | None],
    engine: str | None,
    input_size: int | None,
    workers: int,
) -> list[Callable[[], Any]]:
    """One loader a worker; devices are dealt out in turn."""
    if len(devices) > max(workers, 1) and workers > 1:
        raise ConfigError(f"{len(devices)} devices for {workers} workers; give at least as many workers")
    count = max(workers, len(devices))
    return [
        partial(open_model, load, model, devices[n % len(devices)], engine, input_size) for n in range(count)
    ]
