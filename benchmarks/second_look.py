"""What a second look at first clicks and boxes brings (docs/decisions/second-look.md).

The same weights with one look and with two: mean IoU over the objects of labelled pictures.

    python benchmarks/second_look.py COCO --every 5 --model masklet-nano
"""

from __future__ import annotations

import argparse

import numpy as np

import masklet
from masklet.evaluate.protocols.images import measure
from masklet.evaluate.readers.stills import open_stills
from masklet.predict.image import ImageSession
from masklet.predict.segmenter import Picture, Segmenter

LEAST_AREA = 600
"""Pixels of the smallest object that counts, as in docs/results.md."""


class OneLook(Segmenter):
    """Pictures are answered once."""

    def image(self, picture: Picture, *, second_look: bool = False) -> ImageSession:
        return super().image(picture, second_look=second_look)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("root", help="a folder with instances.json and images/")
    parser.add_argument("--every", type=int, default=1, help="only pictures whose id this divides")
    parser.add_argument("--model", default="masklet-tiny")
    parser.add_argument("--input-size", type=int)
    parser.add_argument("--pictures", type=int, help="at most so many")
    told = parser.parse_args()
    twice = masklet.load(told.model, input_size=told.input_size)
    once = OneLook(twice.engine)
    pictures = open_stills(told.root, told.every)
    count = min(len(pictures), told.pictures or len(pictures))
    good = [picture for k in range(count) if (picture := pictures.read(k)) is not None]
    for name, segmenter in (("one look", once), ("two looks", twice)):
        rows = [row for picture in good for row in measure(segmenter, picture, LEAST_AREA)]
        means = {key: float(np.mean([row[key] for row in rows])) for key in ("1", "best3", "3", "5", "box")}
        print(f"{name:10}", "  ".join(f"{key} {100 * value:.1f}" for key, value in means.items()), len(rows))


if __name__ == "__main__":
    main()
