"""The loop: it learns, it goes on where it was, and only what should learn does."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch

from masklet.data.clips import Clip
from masklet.data.sampling import PromptMix
from masklet.train.loop import Report, Trainer, learning_rate
from masklet.train.recipe import Recipe
from tiny_training import RECIPE, batches


def go_on(trainer: Trainer, clip: Callable[..., Clip], count: int | None = None, **options) -> list[Report]:
    return list(islice(trainer.run(batches(trainer.batch), **options), count))


def test_the_loss_falls_on_one_repeated_clip(new_model, clip, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=15, reuse=15, prompts=PromptMix(mask=1, click=0, corrected_frames=0))
    learning = (*recipe.trainable, "mask_decoder.")
    trainer = Trainer(new_model(), replace(recipe, trainable=learning), tmp_path)
    reports = go_on(trainer, clip)
    mean = [sum(r.loss for r in part) / 5 for part in (reports[:5], reports[-5:])]
    assert mean[1] < 0.7 * mean[0]
    assert sum(r.region for r in reports[-5:]) > sum(r.region for r in reports[:5])
    assert all(0 <= r.region <= 1 and 0 <= r.occlusion_accuracy <= 1 for r in reports)


def test_only_the_memory_learns(new_model, clip, tmp_path: Path) -> None:
    trainer = Trainer(new_model(), RECIPE, tmp_path)
    before = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    go_on(trainer, clip, 4)
    changed = {n for n, tensor in trainer.model.state_dict().items() if not torch.equal(tensor, before[n])}
    assert changed
    assert changed <= set(trainer.trainable)
    assert {name.split(".")[0] for name in changed} >= {"memory_attention", "memory_encoder", "pointer_proj"}


@pytest.mark.parametrize("killed_after", [5, 8])
def test_a_killed_run_ends_as_an_uninterrupted_one(
    new_model, clip, tmp_path: Path, killed_after: int
) -> None:
    straight = Trainer(new_model(), RECIPE, tmp_path / "straight")
    (tmp_path / "straight").mkdir()
    reports = go_on(straight, clip, save_every=4)
    (tmp_path / "killed").mkdir()
    killed = Trainer(new_model(), RECIPE, tmp_path / "killed")
    go_on(killed, clip, killed_after, save_every=4)
    resumed = Trainer(new_model(), RECIPE, tmp_path / "killed")
    assert 0 < resumed.step <= killed_after
    rest = go_on(resumed, clip, save_every=4)
    assert [(r.step, r.loss) for r in rest] == [(r.step, r.loss) for r in reports[-len(rest) :]]
    assert_same(resumed, straight)


def test_a_stopped_run_is_saved_at_once_and_goes_on(new_model, clip, tmp_path: Path) -> None:
    straight = Trainer(new_model(), RECIPE, tmp_path)
    go_on(straight, clip)
    folder = tmp_path / "stopped"
    folder.mkdir()
    trainer = Trainer(new_model(), RECIPE, folder)
    reports = go_on(trainer, clip, stopped=lambda: trainer.step >= 3)
    assert len(reports) == trainer.step == 4  # the batch at hand was finished
    resumed = Trainer(new_model(), RECIPE, folder)
    assert (resumed.step, resumed.batch) == (4, 2)
    go_on(resumed, clip)
    assert_same(resumed, straight)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 11))


def assert_same(one: Trainer, other: Trainer) -> None:
    assert one.step == other.step
    for name, tensor in one.model.state_dict().items():
        assert torch.equal(tensor, other.model.state_dict()[name]), name
    for name, tensor in one.averaged().items():
        assert torch.equal(tensor, other.averaged()[name]), name


def test_the_average_follows_and_lags(new_model, clip, tmp_path: Path) -> None:
    start = new_model().state_dict()
    trainer = Trainer(new_model(), RECIPE, tmp_path)
    go_on(trainer, clip)
    name = "memory_encoder.out_proj.weight"
    now, kept = trainer.trainable[name].detach(), trainer.averaged()[name]
    assert 0 < (kept - now).norm() < (start[name] - now).norm()
    plain = Trainer(new_model(), replace(RECIPE, average=0.0), tmp_path)
    assert torch.equal(plain.averaged()[name], plain.trainable[name])


def test_learning_rate() -> None:
    recipe = Recipe(steps=110, rate=1.0, warmup=10, final_rate=0.1)
    assert learning_rate(recipe, 0) == pytest.approx(0.1)
    assert learning_rate(recipe, 9) == pytest.approx(1.0)
    assert learning_rate(recipe, 10) == pytest.approx(1.0)
    assert learning_rate(recipe, 60) == pytest.approx(0.55)
    assert learning_rate(recipe, 110) == pytest.approx(0.1)
    falling = [learning_rate(recipe, step) for step in range(10, 111)]
    assert falling == sorted(falling, reverse=True)
    assert not any(math.isnan(v) for v in falling)


def test_bfloat16_computes_and_float32_is_kept(new_model, clip, tmp_path: Path) -> None:
    trainer = Trainer(new_model(), replace(RECIPE, dtype="bfloat16", steps=2), tmp_path)
    reports = go_on(trainer, clip)
    assert all(math.isfinite(r.loss) for r in reports)
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
