"""What a recipe can ask for: accumulation, recomputing, layer rates, LoRA, pictures among clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from masklet.data.clips import Clip
from masklet.data.sampling import PromptMix
from masklet.errors import ConfigError
from masklet.train.loop import Trainer
from masklet.train.lora import add_lora, without_lora
from masklet.train.measured import Measured, Sample
from masklet.train.optimising import optimiser_of, scale_of
from masklet.train.recipe import MEMORY_PARTS, Recipe
from masklet.train.tracking import Tracking
from tiny_training import RECIPE, batches, little, moving_squares

CLICKS = PromptMix(mask=0, click=0.5, corrected_frames=1, corrections=1)


class Line(nn.Module):
    """y = weight · x, for tests of the loop alone."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))


class Slopes:
    """A task whose gradient is the batch itself."""

    def __init__(self, model: Line) -> None:
        self.model = model

    def prepare(self, clips: Any) -> None:
        return None

    def measure(self, clips: Any, prepared: None, rng: np.random.Generator, *, show: bool) -> Measured:
        return Measured((self.model.weight * torch.tensor(clips)).sum())


def line_trainer(folder: Path, **changes: Any) -> Trainer:
    model = Line()
    recipe = replace(
        Recipe(steps=2, warmup=0, rate=0.1, trainable=("weight",), reuse=1, clip_norm=1e9), **changes
    )
    return Trainer(model, recipe, folder, task=Slopes(model))  # type: ignore[arg-type]


def lines(*values: list[float]) -> Iterator[Any]:
    return iter(values)


def test_accumulated_batches_make_one_step_of_their_mean(tmp_path: Path) -> None:
    trainer = line_trainer(tmp_path, accumulate=2)
    reports = trainer.run(lines([1.0, 5.0], [3.0, -1.0], [1.0, 1.0], [1.0, 1.0]))
    first = next(reports)
    assert trainer.model.weight.grad.tolist() == [2.0, 2.0]  # type: ignore[union-attr]
    assert first.loss == pytest.approx(((1 + 10) + (3 - 2)) / 2)
    list(reports)
    assert (trainer.step, trainer.batch) == (2, 4)


def test_gradients_that_are_no_numbers_change_nothing_and_are_counted(tmp_path: Path) -> None:
    trainer = line_trainer(tmp_path)
    reports = trainer.run(lines([float("nan"), 1.0], [1.0, 1.0]))
    next(reports)
    assert trainer.model.weight.tolist() == [1.0, 2.0]  # type: ignore[union-attr]
    list(reports)
    assert trainer.model.weight[0] < 1  # type: ignore[index]
    assert trainer.skipped == 1


def test_recomputing_changes_memory_not_gradients(tmp_path: Path) -> None:
    gradients = []
    for recompute in (False, True):
        recipe = replace(RECIPE, trainable=("",), recompute=recompute, prompts=CLICKS)
        model = little().train()
        task = Tracking(model, recipe)
        clips = [moving_squares()]
        task.measure(clips, task.prepare(clips), np.random.default_rng(3), show=False).loss.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    plain, again = gradients
    assert plain.keys() == again.keys()
    assert {name.split(".")[0] for name in plain} >= {"image_encoder", "mask_decoder", "memory_attention"}
    for name, gradient in plain.items():
        # Sums come in another order: as much as rounding does to the largest of them.
        rounding = 1e-4 * float(gradient.abs().max()) + 1e-6
        torch.testing.assert_close(again[name], gradient, rtol=1e-4, atol=rounding, msg=name)


def test_rates_fall_through_the_trunk() -> None:
    recipe = Recipe(steps=1, image_rate=0.5, decoder_rate=0.1, layer_decay=0.8)
    trunk = "image_encoder.trunk."
    assert scale_of("memory_encoder.out_proj.weight", recipe, 4) == 1
    assert scale_of("mask_decoder.iou_token.weight", recipe, 4) == 0.1
    assert scale_of("mask_decoder.pred_obj_score_head.layers.0.weight", recipe, 4) == 1
    assert scale_of("image_encoder.neck.convs.0.conv.weight", recipe, 4) == 0.5
    assert scale_of(trunk + "blocks.3.norm1.weight", recipe, 4) == pytest.approx(0.5 * 0.8)
    assert scale_of(trunk + "blocks.0.norm1.weight", recipe, 4) == pytest.approx(0.5 * 0.8**4)
    assert scale_of(trunk + "patch_embed.proj.weight", recipe, 4) == pytest.approx(0.5 * 0.8**5)


