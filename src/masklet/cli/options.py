"""Options that several commands share, spelled once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer


def given_path(text: str) -> Path:
    """The path of an argument; an empty one (an unset variable, mostly) would be the folder one is in."""
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A name from `masklet models`, or the path of a checkpoint file or a run's folder.",
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, mps; by default the best there is."),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine", help="torch or openvino (CPU only); by default torch on a GPU, openvino on a CPU."
    ),
]
InputSize = Annotated[
    int | None,
    typer.Option(
        "--input-size",
        help="Side pictures are resized to: less is faster, more is finer; by default the model's own.",
        show_default=False,
    ),
]
Compiled = Annotated[
    bool,
    typer.Option(
        "--compiled",
        help="Let PyTorch compile the network: minutes for the first frames, the others quicker on a GPU.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Photo = Annotated[Path, typer.Argument(help="The picture.", parser=given_path, show_default=False)]
Clicks = Annotated[
    list[str] | None,
    typer.Option(
        "--click", metavar="X,Y[,-]", help="A point on the object, or off it with `,-`; may be repeated."
    ),
]
Boxes = Annotated[
    list[str] | None,
    typer.Option("--box", metavar="X0,Y0,X1,Y1", help="Top-left and bottom-right corner around the object."),
]


def open_model(
    load: Callable[..., Any],
    name: str,
    device: str | None,
    engine: str | None = None,
    input_size: int | None = None,
    compiled: bool = False,
) -> Any:
    """The model of --model, --device, --engine, --input-size and --compiled; a choice nobody made is left to
    `load`."""
    choices = {"engine": engine, "input_size": input_size, "compiled": compiled or None}
    return load(name, device=device, **{key: value for key, value in choices.items() if value is not None})
