"""`masklet pack` from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image

from fakes import squares, truth
from masklet.data.datasets import training_images
from masklet.types import Mask


def test_pictures_are_packed(cli: Any, tmp_path: Path) -> None:
    place = tmp_path / "data" / "mine"
    (place / "images").mkdir(parents=True)
    Image.fromarray(squares(1, 1)[0]).save(place / "images" / "1.png")
    code = {"size": [96, 128], "counts": Mask.from_array(truth(0, 1)).counts.decode()}
    record = {"id": 1, "file_name": "1.png", "width": 128, "height": 96}
    (place / "instances.json").write_text(
        json.dumps({"images": [record], "annotations": [{"id": 1, "image_id": 1, "segmentation": code}]})
    )
    out = tmp_path / "shards"
    words = ("--side", 64, "--megabytes", 2, "--quality", 90)
    found = cli("pack", tmp_path / "data", "--out", out, *words)
    assert found.code == 0, found.err
    assert "1 shards" in found.out
    picture = training_images(out).read(0)
    assert picture is not None
    assert picture.image.shape == (48, 64, 3)
    assert "holds shards already" in cli("pack", tmp_path / "data", "-o", out).complaint
    assert "holds no data set" in cli("pack", tmp_path, "-o", tmp_path / "x").complaint
    wrong = cli("pack", tmp_path / "data", "-o", tmp_path / "y", "--megabytes", 0)
    assert (wrong.code, "give at least" in wrong.complaint) == (2, True)
