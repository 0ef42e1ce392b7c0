"""`masklet evaluate`: how good a model is, under the rules of a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from masklet.cli import table
from masklet.cli.clips import clips
from masklet.cli.measuring import (
    Earlier,
    JsonFile,
    Page,
    finish,
    model_to_measure,
    open_set,
    read_categories,
    running,
)
from masklet.cli.options import Device, Engine, InputSize, Model
from masklet.cli.tables import print_comparison
from masklet.errors import ConfigError
from masklet.model.registry import DEFAULT

FORMATS = {
    "davis": "DAVIS 2016 or 2017",
    "ytvos": "YouTube-VOS",
    "mose": "MOSE",
    "lvos": "LVOS",
    "vipseg": "VIPSeg",
    "sav": "SA-V",
}

Root = Annotated[
    Path, typer.Option("--root", help="The data set's folder, which holds Annotations.", show_default=False)
]
Processes = Annotated[
    int,
    typer.Option("--processes", help="Measure so many at once; `--device cuda:0,cuda:1` shares out GPUs."),
]
Split = Annotated[
    str | None, typer.Option("--split", help="A list in ImageSets, such as val; by default all sequences.")
]
Sequences = Annotated[
    list[str] | None, typer.Option("--sequence", help="Only this one; may be repeated.", show_default=False)
]
Harder = Annotated[
    str | None,
    typer.Option("--harder", help="Spoil the video: noise:25, jpeg:10, scale:0.25 or drop:3."),
]


def add_to(app: typer.Typer) -> None:
    group = typer.Typer(rich_markup_mode="markdown", no_args_is_help=True)
    group.callback()(_evaluate)
    for name, words in FORMATS.items():
        group.command(name, short_help=f"Video object segmentation on {words}.")(_videos(name, words))
    group.command("interactive", short_help="Interactive video segmentation, offline or online.")(interactive)
    group.command("images", short_help="Masks of pictures from clicks and boxes.")(images)
    group.command("clips", short_help="Make a test set of clips in which objects leave and return.")(clips)
    group.command("compare", short_help="Paired differences between two results.")(compare)
    group.command("report", short_help="A page of one result, or several.")(report)
    table.add_to(group)
    app.add_typer(group, name="evaluate", short_help="Measure a model on a benchmark.")


def _evaluate() -> None:
    """`masklet evaluate davis --root DAVIS --model masklet-tiny --prompt click --json out.json`

    Measure a model on a benchmark. Every figure stands with the rules it was measured by;
    `docs/evaluation.md` defines them.
    """


def _videos(format: str, words: str) -> Callable[..., int]:
    """The command of one video benchmark; they differ in the layout they read and the frames they count."""

    def command(
        ctx: typer.Context,
        root: Root,
        prompt: Annotated[
            str,
            typer.Option("--prompt", help="First prompt of each object: mask, box, click, 3click, 5click."),
        ] = "mask",
        split: Split = None,
        sequence: Sequences = None,
        seen: Annotated[
            Path | None,
            typer.Option(
                "--seen",
                metavar="FILE",
                help="Categories of the training data, one a line: gives YouTube-VOS's G.",
                show_default=False,
            ),
        ] = None,
        harder: Harder = None,
        model: Model = DEFAULT,
        device: Device = None,
        engine: Engine = None,
        input_size: InputSize = None,
        processes: Processes = 1,
        json_file: JsonFile = None,
        html: Page = None,
        earlier: Earlier = None,
    ) -> int:
        from masklet.evaluate.measure import measure_videos
        from masklet.evaluate.protocols.prompting import FirstPrompt
        from masklet.evaluate.protocols.robustness import Variant

        first = FirstPrompt.parse(prompt)
        variant = Variant.parse(harder) if harder else None
        videos = open_set(root, format, split, sequence)
        with running(f"{format}, {first}", processes, json_file, html, earlier) as how:
            document = measure_videos(
                videos,
                model_to_measure(ctx.obj, model, device, input_size, engine=engine),
                first,
                variant=variant,
                seen=read_categories(seen) if seen else None,
                running=how,
            )
        return finish(document, how, json_file, html, earlier, videos)

    command.__doc__ = f"""`masklet evaluate {format} --root DIR --prompt mask --json out.json`

    Semi-supervised video object segmentation on {words}: each object is prompted on the first frame
    where it appears and followed to the end. Prints J, F and J&F by sequence and in the mean over
    objects, and frames a second, decoding included.
    """
    return command


def interactive(
    ctx: typer.Context,
    root: Root,
    mode: Annotated[
        str, typer.Option("--mode", help="offline: correct the worst frame in rounds. online: in one pass.")
    ] = "offline",
    format: Annotated[str, typer.Option("--format", help=f"{', '.join(FORMATS)}.")] = "davis",
    frames: Annotated[int, typer.Option("--frames", help="Most frames corrected an object.")] = 8,
    clicks: Annotated[int, typer.Option("--clicks", help="Clicks on each of them.")] = 3,
    threshold: Annotated[float, typer.Option("--threshold", help="Online: pause below this IoU.")] = 0.75,
    split: Split = None,
    sequence: Sequences = None,
    harder: Harder = None,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    input_size: InputSize = None,
    processes: Processes = 1,
    json_file: JsonFile = None,
    html: Page = None,
    earlier: Earlier = None,
) -> int:
    """`masklet evaluate interactive --root DIR --mode online --json out.json`

    A simulated annotator corrects the model: 3 clicks a frame, up to 8 frames an object, as in the
    SAM 2 paper. Prints J&F against corrected frames, clicks and annotation time. Online, every number
    of frames takes a pass of its own.
    """
    from masklet.evaluate.measure import measure_interactive
    from masklet.evaluate.protocols.interactive import Annotator
    from masklet.evaluate.protocols.robustness import Variant

    if mode not in ("offline", "online"):
        raise ConfigError(f"mode {mode} is unknown; choose offline or online")
    if frames < 1 or clicks < 1:
        raise ConfigError(f"{frames} frames with {clicks} clicks each is no interaction; give at least 1")
    variant = Variant.parse(harder) if harder else None
    videos = open_set(root, format, split, sequence)
    with running(f"{format}, {mode}", processes, json_file, html, earlier) as how:
        document = measure_interactive(
            videos,
            model_to_measure(ctx.obj, model, device, input_size, engine=engine),
            cast("Literal['offline', 'online']", mode),
            annotator=Annotator(frames=frames, clicks=clicks, threshold=threshold),
            variant=variant,
            running=how,
        )
    return finish(document, how, json_file, html, earlier, videos)


def images(
    ctx: typer.Context,
    root: Annotated[
        Path,
        typer.Option(
            "--root",
            help="A COCO instance JSON, a folder with instances.json and images/, or one of SA-1B.",
            show_default=False,
        ),
    ],
    every: Annotated[int, typer.Option("--every", help="Only pictures whose id is divisible by this.")] = 1,
    least_area: Annotated[int, typer.Option("--least-area", help="Leave out objects of fewer pixels.")] = 0,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    input_size: InputSize = None,
    processes: Processes = 1,
    json_file: JsonFile = None,
    html: Page = None,
    earlier: Earlier = None,
) -> int:
    """`masklet evaluate images --root coco --every 5 --least-area 600 --input-size 512`

    Mean IoU over objects from 1, 3 and 5 clicks and from a box. A checkpoint that holds only the image
    path will do.
    """
    from masklet.evaluate.measure import measure_images
    from masklet.evaluate.readers.stills import name_of, open_stills

    chosen = model_to_measure(ctx.obj, model, device, input_size, engine=engine, pictures=True)
    with running("pictures", processes, json_file, html, earlier) as how:
        document = measure_images(
            partial(open_stills, root, every),
            chosen,
            data=name_of(root) + (f", ids divisible by {every}" if every > 1 else ""),
            least_area=least_area,
            running=how,
        )
    return finish(document, how, json_file, html, earlier, None)


def compare(
    before: Annotated[Path, typer.Argument(metavar="A.JSON", help="A result.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B.JSON", help="Another one.", show_default=False)],
) -> None:
    """`masklet evaluate compare before.json after.json`

    Differences on the same objects, with 95 % bootstrap intervals: whole sequences are drawn.
    """
    from masklet.evaluate.compare import compare as paired
    from masklet.evaluate.document import read

    print_comparison(paired(read(before), read(after)))


def report(
    results: Annotated[
        list[Path], typer.Argument(metavar="A.JSON …", help="Results of one kind.", show_default=False)
    ],
    html: Annotated[Path, typer.Option("-o", "--html", help="The page.", show_default=False)],
    root: Annotated[
        Path | None,
        typer.Option("--root", help="The data set's folder: adds the worst frames.", show_default=False),
    ] = None,
) -> None:
    """`masklet evaluate report tiny.json nano.json -o report.html`

    A page that stands alone, with the figures of several results side by side.
    """
    from masklet.evaluate.document import read
    from masklet.evaluate.report import write_page

    documents = [read(path) for path in results]
    if len({document.kind for document in documents}) > 1:
        raise ConfigError("results of different kinds do not go on one page; give those of one protocol")
    videos = None
    if root is not None:
        videos = open_set(root, str(documents[0].config.get("format", "davis")), None, None)
    write_page(html, documents, videos)
