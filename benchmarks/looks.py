"""What a second and a closer look bring (docs/decisions/second-look.md, docs/decisions/closer-look.md).

The same weights with one look, with two, and with a closer one after them: mean IoU over the objects of
labelled pictures.

    python benchmarks/looks.py COCO --every 5 --model masklet-nano
"""

from __future__ import annotations

import argparse

import numpy as np

import masklet
from masklet.engine.protocol import Engine
from masklet.evaluate.protocols.images import measure
from masklet.evaluate.readers.stills import open_stills
from masklet.predict.image import ImageSession
from masklet.predict.segmenter import Picture, Segmenter

LEAST_AREA = 600
"""Pixels of the smallest object that counts, as in docs/results.md."""


LOOKS = {"one look": (False, False), "two looks": (True, False), "closer": (True, True)}
"""Whether each looks a second time, and closer."""


class Looking(Segmenter):
    """Pictures are looked at as it is told."""

    def __init__(self, engine: Engine, second: bool, closer: bool) -> None:
        super().__init__(engine)
        self._second, self._closer = second, closer

    def image(self, picture: Picture, **_: bool) -> ImageSession:
        return super().image(picture, second_look=self._second, closer_look=self._closer)


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
    engine = masklet.load(told.model, input_size=told.input_size).engine
    pictures = open_stills(told.root, told.every)
    count = min(len(pictures), told.pictures or len(pictures))
    good = [picture for k in range(count) if (picture := pictures.read(k)) is not None]
    for name, looks in LOOKS.items():
        segmenter = Looking(engine, *looks)
        rows = [row for picture in good for row in measure(segmenter, picture, LEAST_AREA)]
        means = {key: float(np.mean([row[key] for row in rows])) for key in ("1", "best3", "3", "5", "box")}
        print(f"{name:10}", "  ".join(f"{key} {100 * value:.1f}" for key, value in means.items()), len(rows))


if __name__ == "__main__":
    main()
