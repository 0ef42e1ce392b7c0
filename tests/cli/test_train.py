"""`masklet train` with a little network and a little data set."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import masklet
from masklet.cli.training_line import Means
from masklet.model import checkpoints, config, quantised
from masklet.model.checkpoints import Card
from masklet.model.sam2 import Sam2
from masklet.train.company import Company
from masklet.train.loop import Report, Trainer
from masklet.types import Mask
from parity.weights import randomise
from tiny_training import LITTLE, little

RECIPE = """
[model]
name = "little-for-tests"
[recipe]
steps = 4
input_size = 64
clips = 1
frames = 2
reuse = 2
warmup = 1
[prompts]
corrected_frames = 0
"""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The little network is one that masklet knows by name."""
    presets = config.presets() | {LITTLE.name: LITTLE}
    monkeypatch.setattr(config, "presets", lambda: presets)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "little.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """The image path of a random little network."""
    model = Sam2(LITTLE)
    randomise(model, 0)
    image, _ = checkpoints.split(model.state_dict())
    path = tmp_path / "image.safetensors"
    checkpoints.save_state(path, image, Card(LITTLE.name, "image", 64, "Apache-2.0", "random"))
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """One set of three pictures, each with a bright box."""
    folder = tmp_path / "pictures" / "boxes"
    (folder / "images").mkdir(parents=True)
    records, annotations = [], []
    for number in (1, 2, 3):
        mask = np.zeros((64, 80), bool)
        mask[10:40, 8 * number : 8 * number + 30] = True
        picture = np.full((64, 80, 3), 60, np.uint8)
        picture[mask] = 220
        Image.fromarray(picture).save(folder / "images" / f"{number}.png")
        records.append({"id": number, "file_name": f"{number}.png", "height": 64, "width": 80})
        segmentation = {"size": [64, 80], "counts": Mask.from_array(mask).counts.decode()}
        annotations.append({"id": number, "image_id": number, "segmentation": segmentation, "iscrowd": 0})
    content = {"images": records, "annotations": annotations, "categories": []}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder.parent


def test_a_run(cli, recipe: Path, weights: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = cli(
        "train", recipe, "--data", data, "--out", out, "--image-weights", weights,
        "--workers", 0, "--device", "cpu", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (done.json["steps"], done.json["resumed_at"]) == (4, 0)
    assert done.json["loss"] > 0
    assert done.json["outputs"] == [str(out / "image.safetensors"), str(out / "memory.safetensors")]
    assert "step 4/4" in done.err
    assert "s/step" in done.err
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [1, 2, 3, 4]
    assert done.json["loss"] == pytest.approx(sum(line["loss"] for line in logged) / 4)


def test_the_result_is_the_average_and_a_whole_model(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = cli("train", recipe, "--data", data, "-o", out, "--image-weights", weights, "--workers", 0)
    assert done.code == 0, done.err
    assert done.out.split() == [str(out / "image.safetensors"), str(out / "memory.safetensors")]
    memory = checkpoints.load_state(out / "memory.safetensors")
    average = torch.load(out / "run.pt", weights_only=True)["average"]
    assert set(average) == set(memory)
    for name, tensor in average.items():
        assert torch.equal(quantised.halve(name, tensor).float(), memory[name]), name
    card = checkpoints.read_card(out / "memory.safetensors")
    assert card is not None
    assert (card.config, card.part, card.input_size) == (LITTLE.name, "memory", 64)
    image = checkpoints.read_card(out / "image.safetensors")
    assert (image.part, image.source) == ("image", "random")  # nothing of it learned
    given, kept = checkpoints.load_state(weights), checkpoints.load_state(out / "image.safetensors")
    for name, tensor in given.items():
        assert torch.equal(quantised.halve(name, tensor).float(), kept[name]), name
    assert masklet.load(out, device="cpu", engine="torch").engine.input_size == 64
    assert cli("average", out, out, "-o", tmp_path / "mean").code == 0
    assert masklet.load(str(tmp_path / "mean"), device="cpu", engine="torch").engine.name == LITTLE.name


def test_a_longer_run_goes_on_and_another_recipe_is_refused(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    where = ("--data", data, "--out", out, "--image-weights", weights, "--workers", 0)
    assert cli("train", recipe, *where, "--steps", 2).code == 0
    more = cli("train", recipe, *where, "--steps", 6, "--json").json
    assert (more["resumed_at"], more["steps"]) == (2, 6)
    again = cli("train", recipe, *where, "--steps", 6, "--json").json
    assert (again["resumed_at"], again["steps"], again["loss"]) == (6, 6, None)
    recipe.write_text(RECIPE.replace("warmup = 1", "warmup = 2"))
    done = cli("train", recipe, *where)
    assert done.code == 2
    assert "recipe.warmup = 1, not 2" in done.complaint


def test_other_weights_or_data_are_refused(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    where = ("--data", data, "--out", out, "--workers", 0)
    assert cli("train", recipe, *where, "--image-weights", weights, "--steps", 2).code == 0
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(weights.read_bytes())
    other = tmp_path / "other.safetensors"
    image, memory = checkpoints.split(little(seed=1).state_dict())
    checkpoints.save_state(other, image, Card(LITTLE.name, "image", 64, "Apache-2.0", "random"))
    checkpoints.save_state(
        tmp_path / "memory.safetensors", memory, Card(LITTLE.name, "memory", 64, "CC0-1.0", "")
    )

    def refusal(text: str, image: Path = weights) -> str:
        recipe.write_text(text)
        done = cli("train", recipe, *where, "--image-weights", image)
        assert done.code == 2
        return done.complaint

    assert "holds a run with model.image_weights = 'sha256 " in refusal(RECIPE, other)
    lent = RECIPE.replace("[model]", '[model]\nmemory_weights = "memory.safetensors"')
    assert "model.memory_weights = '', not 'sha256 " in refusal(lent)
    assert "data.stills = [], not ['boxes']" in refusal(RECIPE + '[data]\nstills = ["boxes"]\n')
    folder = '[[data.folders]]\nimages = "i"\nmasks = "m"\n'
    for name in "im":
        (tmp_path / name).mkdir()
    assert "data.folders = 0, not 1" in refusal(RECIPE + folder)
    recipe.write_text(RECIPE)
    assert cli("train", recipe, *where, "--image-weights", moved, "--steps", 4).code == 0

    # A run of a version that noted no weights and no data goes on, and has them from then on.
    note = json.loads((out / "recipe.json").read_text())
    early = {k: v for k, v in note.items() if "weights" not in k and not k.startswith("data.")}
    (out / "recipe.json").write_text(json.dumps({**early, "recipe.weights.focal": 20.0}))
    assert cli("train", recipe, *where, "--image-weights", weights, "--steps", 6).code == 0
    assert "model.image_weights" in refusal(RECIPE, other)


def test_a_folder_that_another_process_trains_in_is_refused(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    where = ("--data", data, "--out", out, "--image-weights", weights, "--workers", 0)
    program = (
        "import sys; from pathlib import Path; from masklet.train.locking import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(out)]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        done = cli("train", recipe, *where)
    finally:
        other.kill()
        other.communicate()
    assert done.code == 2
    assert f"process {other.pid} is training in {out}" in done.complaint
    assert not (out / "recipe.json").exists()
    assert cli("train", recipe, *where).code == 0, "killed, it holds nothing"


def test_weights_that_are_not_finite_are_not_written(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    averaged = Trainer.averaged

    def apart(self: Trainer) -> dict[str, torch.Tensor]:
        return {**averaged(self), "no_object_pointer": torch.full((1, 64), float("nan"))}

    monkeypatch.setattr(Trainer, "averaged", apart)
    out = tmp_path / "run"
    done = cli("train", recipe, "--data", data, "-o", out, "--image-weights", weights, "--workers", 0)
    assert done.code == 1
    assert "has infinite or undefined weights: no_object_pointer; begin anew" in done.complaint
    assert not list(out.glob("*.safetensors"))


def test_what_every_process_skips_is_listed(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = json.dumps([{"item": "boxes/9.png", "reason": "picture is missing", "detail": ""}])
    monkeypatch.setattr(Company, "gathered", lambda self, text, device: [text, other])
    out = tmp_path / "run"
    done = cli("train", recipe, "--data", data, "-o", out, "--image-weights", weights, "--workers", 0)
    assert "skipped 1 × picture is missing" in done.err
    assert (out / "skipped.txt").read_text() == "boxes/9.png: picture is missing\n"


@pytest.mark.parametrize("kept", [0, 100, 1000])
def test_a_damaged_checkpoint_is_named_with_the_way_out(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path, kept: int
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    torch.save({"step": 1}, out / "run.pt")
    (out / "run.pt").write_bytes((out / "run.pt").read_bytes()[:kept])
    done = cli("train", recipe, "--data", data, "-o", out, "--image-weights", weights, "--workers", 0)
    assert done.code == 1
    assert f"{out / 'run.pt'} cannot be read" in done.complaint
    assert "delete it to begin the run anew" in done.complaint


def test_ctrl_c_saves_and_the_run_ends_as_if_undisturbed(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(out: str):
        where = ("--data", data, "--out", tmp_path / out, "--image-weights", weights, "--workers", 0)
        return cli("train", recipe, *where)

    assert command("straight").code == 0
    one_step = Trainer._one_step

    def interrupted(self: Trainer, *arguments) -> Report:
        os.kill(os.getpid(), signal.SIGINT)
        return one_step(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_one_step", interrupted)
        # The second step of the batch would press Ctrl-C again, which interrupts at once.
        patched.setattr(os, "kill", _once(os.kill))
        done = command("stopped")
    assert done.code == 130
    assert "step 2 of 4 is saved" in done.complaint
    assert not (tmp_path / "stopped" / "memory.safetensors").exists()
    assert command("stopped").code == 0
    straight, stopped = (
        checkpoints.load_state(tmp_path / n / "memory.safetensors") for n in ("straight", "stopped")
    )
    assert all(torch.equal(straight[name], stopped[name]) for name in straight)


def _once(function):
    calls = []

    def call(*arguments) -> None:
        if not calls:
            calls.append(1)
            function(*arguments)

    return call


@pytest.mark.parametrize(
    ("change", "complaint", "code"),
    [
        ({"--data": None}, "names no data; give --data DIR", 2),
        ({"--data": "nowhere"}, "nowhere holds no data set", 1),
        ({"--image-weights": "nowhere.pt"}, "no checkpoint at nowhere.pt", 1),
        ({"--image-weights": None}, "no image path for little-for-tests comes with masklet", 1),
        ({"--steps": 0}, "recipe.steps is 0", 2),
        ({"--workers": -1}, "workers is -1", 2),
        ({"--device": "abacus"}, "device 'abacus' cannot be used here", 2),
    ],
)
def test_refused(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path, change: dict, complaint: str, code: int
) -> None:
    given = {"--data": data, "--out": tmp_path / "run", "--image-weights": weights, "--workers": 0} | change
    arguments = [word for name, value in given.items() if value is not None for word in (name, value)]
    done = cli("train", recipe, *arguments)
    assert complaint in done.complaint
    assert done.code == code
    assert not (tmp_path / "run" / "run.pt").exists()


def test_weights_of_another_network_and_parts_nobody_has(
    cli, recipe: Path, weights: Path, data: Path, tmp_path: Path
) -> None:
    where = ("--data", data, "--out", tmp_path / "run", "--image-weights", weights)
    recipe.write_text(RECIPE.replace("steps = 4", 'steps = 4\ntrainable = ["memmory_"]'))
    assert "no parameter of little-for-tests begins with 'memmory_'" in cli("train", recipe, *where).complaint
    recipe.write_text(RECIPE.replace(LITTLE.name, "masklet-tiny"))
    assert "does not fit the model" in cli("train", recipe, *where).complaint


def test_means_leave_out_steps_that_measured_nothing() -> None:
    means = Means()
    assert means.loss is None
    assert "–" in str(means)
    for region in (0.5, float("nan"), 0.7):
        means.add(Report(1, 2.0, region, 1.0, 1e-4, 0.1))
    assert means.region == pytest.approx(0.6)
    assert means.loss == 2.0
