"""`masklet segment` from the command line to its files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import inside, truth
from masklet.types import Mask


def spot(object_id: int, sign: str = "") -> str:
    x, y = inside(0, object_id)
    return f"{x},{y}{sign}"


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_example_of_the_help(cli, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "mask.png"
    done = cli("segment", photo, "--click", spot(1), "--click", "100,80,-", "--box", "2,1,26,24", "-o", out)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert done.opened == [("masklet-tiny", None)]
    image = Image.open(out)
    assert (image.mode, image.size) == ("L", (128, 96))
    pixels = np.asarray(image)
    assert set(np.unique(pixels)) == {0, 255}
    assert overlap(pixels > 0, truth(0, 1)) > 0.7


def test_json_lists_candidates_best_first(cli, photo: Path) -> None:
    done = cli("segment", photo, "--click", spot(2), "--json")
    assert done.code == 0
    candidates = done.json["candidates"]
    assert len(candidates) == 3
    scores = [c["predicted_iou"] for c in candidates]
    assert scores == sorted(scores, reverse=True)
    rle = candidates[0]["segmentation"]
    mask = Mask(rle["counts"].encode(), *rle["size"])
    assert candidates[0]["area"] == mask.area
    assert overlap(mask.to_array(), truth(0, 2)) > 0.7


def test_a_json_file(cli, photo: Path, tmp_path: Path) -> None:
    done = cli("segment", photo, "--click", spot(1), "--output", tmp_path / "m.json", "--json")
    assert json.loads((tmp_path / "m.json").read_text()) == done.json


def test_model_and_device_are_handed_on(cli, photo: Path) -> None:
    done = cli("segment", photo, "--click", spot(1), "--model", "my.pt", "--device", "cpu", "--json")
    assert done.opened == [("my.pt", "cpu")]
    assert done.json["model"] == "my.pt"


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["--click", "10,10"], 2, "name an output"),
        (["-o", "m.png"], 2, "give a --click or a --box"),
        (["--click", "10", "-o", "m.png"], 2, "--click '10' must be X,Y"),
        (["--click", "500,10", "--json"], 2, "click (500, 10) is outside the frame (128×96)"),
        (["--box", "30,30,10,10", "--json"], 2, "inside out"),
        (["--box", "1,1,2,2", "--box", "3,3,4,4", "--json"], 2, "one object has one box"),
        (["--click", "1,1", "-o", "m.gif"], 2, "name it .png or .json"),
        (["--click", "1,1", "-o", "no/such/m.png"], 1, "there is no folder no/such"),
        (["--click", "nan,1", "--json"], 2, "finite"),
    ],
)
def test_bad_input_is_one_line(
    cli, photo: Path, arguments, code, complaint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    done = cli("segment", photo, *arguments)
    assert done.code == code
    assert complaint in done.complaint
    assert done.out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_a_photo_that_is_none(cli, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_text("no picture")
    for path, complaint in ((tmp_path / "x.jpg", "not a picture"), (tmp_path / "y.jpg", "does not exist")):
        done = cli("segment", path, "--click", "1,1", "--json")
        assert done.code == 1
        assert complaint in done.complaint


def test_the_cut_out_keeps_the_colours_and_nothing_else(cli, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "cut.png"
    done = cli("segment", photo, "--click", spot(1), "--cutout", out)
    assert done.code == 0, done.err
    found = np.asarray(Image.open(out))
    assert overlap(found[..., 3] == 255, truth(0, 1)) > 0.7
    x, y = inside(0, 1)
    assert (found[y, x, :3] == np.asarray(Image.open(photo))[y, x]).all()
    done = cli("segment", photo, "--click", spot(1), "--cutout", tmp_path / "cut.jpg")
    assert (done.code, "name it .png" in done.complaint) == (2, True)
