"""What the commands that measure share: options, progress, and what becomes of a result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from masklet.cli.tables import failed, percent, print_comparison, print_document
from masklet.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from masklet.evaluate.document import Document
    from masklet.evaluate.measure import Model, Running
    from masklet.evaluate.readers import VideoSet
    from masklet.evaluate.results import SequenceScore
    from masklet.predict.segmenter import Segmenter

JsonFile = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="OUT.JSON",
        help="Everything measured. A killed run that is repeated goes on where it was.",
        show_default=False,
    ),
]
Page = Annotated[
    Path | None,
    typer.Option("--html", metavar="REPORT.HTML", help="A page with plots and the worst frames."),
]
Earlier = Annotated[
    Path | None, typer.Option("--compare", metavar="EARLIER.JSON", help="Then compare with this result.")
]


def finish(
    document: Document,
    how: Running,
    json_file: Path | None,
    html: Path | None,
    earlier: Path | None,
    videos: VideoSet | None,
) -> int:
    """Write and print a result; gives the exit code: 1 when something could not be measured."""
    from masklet.evaluate.compare import compare as paired
    from masklet.evaluate.document import read, write
    from masklet.evaluate.measure import forget_journal
    from masklet.evaluate.report import write_page

    if json_file is not None:
        write(json_file, document)
        forget_journal(how, document)
    if html is not None:
        write_page(html, [document], videos)
    print_document(document)
    if earlier is not None:
        print_comparison(paired(read(earlier), document))
    return 1 if failed(document) else 0


def open_set(root: Path, format: str, split: str | None, sequences: Sequence[str] | None) -> VideoSet:
    """A data set of videos, or the sequences of it that were asked for."""
    from dataclasses import replace

    from masklet.evaluate.readers import open_videos

    videos = open_videos(root, format, split=split)
    if not sequences:
        return videos
    unknown = [name for name in sequences if name not in videos.names]
    if unknown:
        raise ConfigError(f"sequence {unknown[0]} is not in {root}; there are {', '.join(videos.names[:8])}")
    return replace(videos, names=tuple(sequences))


def model_to_measure(
    load: Callable[..., Any],
    name: str,
    device: str | None,
    input_size: int | None,
    *,
    engine: str | None = None,
    pictures: bool = False,
) -> Model:
    """A model by name, opened by each worker for itself; for pictures the image path alone will do."""
    from masklet.evaluate.measure import Model

    given = {"input_size": input_size, "engine": engine}
    options = {key: value for key, value in given.items() if value is not None}
    return Model(name, partial(_load, load, name, device, options, pictures), input_size, engine)


def _load(
    load: Callable[..., Any],
    name: str,
    device: str | None,
    options: dict[str, Any],
    pictures: bool,
    worker: int,
) -> Segmenter:
    """Open the model in a worker; several devices are shared out among the workers."""
    devices = device.split(",") if device else [None]
    own = devices[worker % len(devices)]
    if pictures:
        from masklet.evaluate.image_model import load_for_pictures

        return load_for_pictures(name, device=own, load=load, **options)
    try:
        return cast("Segmenter", load(name, device=own, **options))
    except CheckpointError as error:
        raise CheckpointError(f"{error} (a video needs a complete checkpoint)") from error


def read_categories(path: Path) -> frozenset[str]:
    """Names, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    return frozenset(line.strip() for line in lines if line.strip())


@contextmanager
def running(
    words: str,
    processes: int,
    json_file: Path | None,
    html: Path | None = None,
    earlier: Path | None = None,
    *,
    keep: bool = False,
) -> Iterator[Running]:
    """Progress on stderr; checks before the work what would be a pity to find out after it.

    keep   a finished result of the same settings in `json_file` is taken as it is
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from masklet.evaluate.document import read
    from masklet.evaluate.measure import Running
    from masklet.video.draft import check_parent

    if processes < 1:
        raise ConfigError(f"--processes {processes} must be at least 1")
    for path in (json_file, html):
        if path is not None:
            check_parent(path)
    if earlier is not None:
        read(earlier)
    journal = json_file.with_name(json_file.name + ".journal") if json_file is not None else None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(words, total=None)

        def step(score: SequenceScore, done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, description=f"{words} · {_in_short(score)}")

        yield Running(processes, journal, step, json_file if keep else None)


def _in_short(score: SequenceScore) -> str:
    """The latest score, beside the bar."""
    if score.error is not None:
        return f"{score.name} failed"
    return f"{score.name} J&F {percent(score.jf)}" if score.objects else score.name
