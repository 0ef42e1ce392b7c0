"""`masklet annotate`: the data engine. Projects, people, files; see annotate_work, annotate_model too."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from masklet.cli.options import Json
from masklet.errors import ConfigError, MissingExtraError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.annotate.project import Project

Folder = Annotated[Path, typer.Argument(metavar="PROJECT", help="The project's folder.", show_default=False)]
Person = Annotated[
    str | None,
    typer.Option("--person", help="Who does it; by default your login name.", show_default=False),
]


class ProjectFirst(TyperGroup):
    """`annotate PROJECT status` is `annotate status PROJECT`; `annotate PROJECT` shows its status."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = list(args)
        if words and words[0] not in self.commands and not words[0].startswith("-"):
            if words[1:] == ["--help"]:
                words = ["--help"]  # what can be done with it, not its status alone
            elif len(words) == 1 or words[1].startswith("-"):
                words.insert(0, "status")
            elif words[1] in self.commands or Path(words[0]).is_dir():
                # A folder is no command, so what follows it should be one, and is complained about if not.
                words[:2] = [words[1], words[0]]
        return super().parse_args(ctx, words)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self.commands)


def add_to(app: typer.Typer) -> None:
    from masklet.cli import annotate_model, annotate_work

    group = typer.Typer(cls=ProjectFirst, rich_markup_mode="markdown", no_args_is_help=True)
    group.callback()(_annotate)
    group.command("init", short_help="Make a project.")(init)
    group.command("person", short_help="Add somebody, or give them another role.")(person)
    group.command("import", short_help="Add videos, or annotations of other tools.")(import_)
    group.command("remove", short_help="Take a video out of the project.")(remove)
    annotate_model.add_auto(group)
    group.command("status", short_help="Progress, people, quality.")(status)
    annotate_work.add_to(group)
    group.command("export", short_help="Write verified masklets for other tools.")(export)
    annotate_model.add_to(group)
    app.add_typer(
        group, name="annotate", short_help="Make data sets of masklets, and better models from them."
    )


def _annotate() -> None:
    """`masklet annotate init project/`

    The data engine: people and the model annotate videos, other people verify, the model learns from it.
    The project may stand first: `masklet annotate project/ status`. `docs/data-engine.md` goes through it.
    """


def init(
    folder: Folder,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="PostgreSQL for a team: postgresql://user@host/name; by default a file in the project.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model to begin with: a name, or a checkpoint's path.")
    ] = DEFAULT,
    person: Person = None,
) -> None:
    """`masklet annotate init project/`

    Make a project. You are its first admin.
    """
    with extra():
        from masklet.annotate.project import Project

    with Project.create(folder, database=database, model=model) as project:
        who = project.add_person(person or getpass.getuser(), "admin")
        typer.echo(f"{folder}: a project, {who.name} is admin, masklets are made with {project.model}")


def person(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="Who.", show_default=False)],
    role: Annotated[
        str, typer.Option("--role", help="annotator (draws), reviewer (verifies) or admin (both, assigns).")
    ] = "annotator",
) -> None:
    """`masklet annotate person project/ ann --role reviewer`

    Add somebody to a project, or give them another role.
    """
    with opened(folder) as project:
        who = project.add_person(name, role)
        typer.echo(f"{who.name} is {who.role}")


