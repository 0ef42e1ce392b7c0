"""`masklet track`: follow objects through a video."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from masklet.cli.interrupt import Interrupted, stopping_gently
from masklet.cli.looks import parse_look
from masklet.cli.masks import rle_of
from masklet.cli.options import (
    Boxes,
    Clicks,
    Compiled,
    Device,
    Engine,
    InputSize,
    Json,
    Model,
    given_path,
    open_model,
)
from masklet.cli.outputs import check_outputs
from masklet.cli.progress import progress_bar
from masklet.cli.prompts import OrderedCommand, PlacedPrompt, placed_prompts, typed
from masklet.cli.small_objects import advice
from masklet.cli.sounding import add_sound
from masklet.cli.track_files import TrackFiles, check_ids, opened, tell_of_others
from masklet.errors import ConfigError, DamagedVideoError, PromptError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.predict.plan import Direction
    from masklet.predict.session import VideoSession
    from masklet.types import Mask
    from masklet.video.protocol import MaskSink

VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov")


def add_to(app: typer.Typer) -> None:
    app.command("track", cls=OrderedCommand, short_help="Follow objects through a video.")(track)


def track(
    ctx: typer.Context,
    video: Annotated[
        Path,
        typer.Argument(
            help="A video file, or a folder of pictures.",
            parser=given_path,
            show_default=False,
        ),
    ],
    click: Clicks = None,
    box: Boxes = None,
    mask: Annotated[
        list[str] | None,
        typer.Option(
            "--mask",
            metavar="FIRST.PNG",
            help="A picture of masks to start from: pixel value = object, 0 = none.",
        ),
    ] = None,
    frame: Annotated[
        list[str] | None,
        typer.Option("--frame", metavar="F", help="The frame of the prompts beside it, from 0. [default: 0]"),
    ] = None,
    object_id: Annotated[
        list[str] | None,
        typer.Option("--object", metavar="N", help="The object of the prompts after it. [default: 1]"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The video with its masks painted over it, or with effects (.mp4).",
            show_default=False,
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            "--background",
            metavar="EFFECT",
            help="What -o does to all but the objects, instead of painting masks: blur, grey, erase, "
            "pixelate, spotlight, colour:#1e90ff, cutout (a green screen)…; blur:0.8 is stronger.",
            show_default=False,
        ),
    ] = None,
    foreground: Annotated[
        str | None,
        typer.Option(
            "--foreground",
            metavar="EFFECT",
            help="What -o does to the objects: outline, pixelate, erase (they vanish), gradient…",
            show_default=False,
        ),
    ] = None,
    cutout: Annotated[
        Path | None,
        typer.Option(
            "--cutout",
            help="The objects alone, on transparent ground: a .webm, a .mov (ProRes), or a folder for PNGs.",
            show_default=False,
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            help="The masks: a .json of RLE, or a folder for one indexed PNG a frame.",
            show_default=False,
        ),
    ] = None,
    direction: Annotated[
        str,
        typer.Option("--direction", help="Which way to follow from the prompts: both, forward or backward."),
    ] = "both",
    limit: Annotated[
        int | None, typer.Option("--limit", help="Most frames to follow each way.", show_default=False)
    ] = None,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    input_size: InputSize = None,
    compiled: Compiled = False,
    as_json: Json = False,
) -> None:
    """`masklet track video.mp4 --click 210,350 --masks out.json -o overlay.mp4`

    Follow one or several objects through a video, from clicks, boxes or masks.

    `--frame 12 --click 210,350` prompts frame 12; `--click 40,60 --object 2 --click 210,350` follows
    two objects; `--mask first.png` starts from a picture that shows them all. `--background blur -o
    out.mp4` blurs everything else, `--cutout cat.webm` keeps nothing else. Ctrl-C stops; what was done until
    then is kept.
    """
    prompts = placed_prompts(typed(ctx))
    if not prompts:
        raise PromptError("tell what to follow: give a --click, a --box or a --mask")
    look = parse_look(background, foreground)
    if output is None and masks is None and cutout is None and not as_json:
        raise ConfigError("name an output: -o OVERLAY.MP4, --masks OUT.JSON, --cutout CUT.WEBM or --json")
    if look is not None and output is None:
        raise ConfigError("--background and --foreground are for the video of -o; name it: -o OUT.MP4")
    if cutout is not None and cutout.suffix.lower() not in ("", ".webm", ".mov") and not cutout.is_dir():
        raise ConfigError(f"cannot write the cut-out {cutout}: name it .webm or .mov, or give a folder")
    if output is not None and output.suffix.lower() not in VIDEO_SUFFIXES:
        raise ConfigError(f"cannot write the overlay {output}: it is a video, name it .mp4")
    if masks is not None and masks.suffix.lower() not in ("", ".json") and not masks.is_dir():
        raise ConfigError(
            f"cannot tell from {masks} what to write; name it .json, or give a folder without an ending"
        )
    check_ids([p.object_id for p in prompts if p.object_id is not None], masks)
    check_outputs(
        [output, masks, cutout], [video, *(p.mask_file for p in prompts if p.mask_file is not None)]
    )
    with open_model(ctx.obj, model, device, engine, input_size, compiled).video(video) as session:
        for prompt in prompts:
            _give(session, prompt)
            print(prompt, file=sys.stderr)
        check_ids(session.objects, masks)  # pictures have ids of their own
        if (line := advice(session, model)) is not None:
            print(line, file=sys.stderr)
        way = cast("Direction", direction)  # propagate says so when it is none of the three
        frames = _shown(session, way, limit)
        tell_of_others(masks, frames)
        started = time.perf_counter()
        files = TrackFiles(output, look, masks, cutout)
        with closing(opened(session, min(frames), files)) as sink:
            done, ending = _follow(session, sink, way, limit)
        seconds = time.perf_counter() - started
        if output is not None and done:
            add_sound(output, session.source, min(done))
        if as_json:
            outputs = [str(path) for path in (output, masks, cutout) if path is not None]
            typer.echo(json.dumps(_result(session, video, model, done, seconds, outputs), indent=2))
        if isinstance(ending, Interrupted):
            raise Interrupted(f"interrupted; {len(done)} of {len(frames)} frames are done")
        if ending is not None:
            raise ending


def _give(session: VideoSession, placed: PlacedPrompt) -> None:
    """Put one prompt of the command line into the session."""
    if placed.prompt is not None:
        session.prompt(
            placed.frame, placed.object_id or 1, clicks=placed.prompt.clicks, box=placed.prompt.box
        )
        return
    assert placed.mask_file is not None
    for object_id, mask in _masks_in(placed, session).items():
        session.prompt(placed.frame, object_id, mask=mask)


def _masks_in(placed: PlacedPrompt, session: VideoSession) -> dict[int, Mask]:
    """The masks of a picture by object id; with an --object it must show just that one."""
    from masklet.video.palette import read_palette_png

    assert placed.mask_file is not None
    found = read_palette_png(placed.mask_file, (session.source.width, session.source.height))
    if placed.object_id is None:
        return found
    if len(found) > 1 and placed.object_id not in found:
        raise PromptError(
            f"{placed.mask_file} shows objects {', '.join(map(str, found))}, not {placed.object_id}; "
            "leave --object out"
        )
    return {placed.object_id: found.get(placed.object_id) or next(iter(found.values()))}


def _shown(session: VideoSession, direction: Direction, limit: int | None) -> range:
    """The frames that will be written."""
    from masklet.predict.plan import plan

    firsts = [min(frames) for frames in session.prompts.values()]
    return plan(direction, firsts, len(session.source), limit=limit).shown


def _follow(
    session: VideoSession, sink: MaskSink, direction: Direction, limit: int | None
) -> tuple[list[int], Exception | None]:
    """Propagate into the outputs, with a bar; returns the frames done and what ended it early, if anything.

    What was found before an interruption or damage is written too, though propagation never came to
    show it (the backward sweep comes first and is shown later).
    """
    done: list[int] = []
    ending: Exception | None = None
    with progress_bar("tracking") as show, stopping_gently(session.cancel) as interruption:
        try:
            for frame, masks in session.propagate(direction, limit=limit, on_step=show):
                sink.write(frame, masks)
                done.append(frame.index)
        except DamagedVideoError as error:
            ending = error
        if interruption.happened:
            ending = Interrupted()
        if ending is not None:
            _write_found(session, sink, done)
    return done, ending


def _write_found(session: VideoSession, sink: MaskSink, done: list[int]) -> None:
    for index in range(len(session.source)):
        if index not in done and (masks := session.masks(index)).masks:
            sink.write(session.source[index], masks)
            done.append(index)


def _result(
    session: VideoSession, video: Path, model: str, done: list[int], seconds: float, outputs: list[str]
) -> dict[str, Any]:
    """What --json prints; the masks themselves only when no file has them."""
    objects: list[dict[str, Any]] = []
    for object_id, masklet in session.masklets().items():
        visible = [frame for frame in masklet.masks if not masklet.masks[frame].is_empty]
        row: dict[str, Any] = {
            "object": object_id,
            "prompted": sorted(masklet.prompted),
            "visible_frames": len(visible),
        }
        if not outputs:
            row["masks"] = {frame: rle_of(masklet.masks[frame]) for frame in visible}
        objects.append(row)
    return {
        "video": str(video),
        "model": model,
        "device": session.engine.device,
        "frames": len(done),
        "seconds": round(seconds, 3),
        "fps": round(len(done) / seconds, 3) if seconds else None,
        "objects": objects,
        "outputs": outputs,
    }
