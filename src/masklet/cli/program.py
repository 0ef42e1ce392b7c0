"""The program around the subcommands: assembling them, and turning errors into one line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from masklet.cli import (
    annotate,
    auto,
    average,
    batch,
    bench,
    distill,
    evaluate,
    export,
    models,
    pack,
    pseudo,
    score,
    segment,
    serve,
    track,
    train,
)
from masklet.cli.interrupt import Interrupted, sigterm_as_ctrl_c
from masklet.errors import ConfigError, MaskletError, PromptError, UnknownFrameError, UnknownObjectError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130
DEBUG_VARIABLE = "MASKLET_DEBUG"

_USAGE_ERRORS = (PromptError, ConfigError, UnknownFrameError, UnknownObjectError)
"""Errors that another command line would not have."""

# Typer brings its own copy of click from some version on; this is whichever one it uses.
_ClickException: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class InOrder(TyperGroup):
    """Lists subcommands as they are added, not by alphabet."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


def application() -> typer.Typer:
    """The command line, assembled."""
    app = typer.Typer(cls=InOrder, add_completion=False, no_args_is_help=True, rich_markup_mode="markdown")
    app.callback()(_root)
    segment.add_to(app)
    track.add_to(app)
    auto.add_to(app)
    annotate.add_to(app)
    batch.add_to(app)
    evaluate.add_to(app)
    score.add_to(app)
    train.add_to(app)
    distill.add_to(app)
    pseudo.add_to(app)
    pack.add_to(app)
    average.add_to(app)
    bench.add_to(app)
    export.add_to(app)
    serve.add_to(app)
    models.add_to(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        import masklet

        typer.echo(f"masklet {masklet.__version__}")
        raise typer.Exit


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_show_version, is_eager=True
    ),
) -> None:
    """`masklet track video.mp4 --click 210,350 -o overlay.mp4`

    Segment any object in an image or a video from a click, a box or a mask, and follow it.
    Each command's --help opens with an example.
    """


def main(arguments: Sequence[str] | None = None, *, load: Callable[..., Any] | None = None) -> None:
    """Run the command line and leave the process with its exit code.

    load   opens a model, as `masklet.load` does; a test gives its own
    """
    sys.exit(run(arguments, load=load))


def run(arguments: Sequence[str] | None = None, *, load: Callable[..., Any] | None = None) -> int:
    """Run the command line; returns the exit code, whatever happens."""
    try:
        with sigterm_as_ctrl_c():
            return _run(list(sys.argv[1:] if arguments is None else arguments), load or _load)
    except BaseException as error:
        if isinstance(error, SystemExit):
            return error.code if isinstance(error.code, int) else FAILED
        if os.environ.get(DEBUG_VARIABLE, "0") not in ("", "0"):
            traceback.print_exc()
        code, message = verdict(error)
        if message:  # `masklet` alone has printed its help and has nothing to add
            print(f"masklet: {message}", file=sys.stderr)
        return code


def _run(arguments: list[str], load: Callable[..., Any]) -> int:
    command = typer.main.get_command(application())
    # Standing alone, click would print its errors over several lines and leave by itself.
    result = command.main(arguments, prog_name="masklet", standalone_mode=False, obj=load)
    if result == INTERRUPTED:
        raise KeyboardInterrupt  # some versions turn it into a result
    return result if isinstance(result, int) else 0


def verdict(error: BaseException) -> tuple[int, str]:
    """The exit code of an error, and the line that says what happened."""
    if isinstance(error, Interrupted):
        return INTERRUPTED, _one_line(str(error))
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return INTERRUPTED, "interrupted"
    if isinstance(error, _USAGE_ERRORS):
        return WRONG_USAGE, _one_line(str(error))
    if isinstance(error, MaskletError):
        return FAILED, _one_line(str(error))
    if isinstance(error, _ClickException):
        message = _one_line(error.format_message())
        return error.exit_code, message and message + _see_help(error)
    if isinstance(error, OSError):
        where = error.filename or "an output"
        reason = f"{error.strerror}: {where}" if error.strerror else str(error)
        return FAILED, _one_line(reason)
    if isinstance(error, MemoryError) or _is_out_of_memory(error):
        return FAILED, "out of memory; try a smaller --input-size, --device cpu or fewer objects at once"
    what = _one_line(str(error))
    return FAILED, f"unexpected {type(error).__name__}: {what} ({DEBUG_VARIABLE}=1 shows where)"


def _is_out_of_memory(error: BaseException) -> bool:
    """PyTorch's way to say it, on GPUs and on CPUs."""
    said = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in said or "can't allocate memory" in said)


def _see_help(error: Any) -> str:
    context = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context is not None else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _load(name: str, *, device: str | None, input_size: int | None = None, engine: str | None = None) -> Any:
    import masklet

    return masklet.load(name, engine=engine, device=device, input_size=input_size)
