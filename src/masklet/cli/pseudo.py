"""`masklet pseudo`: training clips from videos without labels."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli.options import Device, Engine, Json, Model
from masklet.cli.progress import progress_bar
from masklet.errors import DataError
from masklet.model.registry import DEFAULT


def add_to(app: typer.Typer) -> None:
    app.command("pseudo", short_help="Make training clips from videos without labels.")(pseudo)


def pseudo(
    ctx: typer.Context,
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEO…", help="Videos, or folders of them.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A folder, in DAVIS's layout.", show_default=False)
    ],
    frames: Annotated[int, typer.Option("--frames", help="Frames of a clip.")] = 12,
    stride: Annotated[int, typer.Option("--stride", help="Frames of the video from one to the next.")] = 2,
    every: Annotated[int, typer.Option("--every", help="Frames of the video from clip to clip.")] = 48,
    most: Annotated[int, typer.Option("--most", help="Most objects in a clip.")] = 6,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    as_json: Json = False,
) -> None:
    """`masklet pseudo videos/ -o pseudo/`

    What the model finds in a video it follows for a moment and back again; what comes home, agrees with
    optical flow and was sure all the way is written as a clip with masks, for `[[data.videos]]` in a
    recipe. A clip that is there already is not made again.
    """
    from masklet.data.clip_folder import write_clip
    from masklet.data.plain import VIDEOS
    from masklet.data.pseudo import PseudoSettings, pseudo_clips
    from masklet.video.file import VideoFile

    settings = replace(PseudoSettings(), frames=frames, stride=stride, every=every, most=most)
    files = [f for place in videos for f in (_below(place, VIDEOS) if place.is_dir() else [place])]
    if not files:
        raise DataError(f"{', '.join(map(str, videos))} holds no video; give files or folders of them")
    segmenter = ctx.obj(model, device=device, engine=engine)
    clips = kept = tried = 0
    with progress_bar("videos", "videos/s") as show:
        for number, file in enumerate(files):
            show(number, len(files), file.name)
            with closing(VideoFile(file)) as source:
                missing = partial(_is_missing, out, file.stem)
                for clip in pseudo_clips(segmenter.engine, source, settings, is_wanted=missing):
                    tried += clip.tried
                    if clip.labels:
                        clips += 1
                        kept += len(clip.labels[0])
                        write_clip(out, _name(file.stem, clip.start), clip.frames, clip.labels)
        show(len(files), len(files))
    if as_json:
        typer.echo(json.dumps({"clips": clips, "masklets": kept, "tried": tried}))
    else:
        typer.echo(f"{out}: {clips} clips with {kept} masklets; {tried - kept} of {tried} did not survive")


def _name(video: str, start: int) -> str:
    return f"{video}-{start:05d}"


def _is_missing(out: Path, video: str, start: int) -> bool:
    return not (out / "Annotations" / _name(video, start)).is_dir()


def _below(folder: Path, kinds: frozenset[str]) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in kinds)
