"""Recipe files: what they mean, and what they are refused for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from masklet.data.clips import ClipSettings
from masklet.data.light import LightSettings
from masklet.data.sampling import PromptMix
from masklet.errors import ConfigError
from masklet.train.losses import LossWeights
from masklet.train.recipe import MEMORY_PARTS, Recipe
from masklet.train.recipe_file import RecipeFile, read_recipe

ROOT = Path(__file__).parent.parent.parent

FULL = """
[model]
name = "sam2.1-hiera-small"
image_weights = "weights/image.pt"
[data]
root = "/pictures"
[clips]
max_objects = 2
object_size = [0.1, 1]
[clips.light]
grey = 0
[recipe]
steps = 7
input_size = 128
frames = 5
rate = 1
trainable = ["memory_encoder.", "mask_decoder."]
dtype = "float32"
[prompts]
mask = 1
click = 0
[losses]
focal = 10
"""


def read(folder: Path, text: str) -> RecipeFile:
    (folder / "r.toml").write_text(text)
    return read_recipe(folder / "r.toml")


def test_every_table(tmp_path: Path) -> None:
    assert read(tmp_path, FULL) == RecipeFile(
        model="sam2.1-hiera-small",
        image_weights=tmp_path / "weights/image.pt",
        data=Path("/pictures"),
        clips=ClipSettings(
            frames=5, size=128, max_objects=2, object_size=(0.1, 1.0), light=LightSettings(grey=0.0)
        ),
        recipe=Recipe(
            steps=7,
            input_size=128,
            frames=5,
            rate=1.0,
            trainable=("memory_encoder.", "mask_decoder."),
            dtype="float32",
            prompts=PromptMix(mask=1.0, click=0.0),
            weights=LossWeights(focal=10.0),
        ),
    )


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "[recipe]\nsteps = 3") == RecipeFile(Recipe(steps=3), ClipSettings())


def test_numbers_of_a_recipe_have_their_fields_types(tmp_path: Path) -> None:
    plan = read(tmp_path, FULL)
    assert type(plan.recipe.rate) is float
    assert type(plan.recipe.weights.focal) is float
    assert [type(v) for v in plan.clips.object_size] == [float, float]


def test_the_first_memory() -> None:
    plan = read_recipe(ROOT / "recipes" / "first-memory.toml")
    prompts = PromptMix(mask=0.8, click=0.1, corrected_frames=0)
    written = {
        "steps": 1280,
        "input_size": 256,
        "clips": 4,
        "frames": 4,
        "objects": 2,
        "reuse": 5,
        "rate": 4e-4,
        "warmup": 100,
        "weight_decay": 0.05,
        "average": 0.995,
        "seed": 0,
    }
    assert asdict(plan.recipe) == asdict(Recipe(**written, prompts=prompts))
    assert plan.recipe.trainable == MEMORY_PARTS
    assert plan.clips == ClipSettings(frames=4, size=256)
    assert (plan.model, plan.image_weights, plan.data) == ("masklet-tiny", None, None)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_recipes_name_no_place_of_a_machine(path: Path) -> None:
    plan = read_recipe(path)
    assert plan.data is None
    assert plan.image_weights is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[recipes]\nsteps = 3", "unknown table 'recipes'; did you mean recipe?"),
        ("steps = 3", "steps is 3; it belongs in a table"),
        ("[recipe]\nsteps = 3\nweight_deacy = 0.1", "'weight_deacy'; did you mean weight_decay?"),
        ("[recipe]\nsteps = 3\nprompts = 1", "unknown setting in [recipe]: 'prompts'"),
        (
            "[recipe]\nsteps = 3\n[prompts]\nmaks = 1",
            "unknown setting in [prompts]: 'maks'; did you mean mask?",
        ),
        ("[recipe]\nsteps = 3\n[losses]\nfocl = 1", "did you mean focal?"),
        ("[recipe]\nsteps = 3\n[clips]\nsize = 64", "unknown setting in [clips]: 'size'"),
        ("[recipe]\nsteps = 3\n[clips.light]\nnois = 0", "[clips.light]: 'nois'; did you mean noise?"),
        ("[recipe]\nsteps = 3\n[model]\nname = 'masklet-tyni'", "did you mean masklet-tiny"),
        ("[recipe]\nrate = 1e-4", "recipe.steps is missing; give a whole number"),
        ("[recipe]\nsteps = 3.5", "recipe.steps is 3.5; give a whole number"),
        ("[recipe]\nsteps = true", "recipe.steps is True; give a whole number"),
        ("[recipe]\nsteps = 3\nrate = '1e-4'", "recipe.rate is '1e-4'; give a number"),
        ("[recipe]\nsteps = 3\ntrainable = 'x'", "recipe.trainable is 'x'; give a list, each a text"),
        ("[recipe]\nsteps = 3\ntrainable = [1]", "recipe.trainable[0] is 1; give a text"),
        ("[recipe]\nsteps = 3\n[clips]\nobject_size = [1]", "give a list of 2, each a number"),
        ("[recipe]\nsteps = 3\n[clips]\nlight = 1", "clips.light is 1; give a table"),
        ("[recipe]\nsteps = 0", "recipe.steps is 0; give at least 1"),
        ("[recipe]\nsteps = 3\nframes = 1", "recipe.frames is 1; give at least 2"),
        ("[recipe]\nsteps = 3\ninput_size = 100", "100 must be a positive multiple of 32"),
        ("[recipe]\nsteps = 3\nrate = 0", "recipe.rate is 0.0; give a number above 0"),
        ("[recipe]\nsteps = 3\naverage = 1", "recipe.average is 1.0"),
        ("[recipe]\nsteps = 3\ndtype = 'int8'", "recipe.dtype is 'int8'; give 'bfloat16' or 'float32'"),
        ("[recipe]\nsteps = 3\ntrainable = []", "recipe.trainable is empty"),
        ("[recipe]\nsteps = 3\n[prompts]\nmask = 2", "must be probabilities"),
        ("[recipe]\nsteps = 3\n[clips]\nscene = 2", "scene is 2.0; give a number from 0 to 1"),
        ("[recipe\nsteps = 3", "is not TOML"),
    ],
)
def test_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert complaint in str(refused.value)
    assert str(tmp_path / "r.toml") in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the recipe .*none.toml: No such file"):
        read_recipe(tmp_path / "none.toml")
