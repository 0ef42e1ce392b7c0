"""`masklet annotate next, prompt, review, assign`: what people do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.annotate import Folder, Person, login, opened
from masklet.cli.options import Boxes, Clicks, Device, Json
from masklet.cli.outputs import check_outputs
from masklet.cli.progress import progress_bar
from masklet.cli.prompts import parse_box, parse_click
from masklet.errors import ConfigError, MaskletError

if TYPE_CHECKING:
    from masklet.annotate.records import Entry, Task

Number = Annotated[
    int | None, typer.Option("--masklet", metavar="ID", help="A masklet, by its id.", show_default=False)
]


def add_to(group: typer.Typer) -> None:
    group.command("next", short_help="Take the next task.")(next_)
    group.command("prompt", short_help="Annotate or refine a masklet.")(prompt)
    group.command("review", short_help="Give a verdict on a masklet.")(review)
    group.command("assign", short_help="Keep a masklet for somebody.")(assign)


def next_(
    folder: Folder,
    duty: Annotated[str, typer.Option("--duty", help="annotate or verify.")] = "verify",
    second: Annotated[
        bool, typer.Option("--second", help="Verify: a second opinion on what somebody found satisfactory.")
    ] = False,
    person: Person = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate next project/ --duty verify --person rita`

    Take the next task and hold it for half an hour: what the model doubts most comes first.
    """
    with opened(folder) as project:
        from masklet.annotate import tasks

        task = tasks.claim(project, login(person), duty, second=second)
        if as_json:
            typer.echo(json.dumps(None if task is None else _task(task), indent=2))
        elif task is None:
            typer.echo(f"nothing to {duty}")
        else:
            typer.echo(f"masklet {task.entry.id}: {_words(task.entry)}")
            if task.reasons:
                typer.echo(f"it came back: {', '.join(task.reasons)}")


