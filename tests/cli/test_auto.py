"""`masklet auto` from the command line to its file."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from PIL import Image

from fakes import FakeEngine, Impatient, truth
from masklet.types import Mask
from masklet.video.json_masks import read_masklets


def masks_in(result: dict) -> list:
    return [
        Mask(row["segmentation"]["counts"].encode(), *row["segmentation"]["size"]).to_array()
        for row in result["masks"]
    ]


def test_the_example_of_the_help(cli, photo: Path, tmp_path: Path) -> None:
    out = tmp_path / "masks.json"
    done = cli("auto", photo, "-o", out)
    assert (done.code, done.out) == (0, "")
    result = json.loads(out.read_text())
    assert (result["width"], result["height"], result["model"]) == (128, 96, "masklet-tiny")
    for object_id in (1, 2):
        square = truth(0, object_id)
        assert max((m & square).sum() / (m | square).sum() for m in masks_in(result)) > 0.6
    areas = [row["area"] for row in result["masks"]]
    assert areas == sorted(areas, reverse=True)


def test_options_reach_the_search(cli, photo: Path) -> None:
    done = cli(
        "auto", photo, "--points-per-side", "6", "--predicted-iou", "0.5", "--stability", "0.6",
        "--minimum-area", "7", "--crop-layers", "1", "--model", "m.pt", "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.opened == [("m.pt", "cpu")]
    options = done.json["options"]
    assert [options[k] for k in ("points_per_side", "predicted_iou", "stability")] == [6, 0.5, 0.6]
    assert [options[k] for k in ("minimum_area", "crop_layers")] == [7, 1]
    assert any(row["crop"] != [0, 0, 128, 96] for row in done.json["masks"])


def test_a_video_is_searched_coarser(cli, photo: Path, frames: Path) -> None:
    options = cli("auto", photo, "--json").json["options"]
    assert (options["points_per_side"], options["stability"]) == (32, 0.85)
    options = cli("auto", frames, "--interval", "0", "--json").json["options"]["picture"]
    assert (options["points_per_side"], options["stability"]) == (16, 0.85)


def test_stricter_finds_fewer(cli, photo: Path) -> None:
    loose = cli("auto", photo, "--points-per-side", "8", "--predicted-iou", "0.1", "--json").json["masks"]
    strict = cli(
        "auto",
        photo,
        "--points-per-side",
        "8",
        "--predicted-iou",
        "0.99",
        "--output",
        photo.parent / "m.json",
        "--json",
    )
    assert len(loose) > 0
    assert strict.json["masks"] == []
    assert "--stability (0.85) or --predicted-iou (0.99) to see more\n" in strict.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name an output"),
        (["-o", "m.png"], "name it .json"),
        (["--json", "--points-per-side", "0"], "points_per_side is 0"),
        (["--json", "--stability", "2"], "stability is 2"),
        (["--json", "--points-per-side", "many"], "--points-per-side"),
    ],
)
def test_bad_input_is_one_line(cli, photo: Path, arguments, complaint) -> None:
    done = cli("auto", photo, *arguments)
    assert done.code == 2
    assert complaint in done.complaint


FEW = ("--points-per-side", "12", "--stability", "0.3")


def test_a_video_in_which_nothing_is_found_says_so(cli, frames: Path, tmp_path: Path) -> None:
    few = ("--points-per-side", "4", "--predicted-iou", "0.99")
    done = cli("auto", frames, *few, "--interval", "0", "-o", tmp_path / "m.json")
    assert done.code == 0
    assert "frames was sure enough; lower --stability (0.85) or --predicted-iou (0.99)" in done.err


def test_it_shows_how_far_it_is(cli, photo: Path, frames: Path, tmp_path: Path) -> None:
    done = cli("auto", photo, *FEW, "-o", tmp_path / "m.json")
    assert "144/144" in done.err
    assert "clicks/s" in done.err
    assert "finding" in cli("auto", frames, *FEW, "--interval", "4", "-o", tmp_path / "m.json").err


def test_an_animated_picture_is_a_video(cli, frames: Path, tmp_path: Path) -> None:
    pictures = [Image.open(path) for path in sorted(frames.iterdir())]
    moving = tmp_path / "moving.webp"
    pictures[0].save(moving, save_all=True, append_images=pictures[1:], duration=80, lossless=True)
    result = cli("auto", moving, *FEW, "--interval", "0", "--json").json
    assert result["frames"] == 8


def test_what_is_not_there(cli, tmp_path: Path) -> None:
    for name in ("no.mp4", "no.jpg"):
        done = cli("auto", tmp_path / name, "-o", tmp_path / "o.mp4")
        assert done.code == 1
        assert f"{name} does not exist; check the path" in done.complaint


def test_a_damaged_video_gives_the_frames_before(cli, frames: Path, tmp_path: Path) -> None:
    (frames / "5.png").write_bytes((frames / "5.png").read_bytes()[:80])
    done = cli("auto", frames, *FEW, "-o", tmp_path / "m.json", "--json")
    assert done.code == 1
    assert "frame 5 of 8" in done.complaint
    assert done.json["masklets"][0]["visible_frames"] == 5
    assert list(read_masklets(tmp_path / "m.json")[1].masks) == [0, 1, 2, 3, 4]


class TestCtrlC:
    @pytest.fixture
    def engine(self) -> FakeEngine:
        return Impatient(at=4)

    def test_what_was_done_stays(self, cli, frames: Path, tmp_path: Path) -> None:
        done = cli("auto", frames, *FEW, "-o", tmp_path / "m.json")
        assert done.code == 130
        found = read_masklets(tmp_path / "m.json")
        assert done.complaint == f"masklet: interrupted; the {len(found)} masklets found until then are kept"
        assert 3 <= len(found[1].masks) < 8
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
