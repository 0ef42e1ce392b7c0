"""`masklet distill`, and what `masklet train` leaves for a person to look at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.cli.training_files import draw_curves
from masklet.model import checkpoints, config
from masklet.model.checkpoints import Card
from tiny_training import LITTLE, little

RECIPE = """
[model]
name = "little-for-tests"
memory_weights = "memory.safetensors"
[[data.folders]]
images = "pictures"
masks = "masks"
[recipe]
steps = 4
input_size = 64
image_share = 1.0
images = 2
clips = 1
frames = 1
reuse = 2
warmup = 1
trainable = ["mask_decoder."]
[prompts]
mask = 0
corrections = 1
"""

DISTILL = (
    RECIPE.replace('memory_weights = "memory.safetensors"', "").replace("mask_decoder.", "image_encoder.")
    + """
[distill]
teacher = "little-for-tests"
teacher_weights = "image.safetensors"
masks = 1
"""
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The little network is one that masklet knows by name."""
    presets = config.presets() | {LITTLE.name: LITTLE}
    monkeypatch.setattr(config, "presets", lambda: presets)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with weights, three pictures, two masks of them, and a mask of nothing."""
    image, memory = checkpoints.split(little().state_dict())
    for part, state in (("image", image), ("memory", memory)):
        card = Card(LITTLE.name, part, 64, "Apache-2.0", "random")
        checkpoints.save_state(tmp_path / f"{part}.safetensors", state, card)
    for folder in ("pictures", "masks"):
        (tmp_path / folder).mkdir()
    for number in range(3):
        mask = np.zeros((64, 80), bool)
        mask[10:40, 8 * number : 8 * number + 30] = True
        picture = np.full((64, 80, 3), 60, np.uint8)
        picture[mask] = 220
        Image.fromarray(picture).save(tmp_path / "pictures" / f"{number}.png")
        if number < 2:
            Image.fromarray(mask).save(tmp_path / "masks" / f"{number}.png")
    (tmp_path / "train.toml").write_text(RECIPE)
    (tmp_path / "distill.toml").write_text(DISTILL)
    return tmp_path


def test_distilling(cli, place: Path) -> None:
    out = place / "run"
    done = cli(
        "distill", place / "distill.toml", "--out", out, "--workers", 0, "--device", "cpu", "--samples", 2,
        "--steps", 3, "--image-weights", place / "image.safetensors", "--data", _coco(place), "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["outputs"] == [str(out / "image.safetensors"), str(out / "memory.safetensors")]
    assert done.json["steps"] == 3
    assert 0 <= done.json["J"] <= 1
    card = checkpoints.read_card(out / "image.safetensors")
    assert card is not None
    assert card.part == "image"
    assert "untrained" in checkpoints.read_card(out / "memory.safetensors").source
    assert (out / "samples" / "000002.png").is_file()


def _coco(place: Path) -> Path:
    """A data set of two pictures, one of them without masks."""
    folder = place / "sets" / "one"
    (folder / "images").mkdir(parents=True)
    records = []
    for number in (1, 2):
        Image.new("RGB", (32, 32)).save(folder / "images" / f"{number}.png")
        records.append({"id": number, "file_name": f"{number}.png", "height": 32, "width": 32})
    square = {"segmentation": [[4, 4, 20, 4, 20, 20, 4, 20]], "image_id": 1, "id": 1}
    (folder / "instances.json").write_text(json.dumps({"images": records, "annotations": [square]}))
    return place / "sets"


def test_stopping_after_some_minutes_and_going_on(cli, place: Path) -> None:
    run = (place / "distill.toml", "-o", place / "run", "--workers", 0)
    weights = place / "image.safetensors"
    done = cli("distill", *run, "--minutes", 0, "--image-weights", weights)
    assert done.code == 130
    assert "stopped after 0 minutes; step 0 of 4 is saved" in done.complaint
    assert cli("distill", *run, "--image-weights", weights).code == 0


def test_a_recipe_without_a_teacher_is_for_training(cli, place: Path) -> None:
    done = cli("distill", place / "train.toml", "-o", place / "run")
    assert done.code == 2
    assert "has no [distill] table" in done.complaint


def test_fine_tuning_leaves_curves_samples_and_what_was_skipped(cli, place: Path) -> None:
    out = place / "run"
    where = ("--image-weights", place / "image.safetensors", "-o", out, "--workers", 0)
    done = cli("train", place / "train.toml", *where, "--samples", 2, "--minutes", 60)
    assert done.code == 0, done.err
    assert {path.name for path in out.glob("*.safetensors")} == {"image.safetensors", "memory.safetensors"}
    assert "skipped 1 × picture has no mask" in done.err
    assert "pictures/2: picture has no mask" in (out / "skipped.txt").read_text()
    curves = (out / "curves.svg").read_text()
    assert curves.startswith("<svg xmlns")
    assert curves.count("<polyline") >= 2
    assert ">loss</text>" in curves
    assert sorted(path.name for path in (out / "samples").iterdir()) == ["000002.png", "000004.png"]
    assert np.asarray(Image.open(out / "samples" / "000002.png")).shape == (128, 64, 3)
    # The memory went on from its checkpoint instead of starting anew: nothing of it was to learn.
    before = checkpoints.load_state(place / "memory.safetensors")
    after = checkpoints.load_state(out / "memory.safetensors")
    name = "memory_encoder.out_proj.weight"
    assert np.allclose(before[name], after[name], atol=1e-2)


def test_what_was_not_measured_is_null_and_no_point_of_a_curve(cli, place: Path) -> None:
    out = place / "run"
    features = DISTILL.replace("masks = 1", "")
    (place / "features.toml").write_text(features)
    assert cli("distill", place / "features.toml", "-o", out, "--workers", 0, "--samples", 0).code == 0
    lines = (out / "log.jsonl").read_text().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail)["region"] for line in lines] == [None] * 4
    early = {"step": 5, "loss": float("inf"), "region": float("nan"), "occlusion_accuracy": 0.5}
    (out / "log.jsonl").write_text("\n".join([*lines, json.dumps(early)]))
    curves = draw_curves(out)
    assert "nan" not in curves.read_text().lower()
    assert curves.read_text().count('class="title"') == 2
