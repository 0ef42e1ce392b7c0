"""Outputs that would cost something: an input, or an hour whose result has no place to go to."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fakes import inside
from masklet.cli.outputs import check_outputs
from masklet.errors import ConfigError, SinkError

SPOT = ",".join(map(str, inside(0, 1)))


@pytest.mark.parametrize("command", ["segment", "auto", "track"])
def test_an_input_is_never_written_over(cli, photo: Path, frames: Path, tmp_path: Path, command: str) -> None:
    linked = tmp_path / "link.json"
    linked.symlink_to(photo)
    given, output = {
        "segment": ((photo, "--click", SPOT), photo),
        "auto": ((photo,), linked),  # by another name
        "track": ((frames, "--click", SPOT), frames),
    }[command]
    before = photo.read_bytes(), sorted(path.name for path in frames.iterdir())
    done = cli(command, *given, "--masks" if command == "track" else "-o", output)
    assert done.code == 2
    assert f"the output {output} is an input too" in done.complaint
    assert (photo.read_bytes(), sorted(path.name for path in frames.iterdir())) == before


def test_nor_the_masks_one_starts_from(tmp_path: Path) -> None:
    first = tmp_path / "first.png"
    Image.fromarray(np.ones((4, 4), np.uint8)).save(first)
    with pytest.raises(ConfigError, match=r"first\.png is an input too"):
        check_outputs([None, first], [tmp_path / "video.mp4", first])


@pytest.mark.parametrize(
    "arguments",
    [
        ("segment", "PHOTO", "--click", SPOT, "-o", "no/m.png"),
        ("auto", "PHOTO", "-o", "no/m.json"),
        ("auto", "FRAMES", "-o", "no/m.mp4"),
        ("track", "FRAMES", "--click", SPOT, "-o", "no/o.mp4"),
        ("track", "FRAMES", "--click", SPOT, "--masks", "no/masks"),
    ],
)
def test_it_is_said_before_the_model_is_opened(
    cli, photo: Path, frames: Path, arguments, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"PHOTO": photo, "FRAMES": frames}
    done = cli(*(places.get(a, a) for a in arguments))
    assert done.code == 1
    assert "there is no folder no; create it first" in done.complaint
    assert done.opened == []


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    kept = tmp_path / "m.json"
    kept.write_text("earlier")
    check_outputs([kept, tmp_path / "o.mp4", tmp_path / "masks", tmp_path], [tmp_path / "video.mp4"])
    assert [path.name for path in tmp_path.iterdir()] == ["m.json"]
    assert kept.read_text() == "earlier"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_one_may_not_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SinkError, match="choose a folder you may write to"):
        check_outputs([tmp_path / "m.json"], [])
    tmp_path.chmod(0o700)


def test_a_folder_of_masks_has_no_ending(cli, frames: Path, tmp_path: Path) -> None:
    done = cli("track", frames, "--click", SPOT, "--masks", tmp_path / "masks.txt")
    assert done.code == 2
    assert "masks.txt what to write; name it .json" in done.complaint
    assert not (tmp_path / "masks.txt").exists()
    (tmp_path / "masks.v2").mkdir()  # unless it is there already
    assert cli("track", frames, "--click", SPOT, "--masks", tmp_path / "masks.v2").code == 0
    assert len(list((tmp_path / "masks.v2").iterdir())) == 8
