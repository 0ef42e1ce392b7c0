"""`masklet evaluate table`: a list of runs, measured and written into a page as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from masklet.cli.clips import made_clips
from masklet.cli.measuring import model_to_measure, open_set, running
from masklet.cli.options import Device
from masklet.errors import DataError, MaskletError

if TYPE_CHECKING:
    from masklet.evaluate.document import Document
    from masklet.evaluate.runs import Run, Subject


def add_to(group: typer.Typer) -> None:
    group.command("table", short_help="Measure a list of runs and write their tables into a page.")(table)


def table(
    ctx: typer.Context,
    runs: Annotated[Path, typer.Argument(metavar="RUNS.TOML", help="What to measure.", show_default=False)],
    data: Annotated[Path, typer.Option("--data", help="The folder that holds the data sets.")] = Path("."),
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="PAGE.MD", help="The page; what stands around stays.")
    ] = Path("docs/results.md"),
    results: Annotated[
        Path, typer.Option("--results", help="A folder for a JSON file of each measurement.")
    ] = Path("results"),
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="RUN", help="Only this run; may be repeated.")
    ] = None,
    device: Device = None,
    processes: Annotated[int, typer.Option("--processes", help="Measure so many sequences at once.")] = 1,
    render_only: Annotated[
        bool, typer.Option("--render-only", help="Measure nothing; write what the folder of results holds.")
    ] = False,
) -> int:
    """`masklet evaluate table docs/results.toml --data DATA --out docs/results.md`

    Measures each run with each model, and writes the tables between two comments of the page. Results
    that are there already and belong to the same settings are kept, so a killed command that is repeated
    goes on. A run that fails is told, and the rest goes on. Tables of runs that the folder of results knows
    nothing of stay in the page.
    """
    from masklet.evaluate.report.markdown import check_page, write_section
    from masklet.evaluate.runs import chosen, read_runs
    from masklet.video.draft import make_folder

    listed = read_runs(runs)
    todo = chosen(listed, only)
    check_page(out)
    make_folder(results)
    done: dict[tuple[Run, Subject], Document | str] = {}
    for run, subject in _pairs(todo):
        file = _file(results, run, subject)
        try:
            if render_only:
                done[run, subject] = _stored(file)
            else:
                done[run, subject] = _measured(ctx.obj, run, subject, data, file, device, processes)
        except Exception as error:
            # Hours of other runs must not be lost to one; what went wrong stands in its place.
            reason = " ".join(str(error).split())
            if not isinstance(error, MaskletError):
                reason = f"{type(error).__name__}: {reason}"
            typer.echo(f"{run.name}, {subject}: {reason}", err=True)
            done[run, subject] = reason
        write_section(out, _everything(listed, done, results), listed)
    failed = [one for one in done.values() if isinstance(one, str) or one.summary.get("failed")]
    return 1 if failed else 0


def _everything(
    listed: Sequence[Run], done: Mapping[tuple[Run, Subject], Document | str], results: Path
) -> list[tuple[Run, Subject, Document | str]]:
    """What this command has measured, and what the folder holds of the list's other runs, in its order."""
    found: list[tuple[Run, Subject, Document | str]] = []
    for run, subject in _pairs(listed):
        if (run, subject) in done:
            found.append((run, subject, done[run, subject]))
        elif _file(results, run, subject).is_file():
            try:
                found.append((run, subject, _stored(_file(results, run, subject))))
            except DataError as error:
                found.append((run, subject, str(error)))
    return found


def _pairs(runs: Sequence[Run]) -> list[tuple[Run, Subject]]:
    return [(run, subject) for run in runs for subject in run.subjects]


def _file(results: Path, run: Run, subject: Subject) -> Path:
    return results / f"{run.name}.{subject.slug}.json"


def _stored(file: Path) -> Document:
    from masklet.evaluate.document import read

    return read(file)


def _measured(
    load: Any, run: Run, subject: Subject, data: Path, file: Path, device: str | None, processes: int
) -> Document:
    """One run of one model; its result stands in `file`."""
    from masklet.evaluate.document import write
    from masklet.evaluate.measure import forget_journal

    with running(f"{run.name}, {subject}", processes, file, keep=True) as how:
        document = _carry_out(load, run, subject, data / run.root, file.parent, device, how)
    write(file, document)
    forget_journal(how, document)
    return document


def _carry_out(
    load: Any, run: Run, subject: Subject, root: Path, results: Path, device: str | None, how: Any
) -> Document:
    """Measure on the data set `root`, or on clips that are made of it beside the results."""
    from masklet.evaluate.measure import measure_images, measure_interactive, measure_videos
    from masklet.evaluate.protocols.interactive import Annotator
    from masklet.evaluate.protocols.prompting import FirstPrompt
    from masklet.evaluate.protocols.robustness import Variant
    from masklet.evaluate.readers.stills import name_of, open_stills

    model = model_to_measure(
        load,
        subject.model,
        device,
        run.input_size,
        engine=subject.engine,
        pictures=run.protocol == "images",
    )
    variant = Variant.parse(run.harder) if run.harder else None
    if run.protocol == "images":
        return measure_images(
            partial(open_stills, root, run.every),
            model,
            data=name_of(root) + (f", ids divisible by {run.every}" if run.every > 1 else ""),
            least_area=run.least_area,
            most=run.most,
            running=how,
        )
    if run.protocol == "clips":
        clips = results / f"clips-{root.name}-{run.every}-{run.count}-{run.objects}"
        root = made_clips(root, clips, every=run.every, count=run.count, objects=run.objects)
    videos = open_set(root, run.format, run.split, run.sequences)
    if run.protocol == "interactive":
        mode = cast("Literal['offline', 'online']", run.mode)
        annotator = Annotator(frames=run.frames, clicks=run.clicks)
        return measure_interactive(videos, model, mode, annotator=annotator, variant=variant, running=how)
    return measure_videos(videos, model, FirstPrompt.parse(run.prompt), variant=variant, running=how)