def prompt(
    ctx: typer.Context,
    folder: Folder,
    video: Annotated[
        str | None, typer.Option("--video", help="A new masklet in this video.", show_default=False)
    ] = None,
    masklet: Number = None,
    frame: Annotated[int, typer.Option("--frame", metavar="F", help="The frame of the prompts, from 0.")] = 0,
    click: Clicks = None,
    box: Boxes = None,
    category: Annotated[str, typer.Option("--category", help="What a new masklet is.")] = "object",
    phase: Annotated[
        int | None,
        typer.Option(
            "--phase",
            help="1: each frame on its own. 2: masks, propagated. 3: clicks with memory. "
            "[default: as before; 3 for a new masklet]",
            show_default=False,
        ),
    ] = None,
    submit: Annotated[bool, typer.Option("--submit", help="Then hand it in for verification.")] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds", help="How long it took you; by default it is not counted.", show_default=False
        ),
    ] = None,
    play: Annotated[
        Path | None,
        typer.Option(
            "--play", metavar="OUT.MP4", help="Then write it as a video to look at.", show_default=False
        ),
    ] = None,
    person: Person = None,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate prompt project/ --video dance --frame 0 --click 210,350 --play look.mp4`

    Click on an object, in a new masklet or an old one, and follow it through the video. Every click is
    kept before its answer is shown.
    """
    if (video is None) == (masklet is None):
        raise ConfigError("say what to annotate: --video NAME for a new masklet, or --masklet ID")
    work_to_do = bool(click or box or submit)
    if not work_to_do and (play is None or masklet is None):
        raise ConfigError("give a --click or a --box; for an old masklet --submit or --play OUT.MP4 will do")
    _check_play(play)
    if box and len(box) > 1:
        raise ConfigError(f"{len(box)} boxes are too many; one says where the object is")
    # Everything about the words is checked before anything is made.
    clicks = [parse_click(text) for text in click or ()]
    corners = parse_box(box[0]) if box else None
    with opened(folder) as project:
        from masklet.annotate import masklets, tasks
        from masklet.annotate.look import play as write_video
        from masklet.annotate.work import Work

        who = login(person)
        project.person(who)
        if masklet is not None and not work_to_do:
            assert play is not None
            write_video(project, masklet, play)
            _say(masklets.get(project, masklet), as_json)
            return
        number = masklet if masklet is not None else masklets.add(project, str(video), category=category).id
        try:
            task = tasks.claim(project, who, "annotate", masklet=number)
            assert task is not None
            way = phase if phase is not None else task.entry.phase or 3
            segmenter = ctx.obj(project.model, device=device)
            with Work(project, task, segmenter, phase=way) as work:
                if clicks or corners:
                    work.prompt(frame, clicks=clicks, box=corners, seconds=seconds or 0.0)
                    if way > 1:
                        with progress_bar("following") as show:
                            for _ in work.propagate(on_step=show):
                                pass
                entry = work.submit(0.0) if submit else work.entry
        except MaskletError:
            # A prompt that is refused changes nothing.
            if video is not None and not masklets.prompts(project, number):
                masklets.remove(project, number)
            raise
        if play is not None:
            write_video(project, entry.id, play)
        _say(entry, as_json)


def review(
    folder: Folder,
    masklet: Number = None,
    verdict: Annotated[
        str | None,
        typer.Option(
            "--verdict", help="satisfactory, unsatisfactory (to refine) or rejected.", show_default=False
        ),
    ] = None,
    reason: Annotated[
        list[str] | None,
        typer.Option(
            "--reason",
            help="boundary, missing, extra, switched, lost, absent, not-an-object or too-hard; repeatable.",
        ),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Words to the annotator.")] = "",
    play: Annotated[
        Path | None,
        typer.Option(
            "--play", metavar="OUT.MP4", help="Write the masklet as a video to look at.", show_default=False
        ),
    ] = None,
    second: Annotated[
        bool, typer.Option("--second", help="A second opinion on what somebody found satisfactory.")
    ] = False,
    seconds: Annotated[float, typer.Option("--seconds", help="How long it took you.")] = 0.0,
    person: Person = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate review project/ --masklet 3 --verdict satisfactory --person rita`

    Look at a masklet (`--play look.mp4`), then give a verdict. Nobody verifies their own work. Without
    --masklet it is the next one that waits.
    """
    if verdict is None and play is None:
        raise ConfigError("give a --verdict, or --play OUT.MP4 to look first")
    _check_play(play)
    with opened(folder) as project:
        from masklet.annotate import tasks, verify
        from masklet.annotate.look import play as write_video

        if verdict is not None:
            verify.check(verdict, reason or ())  # before a task is held for it
        task = tasks.claim(project, login(person), "verify", masklet=masklet, second=second)
        if task is None:
            typer.echo("null" if as_json else "nothing to verify")
            return
        if play is not None:
            write_video(project, task.entry.id, play)
        entry = task.entry
        if verdict is not None:
            entry = verify.judge(project, task, verdict, reasons=reason or (), words=note, seconds=seconds)
        _say(entry, as_json)


def assign(
    folder: Folder,
    masklet: Annotated[int, typer.Argument(metavar="ID", help="The masklet.", show_default=False)],
    person: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Who shall annotate it; nobody: anybody.", show_default=False),
    ] = None,
) -> None:
    """`masklet annotate assign project/ 3 ann`

    Keep a masklet's annotation for somebody.
    """
    with opened(folder) as project:
        from masklet.annotate import tasks

        entry = tasks.assign(project, masklet, person)
        typer.echo(f"masklet {entry.id} is for {entry.assignee or 'anybody'}")


def _task(task: Task) -> dict[str, Any]:
    return {**asdict(task), "entry": asdict(task.entry)}


def _check_play(path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".mp4":
        raise ConfigError(f"--play {path} is no .mp4; name it {path.with_suffix('.mp4')}")
    check_outputs([path], [])


def _say(entry: Entry, as_json: bool) -> None:
    typer.echo(json.dumps(asdict(entry), indent=2) if as_json else f"masklet {entry.id}: {_words(entry)}")


def _words(entry: Entry) -> str:
    return (
        f"object {entry.number} ({entry.category}) of {entry.video}, {entry.status}, doubt {entry.doubt:.2f}"
    )
