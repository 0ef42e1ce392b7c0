"""`masklet annotate auto, simulate, retrain`: what the model does."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.annotate import Folder, counted, opened
from masklet.cli.auto import VIDEO_POINTS, Interval, Preset, with_preset
from masklet.cli.interrupt import Interrupted, stopping_gently
from masklet.cli.masks import write_text
from masklet.cli.options import Device, Json
from masklet.cli.progress import progress_bar
from masklet.errors import ConfigError

if TYPE_CHECKING:
    from masklet.annotate.phases import Way
    from masklet.annotate.project import Project
    from masklet.errors import DamagedVideoError
    from masklet.evaluate.results import SequenceScore
    from masklet.predict.automatic_video import VideoAutomaticOptions


def add_auto(group: typer.Typer) -> None:
    group.command("auto", short_help="Let the model find and follow everything.")(auto)


def add_to(group: typer.Typer) -> None:
    group.command("simulate", short_help="Compare the ways to annotate with a simulated annotator.")(simulate)
    group.command("retrain", short_help="Learn from what was verified; adopt what is better.")(retrain)


def auto(
    ctx: typer.Context,
    folder: Folder,
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO …", help="Names of videos; none: all without any masklet.", show_default=False
        ),
    ] = None,
    preset: Preset = None,
    interval: Interval = 30,
    predicted_iou: Annotated[
        float, typer.Option("--predicted-iou", help="Drop masks the model believes in less, 0 to 1.")
    ] = 0.8,
    stability: Annotated[
        float, typer.Option("--stability", help="Drop masks that change more with the threshold, 0 to 1.")
    ] = 0.85,
    points_per_side: Annotated[
        int, typer.Option("--points-per-side", help="The grid of clicks has this many squared.")
    ] = VIDEO_POINTS,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate auto project/ --preset balanced`

    Find and follow everything in videos of the project. The masklets wait for verification. Repeated, it
    adds only what no masklet shows yet.
    """
    from masklet.predict.automatic import AutomaticOptions
    from masklet.predict.automatic_video import VideoAutomaticOptions

    picture = AutomaticOptions(
        points_per_side=points_per_side, predicted_iou=predicted_iou, stability=stability
    )
    options = VideoAutomaticOptions(picture=with_preset(picture, preset), interval=interval)
    with opened(folder) as project:
        from masklet.annotate import masklets
        from masklet.annotate.automatic import fill

        known = Counter(entry.video for entry in masklets.find(project))
        names = videos or [v.name for v in project.videos() if v.name not in known]
        for name in names:
            project.video(name)
        segmenter = ctx.obj(project.model, device=device)
        found: dict[str, int] = {}
        damage: list[DamagedVideoError] = []
        for name in names:

            def tell(what: str, done: float, total: int, name: str = name) -> None:
                show(done, total, f"{name}: {what}" if done < total else None)

            with progress_bar(name, "key frames/s") as show, stopping_gently(lambda: None) as interruption:
                made = fill(
                    project,
                    name,
                    segmenter,
                    options=options,
                    on_step=tell,
                    stopped=lambda: interruption.happened,
                    on_damage=damage.append,
                )
            if made is None:
                raise Interrupted(
                    f"interrupted; the same command begins video {name} anew, those before it are kept"
                )
            found[name] = len(made)
            if not as_json:
                typer.echo(_found(name, len(made), bool(known.get(name)), options))
        if as_json:
            typer.echo(json.dumps({"model": project.model, "masklets": found}, indent=2))
        elif not names:
            typer.echo("every video has masklets; name one to look again")
        if damage:
            raise damage[0]


def _found(name: str, count: int, before: bool, options: VideoAutomaticOptions) -> str:
    if count:
        return f"{name}: {counted(count, 'masklet')} to verify"
    picture = options.picture
    looser = f"lower --stability ({picture.stability:g}) or --predicted-iou ({picture.predicted_iou:g})"
    return f"{name}: nothing{' new' if before else ''} was sure enough; {looser} to see more"


def simulate(
    ctx: typer.Context,
    folder: Folder,
    data: Annotated[
        Path, typer.Option("--data", help="Videos with true masks on every frame.", show_default=False)
    ],
    format: Annotated[
        str, typer.Option("--format", help="davis, ytvos, mose, lvos, vipseg or sav.")
    ] = "davis",
    sequence: Annotated[
        list[str] | None,
        typer.Option("--sequence", help="Only this one; may be repeated.", show_default=False),
    ] = None,
    quality: Annotated[
        float, typer.Option("--quality", help="IoU at which the annotator leaves a frame alone, 0 to 1.")
    ] = 0.85,
    clicks: Annotated[int, typer.Option("--clicks", help="Most clicks on a frame.")] = 8,
    processes: Annotated[int, typer.Option("--processes", help="Simulate so many videos at once.")] = 1,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="OUT.JSON",
            help="Everything measured. A killed run that is repeated goes on where it was.",
            show_default=False,
        ),
    ] = None,
    device: Device = None,
) -> int:
    """`masklet annotate simulate project/ --data DAVIS --json phases.json`

    A simulated annotator works through videos with known masks in three ways: every frame by itself; masks,
    propagated; clicks with memory. Prints the SAM 2 paper's table for the project's model: time a frame,
    frames edited, clicks, agreement with the first way, at equal J&F.
    """
    if not 0 < quality < 1:
        raise ConfigError(f"--quality {quality:g} must lie between 0 and 1")
    if clicks < 1:
        raise ConfigError(f"--clicks {clicks} must be at least 1")
    with opened(folder) as project:
        from masklet.annotate.phases import Way

        way = Way(quality=quality, clicks=clicks)
        scores = _simulated(ctx, project, (data, format, sequence), way, processes, json_file, device)
        return _shown(project, scores, json_file)


