"""Recipe files: what they mean, and what they are refused for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from masklet.data.clips import ClipSettings
from masklet.data.light import LightSettings
from masklet.data.sampling import PromptMix
from masklet.errors import ConfigError
from masklet.train.damage import Slips
from masklet.train.losses import LossWeights
from masklet.train.recipe import MEMORY_PARTS, Distillation, Recipe
from masklet.train.recipe_file import FolderSource, PlainSource, RecipeFile, VideoSource, read_recipe

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
        "steps": 700,
        "input_size": 256,
        "clips": 4,
        "frames": 4,
        "objects": 2,
        "reuse": 5,
        "rate": 4e-4,
        "warmup": 30,
        "weight_decay": 0.05,
        "average": 0.99,
        "matching": True,
        "shuffle": 0.4,
        "seed": 4,
    }
    slips = Slips(forget=0.15, damage=0.15)
    assert asdict(plan.recipe) == asdict(Recipe(**written, slips=slips, prompts=prompts))
    assert plan.recipe.trainable == MEMORY_PARTS
    assert plan.clips == ClipSettings(frames=4, size=256, cover=0.15, leave=0.08, fast=0.4)
    assert (plan.model, plan.image_weights, plan.data) == ("masklet-tiny", None, None)


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda p: p.stem)
def test_recipes_name_no_place_of_a_machine(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "masklet.train.recipe_file.embedded_weights", lambda model, part: ROOT / f"{model}.{part}"
    )
    plan = read_recipe(path)
    assert plan.data is None
    named = [plan.image_weights, plan.memory_weights, plan.teacher_weights]
    named += [Path(place) for one in plan.folders for place in (one.images, one.masks)]
    named += [Path(one.root) for one in (*plan.videos, *plan.plain)]
    assert all(place.resolve().is_relative_to(ROOT) for place in named if place is not None)
    assert f"recipes/{path.name} " in path.read_text(), "its command stands at its top"


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
        ("[recipe]\nsteps = 3\nrate = inf", "recipe.rate is inf; give a finite number"),
        ("[recipe]\nsteps = 3\nclip_norm = inf", "recipe.clip_norm is inf; give a finite number"),
        (
            "[recipe]\nsteps = 3\nseed = 99999999999999999999",
            "recipe.seed is 99999999999999999999; give at most",
        ),
        ("[recipe]\nsteps = 3\nshuffle = 3", "recipe.shuffle is 3.0; give a number from 0 to 1"),
        ("[recipe]\nsteps = 3\nfinal_rate = 20", "recipe.final_rate is 20.0; give a number from 0 to 1"),
        ("[recipe]\nsteps = 3\n[slips]\nforget = 5", "slips.forget is 5.0; give a number from 0 to 1"),
        ("[recipe]\nsteps = 3\n[slips]\ndamage = nan", "slips.damage is nan; give a finite number"),
        ("[recipe]\nsteps = 3\n[losses]\nfocal = -20", "losses.focal is -20.0; give at least 0"),
        ("[recipe]\nsteps = 3\n[losses]\nfocal_gamma = -2", "losses.focal_gamma is -2.0; give at least 0"),
        ("[recipe]\nsteps = 3\n[losses]\nfocal_alpha = 7", "losses.focal_alpha is 7.0; give a number from 0"),
        ("[recipe]\nsteps = 3\n[prompts]\nunions = nan", "prompts.unions is nan; give a finite number"),
        ("[recipe]\nsteps = 3\n[prompts]\ncorrections = -1", "corrections is -1; give 0 or more"),
        (
            "[recipe]\nsteps = 3\n[clips]\nobject_size = [nan, 1]",
            "clips.object_size[0] is nan; give a finite",
        ),
        (
            "[recipe]\nsteps = 3\n[clips.light]\nstrength = -1",
            "strength is -1.0; give a number of at least 0",
        ),
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


FURTHER = """
[model]
name = "masklet-nano"
trunk_weights = "package:some_weights"
memory_weights = "memory.safetensors"
[[data.folders]]
images = "photos"
masks = "masks"
[[data.videos]]
root = "MOSE"
format = "mose"
weight = 2
strides = [1, 5]
[[data.plain]]
root = "bare"
[recipe]
steps = 7
image_share = 0.5
lora_rank = 4
[distill]
teacher = "masklet-tiny"
teacher_weights = "teacher.pt"
masks = 1
features = [1, 1, 0.5]
"""


def test_further_data_and_a_teacher(tmp_path: Path) -> None:
    plan = read(tmp_path, FURTHER)
    assert plan.folders == (FolderSource(str(tmp_path / "photos"), str(tmp_path / "masks")),)
    assert plan.videos == (VideoSource(str(tmp_path / "MOSE"), "mose", 2.0, (1, 5)),)
    assert plan.plain == (PlainSource(str(tmp_path / "bare")),)
    assert (plan.teacher, plan.teacher_weights) == ("masklet-tiny", tmp_path / "teacher.pt")
    assert plan.trunk_weights == "package:some_weights"
    assert plan.memory_weights == tmp_path / "memory.safetensors"
    assert plan.recipe.distillation == Distillation(features=(1.0, 1.0, 0.5), masks=1.0)
    assert plan.has_data


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('format = "mose"', 'formt = "mose"'), "unknown setting in .* 'formt'; did you mean format"),
        (("masks = 1\n", "mask = 1\n"), "unknown setting in .distill.: 'mask'; did you mean masks"),
        (('"masklet-tiny"', '"masklet-tny"'), "unknown model 'masklet-tny'; did you mean masklet-tiny"),
        (("image_share = 0.5", "image_share = 2"), "recipe.image_share is 2.0; give a number from 0 to 1"),
        (("lora_rank = 4", "lora_rank = -1"), "recipe.lora_rank is -1; give at least 0"),
        (("steps = 7", "steps = 7\nlayer_decay = 1.5"), "recipe.layer_decay is 1.5; give a number up to 1"),
        (("steps = 7", "steps = 7\naccumulate = 0"), "recipe.accumulate is 0; give at least 1"),
        (("masks = 1\n", "teacher_size = 100\n"), "distill.teacher_size is 100; give a multiple of 32"),
        (("masks = 1\n", "masks = -1\n"), "distill.masks is -1.0; give at least 0"),
        (("masks = 1\n", "places = -2\n"), "distill.places is -2; give at least 0"),
        (
            ("[1, 1, 0.5]", "[-1, 1, 1]"),
            r"distill.features is \[-1.0, 1.0, 1.0\]; give numbers of at least 0",
        ),
        (("masks = 1\nfeatures = [1, 1, 0.5]", "features = [0, 0, 0]"), "nothing would be learned"),
        (("weight = 2", "weight = 0"), "data.videos.weight is 0.0; give a number above 0"),
        (("weight = 2", "weight = nan"), r"data.videos\[0\].weight is nan; give a finite number"),
        (("[1, 5]", "[3, 1]"), r"data.videos.strides is \[3, 1\]; give least and most, from 1 on"),
        (("[1, 5]", "[0, 0]"), r"data.videos.strides is \[0, 0\]"),
    ],
)
def test_refused_further_settings(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    assert change[0] in FURTHER
    with pytest.raises(ConfigError, match=complaint):
        read(tmp_path, FURTHER.replace(*change))