def test_each_group_learns_at_its_share_of_the_rate() -> None:
    named = dict(little().named_parameters())
    recipe = Recipe(steps=1, image_rate=0.5, layer_decay=0.8)
    rates = optimiser_of(named, recipe, blocks=4)
    rates.set_rate(1.0)
    given = {id(p): (g["lr"], g["weight_decay"]) for g in rates.adamw.param_groups for p in g["params"]}
    assert len(given) == len(named)
    for name, parameter in named.items():
        decay = recipe.weight_decay if parameter.ndim > 1 else 0
        assert given[id(parameter)] == (pytest.approx(scale_of(name, recipe, 4)), decay), name
    plain = optimiser_of(named, Recipe(steps=1), blocks=4)
    assert [g["weight_decay"] for g in plain.adamw.param_groups] == [recipe.weight_decay, 0.0]


def test_everything_learns_together_when_asked(tmp_path: Path) -> None:
    trainer = Trainer(little(), replace(RECIPE, trainable=("",), prompts=CLICKS, reuse=1, steps=1), tmp_path)
    before = {name: p.detach().clone() for name, p in trainer.trainable.items()}
    list(trainer.run(batches(0)))
    changed = {
        name.split(".")[0] for name, p in trainer.trainable.items() if not torch.equal(p, before[name])
    }
    assert changed >= {
        "image_encoder",
        "prompt_encoder",
        "mask_decoder",
        "memory_attention",
        "memory_encoder",
    }


def test_lora_learns_beside_the_weights_and_merges_into_them(tmp_path: Path) -> None:
    prefix = ("image_encoder.trunk.",)
    recipe = replace(RECIPE, trainable=(), lora_rank=2, lora=prefix, prompts=CLICKS, reuse=1, steps=2)
    names = set(little().state_dict())
    trainer = Trainer(little(), recipe, tmp_path)
    assert all(".parametrizations.weight.0." in name for name in trainer.trainable)
    list(trainer.run(batches(0)))
    merged = without_lora(trainer.model.state_dict())
    assert set(merged) == names
    start = little().state_dict()
    changed = {name for name in names if not torch.equal(merged[name], start[name])}
    assert changed
    assert all(name.startswith(prefix) and name.endswith(".weight") for name in changed)
    plain = little()
    plain.load_state_dict(merged)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(plain.encode(pixels).stride16, trainer.model.encode(pixels).stride16)


def test_lora_begins_as_the_model_and_needs_layers() -> None:
    model, pixels = little(), torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        before = model.encode(pixels).stride16
        add_lora(model, ("image_encoder.",), 2, seed=0)
        assert torch.equal(model.encode(pixels).stride16, before)
    with pytest.raises(ConfigError, match="no linear layer's name begins with nothing"):
        add_lora(little(), ("nothing.",), 2, seed=0)


def test_pictures_teach_the_decoder(tmp_path: Path) -> None:
    recipe = replace(RECIPE, trainable=("mask_decoder.",), prompts=CLICKS, steps=2)
    trainer = Trainer(little(), recipe, tmp_path)
    shown: list[tuple[int, Sample]] = []
    trainer.sample_every, trainer.on_sample = 2, lambda step, sample: shown.append((step, sample))
    before = {name: p.detach().clone() for name, p in trainer.trainable.items()}
    still: list[Clip] = [moving_squares(1), moving_squares(1)]
    reports = list(trainer.run(iter([still, still])))
    assert all(0 <= report.region <= 1 for report in reports)
    assert any(not torch.equal(p, before[name]) for name, p in trainer.trainable.items())
    ((step, sample),) = shown
    assert step == 2
    assert sample.truth.shape == sample.answers.shape == (1, sample.truth.shape[1], 16, 16)


def test_the_first_frame_is_scored_only_when_its_answer_can_learn() -> None:
    assert not Recipe(steps=1).learns_decoding
    assert not Recipe(steps=1).learns_images
    assert Recipe(steps=1, trainable=(*MEMORY_PARTS, "mask_decoder.")).learns_decoding
    assert Recipe(steps=1, trainable=("",)).learns_images
    assert Recipe(steps=1, lora_rank=4).learns_images
    losses = {}
    for learning in (MEMORY_PARTS, (*MEMORY_PARTS, "mask_decoder.")):
        model = little().train()
        task = Tracking(model, replace(RECIPE, trainable=learning, prompts=PromptMix(0, 1, 0, 0)))
        clips = [moving_squares()]
        measured = task.measure(clips, task.prepare(clips), np.random.default_rng(0), show=False)
        losses[len(learning)] = float(measured.loss.detach())
    assert len(set(losses.values())) == 2