def _simulated(
    ctx: typer.Context,
    project: Project,
    data: tuple[Path, str, list[str] | None],
    way: Way,
    processes: int,
    json_file: Path | None,
    device: str | None,
) -> list[SequenceScore]:
    from dataclasses import asdict

    from masklet.annotate.phases import Phases
    from masklet.cli.measuring import model_to_measure, open_set
    from masklet.evaluate import provenance
    from masklet.evaluate.journal import Journal
    from masklet.evaluate.run import run

    root, format, sequence = data
    videos = open_set(root, format, None, sequence)
    model = model_to_measure(ctx.obj, project.model, device, None)
    config = {"model": provenance.checkpoint(project.model), "data": root.name, "way": asdict(way)}
    # As after a write and a read: what the journal's settings are compared with.
    config = json.loads(json.dumps(config))
    journal = None if json_file is None else Journal(_journal_of(json_file), config)
    scores: dict[str, SequenceScore] = {}
    with progress_bar("simulating") as show:
        for score in run(videos.names, Phases(videos, model.load, way), processes=processes, journal=journal):
            scores[score.name] = score
            show(len(scores), len(videos.names))
    return [scores[name] for name in videos.names]


def _shown(project: Project, scores: list[SequenceScore], json_file: Path | None) -> int:
    from masklet.annotate.phases import PAPER, table
    from masklet.cli.annotate_tables import print_phases

    equal, plain = table(scores), table(scores, equal=False)
    failed = {score.name: score.error for score in scores if score.error is not None}
    if json_file is not None:
        result: dict[str, Any] = {
            "model": project.model,
            "equal": [line.to_json() for line in equal],
            "one_quality": [line.to_json() for line in plain],
            "paper": PAPER,
            "videos": {s.name: s.details for s in scores if s.error is None},
            "failed": failed,
        }
        write_text(json_file, json.dumps(result, indent=1))
        if not failed:
            with suppress(FileNotFoundError):
                _journal_of(json_file).unlink()
    print_phases(equal, plain)
    for name, error in failed.items():
        typer.echo(f"{name}: {error}", err=True)
    return 1 if failed else 0


def _journal_of(json_file: Path) -> Path:
    return json_file.with_name(json_file.name + ".partial")


def retrain(
    ctx: typer.Context,
    folder: Folder,
    preset: Annotated[
        str, typer.Option("--preset", help="cpu (minutes on a laptop) or gpu (one card of 16 GB).")
    ] = "cpu",
    steps: Annotated[
        int | None, typer.Option("--steps", help="Instead of the preset's.", show_default=False)
    ] = None,
    least_gain: Annotated[
        float,
        typer.Option("--least-gain", help="Adopt only what is better by more than so many points of J&F."),
    ] = 0.0,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate retrain project/`

    Fine-tune the project's model on satisfactory masklets, measure old and new on videos that are held out,
    and adopt the new one only if it is better. Ctrl-C saves the run; the same command goes on with it.
    """
    with opened(folder) as project:
        from masklet.annotate.retrain import Plan
        from masklet.annotate.retrain import retrain as learn

        plan = Plan(preset=preset, steps=steps, least=least_gain / 100, device=device)

        def load(model: str) -> Any:
            return ctx.obj(model, device=device)

        with progress_bar("training") as show, stopping_gently(lambda: None) as interruption:
            done = learn(
                project,
                load,
                plan,
                on_step=lambda step, total, loss: show(step, total),
                stopped=lambda: interruption.happened,
            )
    if done is None:
        raise Interrupted("interrupted; the run is saved, the same command goes on with it")
    if as_json:
        typer.echo(json.dumps(done.to_json(), indent=2))
        return
    gain = done.difference
    verdict = "adopted" if done.adopted else f"not adopted, {Path(done.old).name} stays"
    # The interval is over videos: from one there is none, whatever the arithmetic gives.
    interval = f"95 % from {100 * gain.low:+.1f} to {100 * gain.high:+.1f}"
    typer.echo(
        f"J&F on {counted(gain.objects, 'object')} of {counted(gain.sequences, 'video')} held out: "
        f"{100 * gain.a:.1f} before, {100 * gain.b:.1f} after ({100 * gain.mean:+.1f}, "
        f"{interval if gain.sequences > 1 else 'one video gives no interval'}): {verdict}"
    )
    typer.echo(str(done.model))
