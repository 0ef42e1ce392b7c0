"""`masklet auto`: everything in a picture, or in a video."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.interrupt import Interrupted, stopping_gently
from masklet.cli.masks import described, rle_of, write_text
from masklet.cli.options import Device, Engine, InputSize, Json, Model, given_path, open_model
from masklet.cli.outputs import check_outputs
from masklet.cli.progress import progress_bar
from masklet.cli.sounding import add_sound
from masklet.errors import ConfigError, DamagedVideoError, VideoError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.predict.automatic import AutoMask, AutomaticOptions
    from masklet.predict.automatic_video import AutoMasklet, VideoAutomaticOptions
    from masklet.predict.segmenter import Segmenter
    from masklet.video.protocol import FrameSource, MaskSink

Preset = Annotated[
    str | None,
    typer.Option(
        "--preset",
        help="Grids of clicks: full (the SAM 2 paper's), balanced or fast; instead of --points-per-side "
        "and --crop-layers.",
        show_default=False,
    ),
]
Interval = Annotated[
    int,
    typer.Option("--interval", help="Videos: look for new objects every so many frames; 0 = at first only."),
]
VIDEO_POINTS = 16
"""Points per side in a video: the grid of the preset `fast`."""


def add_to(app: typer.Typer) -> None:
    app.command("auto", short_help="Segment everything in a picture or a video.")(auto)


def auto(
    ctx: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PHOTO",
            help="A picture, a video, or a folder of its frames.",
            parser=given_path,
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The masks, a .json of RLE; of a video also the painted video, an .mp4.",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    interval: Interval = 30,
    points_per_side: Annotated[
        int | None,
        typer.Option(
            "--points-per-side",
            help=f"The grid of clicks has this many squared. [default: 32; {VIDEO_POINTS} in a video]",
            show_default=False,
        ),
    ] = None,
    predicted_iou: Annotated[
        float, typer.Option("--predicted-iou", help="Drop masks the model believes in less, 0 to 1.")
    ] = 0.8,
    stability: Annotated[
        float,
        typer.Option(
            "--stability",
            help="Drop masks that change more with the threshold, 0 to 1; SAM 2's own models: 0.95.",
        ),
    ] = 0.85,
    minimum_area: Annotated[
        int,
        typer.Option(
            "--minimum-area", help="Clean holes and specks, and drop masks, of up to this many pixels."
        ),
    ] = 0,
    crop_layers: Annotated[
        int,
        typer.Option(
            "--crop-layers", help="Look again at 4, 16, … crops: finds smaller objects, takes longer."
        ),
    ] = 0,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    input_size: InputSize = None,
    as_json: Json = False,
) -> None:
    """`masklet auto photo.jpg -o masks.json`

    Segment everything in a picture, without a prompt: a mask an object, largest first, with its
    predicted IoU, its stability, and the click that found it. In a video (`masklet auto video.mp4 -o
    masks.json`): everything that is found on key frames, followed both ways.
    """
    if output is None and not as_json:
        raise ConfigError("name an output: -o MASKS.JSON or --json")
    if not source.exists():
        raise VideoError(f"{source} does not exist; check the path")
    video = _is_video(source)
    endings = (".json", ".mp4") if video else (".json",)
    if output is not None and output.suffix.lower() not in endings:
        raise ConfigError(f"cannot tell from {output} what to write; name it {' or '.join(endings)}")
    check_outputs([output], [source])
    from masklet.predict.automatic import AutomaticOptions

    if points_per_side is None:
        points_per_side = VIDEO_POINTS if video else AutomaticOptions.points_per_side
    options = with_preset(
        AutomaticOptions(
            points_per_side=points_per_side,
            predicted_iou=predicted_iou,
            stability=stability,
            minimum_area=minimum_area,
            crop_layers=crop_layers,
        ),
        preset,
    )
    segmenter = open_model(ctx.obj, model, device, engine, input_size)
    if video:
        _video(segmenter, source, model, options, interval, output, as_json)
        return
    picture = segmenter.image(source).image
    with progress_bar("searching", "clicks/s") as show:
        found = segmenter.automatic(picture, options, on_step=show)
    if not found:
        _nothing_in(source, options)
    result = _result(source, model, picture.shape[:2], options, found)
    if output is not None:
        write_text(output, json.dumps(result, indent=2))
    if as_json:
        typer.echo(json.dumps(result, indent=2))


def with_preset(options: AutomaticOptions, preset: str | None) -> AutomaticOptions:
    """The options with a preset's grids."""
    if preset is None:
        return options
    from masklet.predict.automatic_video import GRIDS

    if preset not in GRIDS:
        raise ConfigError(f"preset {preset!r} is unknown; give {', '.join(GRIDS)}")
    grid = GRIDS[preset]
    return replace(
        options,
        points_per_side=grid.points_per_side,
        crop_layers=grid.crop_layers,
        crop_points=grid.crop_points,
    )