def import_(
    folder: Folder,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH …",
            help="Videos, folders of frames or of videos, or annotations.",
            show_default=False,
        ),
    ],
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of annotations: coco (YouTube-VIS), sav, davis, cvat, labelstudio, yolo; else it is seen.",
            show_default=False,
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option("--videos", help="Where the videos of the annotations lie.", show_default=False),
    ] = None,
    verified: Annotated[
        bool, typer.Option("--verified", help="The annotations need no verification any more.")
    ] = False,
    name: Annotated[
        str | None, typer.Option("--name", help="Another name for a single video.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """`masklet annotate import project/ a.mp4 b.mp4 frames/`

    Add videos, which stay where they are, or annotations of other tools with their masks.
    """
    rows: list[dict[str, Any]] = []
    with opened(folder) as project:
        from masklet.annotate.transfer import import_labels, videos_in

        for path in paths:
            found = [] if format is not None else videos_in(path)
            if name is not None and (len(paths) > 1 or len(found) != 1):
                raise ConfigError(f"--name {name} names one video, but {path} is not the only one")
            for place in found:
                known = {video.name for video in project.videos()}
                video = project.add_video(place, name)
                new = video.name not in known
                rows.append({"video": video.name, "frames": video.frames, "path": video.path, "new": new})
            if not found:
                done = import_labels(project, path, format=format, videos=videos, verified=verified)
                rows.append(
                    {
                        "annotations": str(path),
                        "format": done.format,
                        "videos": list(done.videos),
                        "masklets": done.masklets,
                        "left_out": list(done.left_out),
                    }
                )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        if "video" in row:
            there = "" if row["new"] else ", in the project already"
            typer.echo(f"{row['video']}: {row['frames']} frames{there}")
        else:
            made = counted(row["masklets"], "masklet")
            typer.echo(f"{row['annotations']}: {made} in {counted(len(row['videos']), 'video')}")
            for line in row["left_out"]:
                typer.echo(f"left out: {line}", err=True)


def remove(
    folder: Folder,
    video: Annotated[str, typer.Argument(help="The video's name.", show_default=False)],
    with_masklets: Annotated[
        bool, typer.Option("--with-masklets", help="Its masklets too, with all that people did to them.")
    ] = False,
) -> None:
    """`masklet annotate remove project/ a`

    Take a video out of the project; its file stays where it is.
    """
    with opened(folder) as project:
        gone = project.remove_video(video, with_masklets=with_masklets)
    work = f", with {counted(gone, 'masklet')}" if gone else ""
    typer.echo(f"{video} is removed{work}")


def status(folder: Folder, as_json: Json = False) -> None:
    """`masklet annotate status project/`

    Progress by video, what people did and how far they agree, and how the ways of annotating compare.
    """
    with opened(folder) as project:
        from masklet.annotate.progress import standing

        found = standing(project)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=2))
    else:
        from masklet.cli.annotate_tables import print_standing

        print_standing(found)


def export(
    folder: Folder,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="A folder to write to.", show_default=False)],
    format: Annotated[
        str, typer.Option("--format", help="coco (YouTube-VIS), sav, davis, cvat, labelstudio or yolo.")
    ] = "sav",
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="Masklets of this status; may be repeated. [default: satisfactory]"),
    ] = None,
    frames: Annotated[bool, typer.Option("--frames", help="Write the frames too, as JPEG.")] = False,
    as_json: Json = False,
) -> None:
    """`masklet annotate export project/ out/ --format sav`

    Write masklets for other tools. SA-V's layout comes with statistics: how often objects disappear, areas,
    lengths.
    """
    with opened(folder) as project:
        from masklet.annotate.records import STATUSES
        from masklet.annotate.transfer import export_labels

        chosen = status or ["satisfactory"]
        unknown = [one for one in chosen if one not in STATUSES]
        if unknown:
            raise ConfigError(f"status {unknown[0]!r} is unknown; give {', '.join(STATUSES)}")
        done = export_labels(project, output, format, statuses=chosen, frames=frames)
    if as_json:
        result = {"format": done.format, "videos": done.videos, "masklets": done.masklets}
        typer.echo(json.dumps({**result, "files": [str(path) for path in done.files]}, indent=2))
    else:
        written = f"{counted(done.masklets, 'masklet')} of {counted(done.videos, 'video')}"
        typer.echo(f"{output}: {written}, {counted(len(done.files), 'file')}")


# ── shared by the commands ───────────────────────────────────────────────────────────────────────


@contextmanager
def extra() -> Iterator[None]:
    """Imports of what only the data engine needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the data engine needs {error.name}: pip install 'masklet[annotate]'"
        ) from error


@contextmanager
def opened(folder: Path) -> Iterator[Project]:
    """The project of a command."""
    with extra():
        from masklet.annotate.project import Project
    with Project.open(folder) as project:
        yield project


def counted(number: int, thing: str) -> str:
    """`1 video`, `2 videos`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def login(person: str | None) -> str:
    """Who sits here."""
    return person or getpass.getuser()
