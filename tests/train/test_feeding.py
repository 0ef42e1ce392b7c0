"""Which pictures a run's batches are made of."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.data.clips import ClipSettings
from masklet.data.datasets import training_images
from masklet.data.folders import MaskFolder
from masklet.data.light import LightSettings
from masklet.data.sa1b import PictureJson
from masklet.data.shards import write_shards
from masklet.data.stills import StillClips
from masklet.errors import ConfigError
from masklet.train.feeding import makers_of
from masklet.train.recipe import Recipe
from masklet.train.recipe_file import FolderSource, RecipeFile
from masklet.types import Mask


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two sets of one picture each, `red` and `blue`, half of it the object."""
    for name, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
        (tmp_path / name / "images").mkdir(parents=True)
        Image.new("RGB", (64, 64), colour).save(tmp_path / name / "images" / "one.png")
        half = np.zeros((64, 64), bool)
        half[:, :32] = True
        rle = {"size": [64, 64], "counts": Mask.from_array(half).counts.decode()}
        record = {"id": 1, "file_name": "one.png", "width": 64, "height": 64}
        annotation = {"id": 1, "image_id": 1, "segmentation": rle, "iscrowd": 0}
        content = {"images": [record], "annotations": [annotation], "categories": []}
        (tmp_path / name / "instances.json").write_text(json.dumps(content))
    return tmp_path


def plan(data: Path, *stills: str) -> RecipeFile:
    recipe = Recipe(steps=1, input_size=64, image_share=0.5)
    clips = ClipSettings(size=64, light=LightSettings(grey=0.0))
    return RecipeFile(recipe, clips, data=data, stills=stills)


def reddest(maker) -> set[bool]:
    """Whether pictures are red, of a dozen draws."""
    frames = [maker.clip(np.random.default_rng(n)).frames[0] for n in range(12)]
    return {bool(f[..., 0].mean() > f[..., 2].mean()) for f in frames}


def test_single_pictures_come_from_the_sets_named_and_clips_from_all(data: Path) -> None:
    clips, stills = makers_of(plan(data, "red"))
    assert isinstance(stills, StillClips)
    assert reddest(stills) == {True}
    assert reddest(clips) == {True, False}
    _, everything = makers_of(plan(data))
    assert reddest(everything) == {True, False}


def test_a_set_in_several_shards_is_taken_whole(data: Path, tmp_path: Path) -> None:
    """Packed alone, each colour is a set called `data`: two shards of one name."""
    for colour in ("red", "blue"):
        alone = tmp_path / f"only-{colour}" / "data"
        shutil.copytree(data / colour, alone)
        (shard,) = write_shards(training_images(alone.parent).sets, tmp_path / f"packed-{colour}")
        (tmp_path / "packed").mkdir(exist_ok=True)
        shard.rename(tmp_path / "packed" / f"{colour}.shard.zip")
    _, stills = makers_of(plan(tmp_path / "packed", "data"))
    assert reddest(stills) == {True, False}


def test_a_set_that_is_not_there_is_named_with_those_that_are(data: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"data\.stills names green, which the data lacks; it has blue, red"
    ):
        makers_of(plan(data, "red", "green"))
    with pytest.raises(ConfigError, match=r"names green"):
        makers_of(replace(plan(data, "green"), recipe=Recipe(steps=1, input_size=64)))


def test_without_single_pictures_none_are_made(data: Path) -> None:
    one = plan(data)
    assert makers_of(replace(one, recipe=replace(one.recipe, image_share=0.0)))[1] is None


@pytest.mark.parametrize(
    ("json_files", "pngs", "apart", "kind"),
    [
        ((), ("0", "1"), True, MaskFolder),
        (("meta",), ("0", "1"), True, MaskFolder),
        (("0",), ("0", "1"), True, MaskFolder),
        (("0", "1"), (), True, PictureJson),
        (("0", "1"), (), False, PictureJson),
        (("0",), (), False, PictureJson),
    ],
)
def test_masks_are_what_most_pictures_have(
    tmp_path: Path, json_files: tuple[str, ...], pngs: tuple[str, ...], apart: bool, kind: type
) -> None:
    images, masks = tmp_path / "images", tmp_path / ("masks" if apart else "images")
    for folder in (images, masks):
        folder.mkdir(exist_ok=True)
    for stem in ("0", "1"):
        Image.new("RGB", (8, 8)).save(images / f"{stem}.png")
    for stem in pngs:
        Image.new("L", (8, 8), 1).save(masks / f"{stem}.png")
    for stem in json_files:
        (masks / f"{stem}.json").write_text('{"annotations": []}')
    recipe = Recipe(steps=1, input_size=64, image_share=1.0)
    source = FolderSource(str(images), str(masks))
    _, stills = makers_of(RecipeFile(recipe, ClipSettings(size=64), folders=(source,)))
    assert type(stills.pool.sets[0]) is kind