def _nothing_in(source: Path, options: AutomaticOptions) -> None:
    """Say on stderr that the result is empty, and what would make it less so."""
    print(
        f"nothing in {source} was sure enough; lower --stability ({options.stability:g}) or --predicted-iou "
        f"({options.predicted_iou:g}) to see more",
        file=sys.stderr,
    )


def _is_video(path: Path) -> bool:
    from masklet.video.folder import is_picture

    return path.is_dir() or (path.is_file() and not is_picture(path))


def _video(
    segmenter: Segmenter,
    path: Path,
    model: str,
    picture: AutomaticOptions,
    interval: int,
    output: Path | None,
    as_json: bool,
) -> None:
    from masklet.predict.automatic_video import VideoAutomaticOptions, segment_video
    from masklet.video.source import open_source

    options = VideoAutomaticOptions(picture=picture, interval=interval)
    damage: list[DamagedVideoError] = []
    with closing(open_source(path)) as source:
        with progress_bar("finding") as show, stopping_gently(lambda: None) as interruption:
            found = segment_video(
                segmenter.engine,
                source,
                options,
                on_step=lambda what, done, total: show(done, total, what if done < total else None),
                stopped=lambda: interruption.happened,
                on_damage=damage.append,
            )
        if not (found or interruption.happened):
            _nothing_in(path, picture)
        if output is not None:
            try:
                _write(source, found, output)
            except DamagedVideoError as error:
                damage.append(error)
            if output.suffix.lower() == ".mp4":
                add_sound(output, source, 0)
        if as_json:
            result = _video_result(path, model, source, options, found, output)
            typer.echo(json.dumps(result, indent=2))
    if interruption.happened:
        raise Interrupted(f"interrupted; the {len(found)} masklets found until then are kept")
    if damage:
        raise damage[0]


def _write(source: FrameSource, found: list[AutoMasklet], output: Path) -> None:
    from masklet.types import FrameMasks
    from masklet.video.json_masks import CocoJson
    from masklet.video.overlay_video import OverlayVideo
    from masklet.video.protocol import sample_aspect_of

    sink: MaskSink = (
        CocoJson(output, name=source.name, length=len(source))
        if output.suffix.lower() == ".json"
        else OverlayVideo(
            output, time_base=getattr(source, "time_base", None), sample_aspect=sample_aspect_of(source)
        )
    )
    with closing(sink):
        for frame in source.read(0, len(source)):
            here = {n: m for n, m in enumerate(found, 1) if frame.index in m.masks}
            sink.write(
                frame,
                FrameMasks(
                    frame.index,
                    {n: m.masks[frame.index] for n, m in here.items()},
                    {n: m.iou[frame.index] for n, m in here.items()},
                    {n: m.occlusion[frame.index] for n, m in here.items()},
                    frozenset(n for n, m in here.items() if m.key == frame.index),
                ),
            )


def _video_result(
    path: Path,
    model: str,
    source: FrameSource,
    options: VideoAutomaticOptions,
    found: list[AutoMasklet],
    output: Path | None,
) -> dict[str, Any]:
    """What --json prints; the masks themselves only when no file has them."""
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(found, 1):
        row: dict[str, Any] = {
            "object": number,
            "key_frame": one.key,
            "point": [round(v, 2) for v in one.found.point],
            "predicted_iou": round(one.sureness, 4),
            "visible_frames": len(one.visible),
        }
        if output is None:
            row["masks"] = {t: rle_of(one.masks[t]) for t in one.visible}
        rows.append(row)
    return {
        "video": str(path),
        "width": source.width,
        "height": source.height,
        "frames": len(source),
        "model": model,
        "options": asdict(options),
        "masklets": rows,
        "outputs": [] if output is None else [str(output)],
    }


def _result(
    photo: Path, model: str, size: tuple[int, int], options: AutomaticOptions, found: list[AutoMask]
) -> dict[str, Any]:
    masks = [
        {
            **described(one.mask),
            "predicted_iou": round(one.iou, 4),
            "stability": round(one.stability, 4),
            "point": [round(v, 2) for v in one.point],
            "crop": list(one.crop),
        }
        for one in found
    ]
    return {
        "image": str(photo),
        "width": size[1],
        "height": size[0],
        "model": model,
        "options": asdict(options),
        "masks": masks,
    }
