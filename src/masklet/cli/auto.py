"""`masklet auto`: everything in a picture."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from masklet.cli.masks import described, write_text
from masklet.cli.options import Device, Json, Model, Photo
from masklet.errors import ConfigError
from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.predict.automatic import AutoMask, AutomaticOptions


def add_to(app: typer.Typer) -> None:
    app.command("auto", short_help="Segment everything in a picture.")(auto)


def auto(
    ctx: typer.Context,
    photo: Photo,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The masks, a .json of RLE.", show_default=False)
    ] = None,
    points_per_side: Annotated[
        int, typer.Option("--points-per-side", help="The grid of clicks has this many squared.")
    ] = 32,
    predicted_iou: Annotated[
        float, typer.Option("--predicted-iou", help="Drop masks the model believes in less, 0 to 1.")
    ] = 0.8,
    stability: Annotated[
        float, typer.Option("--stability", help="Drop masks that change more with the threshold, 0 to 1.")
    ] = 0.95,
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
    as_json: Json = False,
) -> None:
    """`masklet auto photo.jpg -o masks.json`

    Segment everything in a picture, without a prompt: a mask an object, largest first, with its
    predicted IoU, its stability, and the click that found it.
    """
    if output is None and not as_json:
        raise ConfigError("name an output: -o MASKS.JSON or --json")
    if output is not None and output.suffix.lower() != ".json":
        raise ConfigError(f"cannot tell from {output} what to write; name it .json")
    from masklet.predict.automatic import AutomaticOptions

    options = AutomaticOptions(
        points_per_side=points_per_side,
        predicted_iou=predicted_iou,
        stability=stability,
        minimum_area=minimum_area,
        crop_layers=crop_layers,
    )
    segmenter = ctx.obj(model, device=device)
    picture = segmenter.image(photo).image
    result = _result(photo, model, picture.shape[:2], options, segmenter.automatic(picture, options))
    if output is not None:
        write_text(output, json.dumps(result, indent=2))
    if as_json:
        typer.echo(json.dumps(result, indent=2))


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
