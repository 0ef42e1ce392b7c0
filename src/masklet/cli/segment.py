"""`masklet segment`: one object in a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from masklet.cli.masks import described, write_mask, write_text
from masklet.cli.options import Boxes, Clicks, Device, Engine, InputSize, Json, Model, Photo, open_model
from masklet.cli.outputs import check_outputs
from masklet.cli.prompts import parse_box, parse_click
from masklet.errors import ConfigError, PromptError
from masklet.model.registry import DEFAULT
from masklet.types import Prompt


def add_to(app: typer.Typer) -> None:
    app.command("segment", short_help="Segment one object of a picture.")(segment)


def segment(
    ctx: typer.Context,
    photo: Photo,
    click: Clicks = None,
    box: Boxes = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The mask: a .png (white on black), or a .json with every candidate as RLE.",
            show_default=False,
        ),
    ] = None,
    cutout: Annotated[
        Path | None,
        typer.Option("--cutout", help="The object alone, on transparent ground (.png).", show_default=False),
    ] = None,
    model: Model = DEFAULT,
    device: Device = None,
    engine: Engine = None,
    input_size: InputSize = None,
    as_json: Json = False,
) -> None:
    """`masklet segment photo.jpg --click 500,375 --click 30,40,- --box 1,2,300,400 -o mask.png`

    Segment one object of a picture from clicks and/or a box, in pixels of the picture.

    A single click may mean a part or the whole: `--json` and a .json output list three candidates,
    best first; a .png gets the best.
    """
    from masklet.video.cutout import cut_out, write_rgba_png
    from masklet.video.folder import read_image

    prompt = _prompt(click or [], box or [])
    if output is None and cutout is None and not as_json:
        raise ConfigError("name an output: -o MASK.PNG, -o MASKS.JSON, --cutout CUT.PNG or --json")
    if output is not None and output.suffix.lower() not in (".png", ".json"):
        raise ConfigError(f"cannot tell from {output} what to write; name it .png or .json")
    if cutout is not None and cutout.suffix.lower() != ".png":
        raise ConfigError(f"cannot write the cut-out {cutout}: name it .png")
    check_outputs([output, cutout], [photo])
    answer = (
        open_model(ctx.obj, model, device, engine, input_size)
        .image(photo)
        .segment(clicks=prompt.clicks, box=prompt.box)
    )
    result = _result(photo, model, answer)
    if output is not None and output.suffix.lower() == ".png":
        write_mask(output, answer.best)
    elif output is not None:
        write_text(output, json.dumps(result, indent=2))
    if cutout is not None:
        write_rgba_png(cutout, cut_out(read_image(photo), [answer.best]))
    if as_json:
        typer.echo(json.dumps(result, indent=2))


def _prompt(clicks: list[str], boxes: list[str]) -> Prompt:
    if len(boxes) > 1:
        raise PromptError(f"one object has one box, got {len(boxes)}")
    if not clicks and not boxes:
        raise PromptError("tell what to segment: give a --click or a --box (`masklet auto` finds everything)")
    return Prompt(tuple(parse_click(text) for text in clicks), parse_box(boxes[0]) if boxes else None)


def _result(photo: Path, model: str, answer: Any) -> dict[str, Any]:
    candidates = [
        {**described(mask), "predicted_iou": round(iou, 4)}
        for mask, iou in zip(answer.masks, answer.iou, strict=True)
    ]
    return {
        "image": str(photo),
        "width": answer.best.width,
        "height": answer.best.height,
        "model": model,
        "candidates": candidates,
    }
