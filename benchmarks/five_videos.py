"""One video as five: as it is, mirrored, backwards, both, and from frame 12 on.

With look-alikes, rounding decides who is followed, and one video tells five points of J&F from nothing; the
mean of five tells more.

    python benchmarks/five_videos.py DAVIS_MULTI five/
    masklet evaluate davis --root five/ --prompt mask --input-size 1024
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageOps

from masklet.evaluate.readers.folders import find_layout, pictures, sequences

LATE = 12
"""First frame of the fifth video."""

VIDEOS = {
    "as-it-is": (False, slice(None)),
    "mirrored": (True, slice(None)),
    "backwards": (False, slice(None, None, -1)),
    "both": (True, slice(None, None, -1)),
    "late": (False, slice(LATE, None)),
}
"""Name → whether it is mirrored, and which frames, in which order."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", help="a folder in DAVIS's layout, every frame annotated")
    parser.add_argument("out", type=Path, help="a new folder")
    told = parser.parse_args()
    layout = find_layout(Path(told.root))
    assert layout.frames is not None
    for sequence in sequences(layout):
        frames = list(pictures(layout.frames / sequence).values())
        masks = list(pictures(layout.annotations / sequence).values())
        for name, (mirrored, which) in VIDEOS.items():
            for kind, files, ending in (("JPEGImages", frames, "jpg"), ("Annotations", masks, "png")):
                folder = told.out / kind / f"{sequence}-{name}"
                folder.mkdir(parents=True)
                for number, file in enumerate(files[which]):
                    picture = Image.open(file)
                    if mirrored:
                        picture = ImageOps.mirror(picture)
                    options = {"quality": 98, "subsampling": 0} if ending == "jpg" else {}
                    picture.save(folder / f"{number:05d}.{ending}", **options)


if __name__ == "__main__":
    main()
