"""What the commands that measure share: options, progress, and what becomes of a result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from masklet.cli.tables import failed, percent, print_comparison, print_document
from masklet.errors import ConfigError

if TYPE_CHECKING:
    from masklet.evaluate.document import Document
    from masklet.evaluate.measure import Running
    from masklet.evaluate.readers import VideoSet
    from masklet.evaluate.results import SequenceScore

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


def read_categories(path: Path) -> frozenset[str]:
    """Names, one a line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    return frozenset(line.strip() for line in lines if line.strip())


@contextmanager
def running(
    words: str, processes: int, json_file: Path | None, html: Path | None, earlier: Path | None
) -> Iterator[Running]:
    """Progress on stderr; checks before the work what would be a pity to find out after it."""
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

        yield Running(processes, journal, step)


def _in_short(score: SequenceScore) -> str:
    """The latest score, beside the bar."""
    if score.error is not None:
        return f"{score.name} failed"
    return f"{score.name} J&F {percent(score.jf)}" if score.objects else score.name
