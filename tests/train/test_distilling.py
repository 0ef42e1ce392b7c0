"""A student learns its teacher's features, then the masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from masklet.data.clips import Clip
from masklet.data.sampling import PromptMix
from masklet.errors import CheckpointError, ConfigError
from masklet.model.config import Sam2Config
from masklet.model.sam2 import Decoded, Features, Sam2
from masklet.train.distilling import Distilling, feature_error, mask_error
from masklet.train.loop import Trainer
from masklet.train.losses import LossWeights
from masklet.train.recipe import Distillation, Recipe
from masklet.train.students import start_student, weights_in_package
from tiny_training import LITTLE, LITTLE_VIT, little, moving_squares

STUDENT = replace(LITTLE, name="student-for-tests", trunk=LITTLE_VIT)
RECIPE = Recipe(
    steps=12,
    input_size=64,
    clips=1,
    frames=1,
    image_share=1.0,
    reuse=1,
    rate=5e-3,
    warmup=2,
    average=0.5,
    dtype="float32",
    trainable=("image_encoder.",),
    prompts=PromptMix(0, 0.5, 0, 1),
    distillation=Distillation(),
)


def student(config: Sam2Config = STUDENT) -> Sam2:
    model = little(1, config)
    start_student(model, little(), "")
    return model


def pictures() -> Iterator[list[Clip]]:
    """The frames of a clip, each a picture, again and again."""
    clip = moving_squares(3)
    while True:
        yield [Clip(clip.frames[t : t + 1], clip.masks[t : t + 1], clip.visible[t : t + 1]) for t in range(3)]


def features(seed: int) -> Features:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((2, 64, 4, 4), (2, 16, 8, 8), (2, 8, 16, 16))
    return Features(*(torch.randn(shape, generator=generator) + 2 for shape in shapes))


def test_equal_features_have_no_error_and_means_an_error_of_one() -> None:
    goal = features(0)
    assert feature_error(goal, goal, (1, 1, 1)) == 0
    maps = (goal.stride16, goal.stride8, goal.stride4)
    flat = Features(*(m.mean((0, 2, 3), keepdim=True).expand_as(m) for m in maps))
    assert feature_error(flat, goal, (1, 0, 0)) == pytest.approx(1)
    assert feature_error(flat, goal, (0.5, 0.25, 2)) == pytest.approx(2.75)


def test_a_teacher_with_a_finer_grid_is_brought_to_the_students() -> None:
    goal = features(0)
    maps = (goal.stride16, goal.stride8, goal.stride4)
    fine = Features(*(torch.nn.functional.interpolate(m, scale_factor=2, mode="nearest") for m in maps))
    assert feature_error(goal, fine, (1, 0, 0)) < 0.5 * feature_error(features(1), fine, (1, 0, 0))


def test_the_mask_error_falls_as_answers_come_closer() -> None:
    def answer(logits: torch.Tensor, iou: float) -> Decoded:
        return Decoded(logits, torch.full((1, 3), iou), torch.zeros(1, 3, 4), torch.zeros(1, 1))

    goal = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 20
    teacher = answer(goal, 0.8)
    errors = [
        float(mask_error(answer(logits, iou), teacher, LossWeights()))
        for logits, iou in ((goal, 0.8), (goal, 0.5), (goal * 0.1, 0.5), (-goal, 0.5))
    ]
    assert errors == sorted(errors)
    assert errors[1] - errors[0] == pytest.approx(0.3, abs=1e-5)


@pytest.mark.parametrize("masks", [0.0, 1.0])
def test_the_student_comes_closer_and_only_its_encoder_changes(tmp_path: Path, masks: float) -> None:
    recipe = replace(RECIPE, distillation=Distillation(masks=masks), steps=12 if masks else 25)
    model, teacher = student(), little()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    trainer = Trainer(model, recipe, tmp_path, task=Distilling(model, teacher, recipe))
    reports = list(trainer.run(pictures()))
    assert sum(r.loss for r in reports[-3:]) < 0.9 * sum(r.loss for r in reports[:3])
    changed = {n for n, tensor in model.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed
    assert all(name.startswith("image_encoder.") for name in changed)
    assert all(torch.equal(a, b) for a, b in zip(teacher.parameters(), little().parameters(), strict=True))
    assert np.isnan(reports[-1].region) == (masks == 0)


def test_a_student_of_the_teachers_kind_already_agrees() -> None:
    teacher, model = little(), little()
    task = Distilling(model, teacher, replace(RECIPE, distillation=Distillation(masks=1.0)))
    clips = next(pictures())
    measured = task.measure(clips, task.prepare(clips), np.random.default_rng(0), show=True)
    assert measured.region == 1
    assert measured.sample is not None
    assert np.array_equal(measured.sample.truth, measured.sample.answers)


def test_pictures_without_objects_teach_features_alone() -> None:
    model = student()
    task = Distilling(model, little(), replace(RECIPE, distillation=Distillation(masks=1.0)))
    bare = [Clip(np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 0, 64, 64), bool), np.zeros((1, 0), bool))]
    measured = task.measure(bare, task.prepare(bare), np.random.default_rng(0), show=False)
    assert float(measured.loss.detach()) > 0
    assert np.isnan(measured.region)


def test_clicks_anywhere_make_masks_teach_on_pictures_without_objects() -> None:
    model = student()
    settings = Distillation(masks=1.0, places=2)
    bare = [Clip(np.zeros((1, 64, 64, 3), np.uint8), np.zeros((1, 0, 64, 64), bool), np.zeros((1, 0), bool))]
    for click, learns in ((1.0, True), (0.0, False)):  # nobody can draw a box around nothing
        recipe = replace(RECIPE, distillation=settings, prompts=PromptMix(0, click, 0, 1))
        task = Distilling(model, little(), recipe)
        measured = task.measure(bare, task.prepare(bare), np.random.default_rng(0), show=True)
        assert np.isnan(measured.region) != learns
        assert measured.sample is None or measured.sample.answers.shape[1] == 2


def test_a_student_starts_with_the_teachers_decoder() -> None:
    model, teacher = student(), little().state_dict()
    for name, tensor in model.state_dict().items():
        if name.startswith(("prompt_encoder.", "mask_decoder.", "no_memory_embed")):
            learned_later = name.startswith("mask_decoder.pred_obj_score_head")
            assert learned_later or torch.equal(tensor, teacher[name]), name
    with pytest.raises(ConfigError, match="cannot learn from little-for-tests"):
        start_student(little(0, replace(STUDENT, decoder_hidden=32)), little(), "")


def test_weights_in_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, info = tmp_path / "odd_weights", tmp_path / "some_weights-1.0.dist-info"
    folder.mkdir()
    info.mkdir()
    (folder / "__init__.py").write_text("raise ImportError('only its files are wanted')")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text("odd_weights/__init__.py,,\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(CheckpointError, match="holds 0 weights files"):
        weights_in_package("some-weights")
    (folder / "small.pth").write_bytes(b"")
    (info / "RECORD").write_text("odd_weights/__init__.py,,\nodd_weights/small.pth,,\n")
    assert weights_in_package("some-weights") == folder / "small.pth"
    with pytest.raises(CheckpointError, match="pip install --no-deps --only-binary :all: not-there"):
        weights_in_package("not-there")
