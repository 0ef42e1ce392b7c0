"""The loop: clips in, better weights out."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from masklet.data.clips import Clip
from masklet.model.sam2 import Sam2
from masklet.train import state as run_state
from masklet.train.company import Company
from masklet.train.lora import add_lora
from masklet.train.measured import Measured, Sample, Task
from masklet.train.optimising import learning_rate, optimiser_of, trunk_blocks
from masklet.train.recipe import Recipe
from masklet.train.tracking import Tracking

__all__ = ["Report", "Trainer", "learning_rate"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What one step measured: loss, J, visible / absent accuracy, rate, seconds. See `Measured`."""

    step: int
    loss: float
    region: float
    occlusion_accuracy: float
    rate: float
    seconds: float


class Trainer:
    """Holds a model, its optimiser and the averages; `run` goes to the recipe's last step.

    task      how a batch becomes a loss; ordinary tracking when left out
    company   the processes that train together
    """

    def __init__(
        self,
        model: Sam2,
        recipe: Recipe,
        folder: Path,
        *,
        task: Task | None = None,
        company: Company | None = None,
    ) -> None:
        self.model = model.train()
        self.recipe = recipe
        self.folder = folder
        self.device = next(model.parameters()).device
        self.company = company if company is not None else Company()
        self.task: Task = task if task is not None else Tracking(model, recipe)
        added = add_lora(model, recipe.lora, recipe.lora_rank, recipe.seed) if recipe.lora_rank else []
        model.to(self.device)
        for name, parameter in model.named_parameters():
            low_rank = ".parametrizations." in name
            parameter.requires_grad_(name in added or (not low_rank and name.startswith(recipe.trainable)))
        self.trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average = {n: p.detach().clone() for n, p in self.trainable.items()}
        self._rates = optimiser_of(self.trainable, recipe, trunk_blocks(model))
        self.optimiser = self._rates.adamw
        self.rng = np.random.default_rng(recipe.seed)
        self.step = 0
        self.batch = 0
        self.skipped = 0
        """Steps of this call whose gradients were no numbers; they changed nothing."""
        self.on_sample: Callable[[int, Sample], None] | None = None
        """Called with the step and a sample every `sample_every` steps."""
        self.sample_every = 0
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "run.pt"

    @property
    def journal(self) -> Path:
        """A line of JSON a step."""
        return self.folder / "log.jsonl"

    def run(
        self,
        batches: Iterator[list[Clip]],
        *,
        save_every: int = 200,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[Report]:
        """Train to the last step; batches must start at `self.batch`. Yields a report a step.

        save_every   steps between two checkpoints, about
        stopped      asked before every batch; when it says so the run is saved and ends there, at a place
                     where it can go on as if it had never stopped
        """
        if self.company.leads:
            forget_after(self.journal, self.step)
        between = max(1, save_every // self.recipe.reuse)
        rounds = 0
        while self.step < self.recipe.steps and not self.company.any(stopped(), self.device):
            group = [next(batches) for _ in range(self.recipe.accumulate)]
            # Kept only where several steps share them: features of a whole group take memory.
            ready = [self._prepared(clips) for clips in group] if self.recipe.reuse > 1 else None
            for _ in range(min(self.recipe.reuse, self.recipe.steps - self.step)):
                report = self._one_step(group, ready)
                self._note(report)
                yield report
            self.batch += self.recipe.accumulate
            rounds += 1
            if rounds % between == 0:
                self.save()
        self.save()

    def averaged(self) -> dict[str, Tensor]:
        """The trainable parameters as they should be kept."""
        source = self.average if self.recipe.average else self.trainable
        return {n: p.detach().cpu().clone() for n, p in source.items()}

    def save(self) -> None:
        """Write the checkpoint; of several processes, the first one does."""
        if not self.company.leads:
            return
        run_state.save(
            run_state.RunState(
                step=self.step,
                batch=self.batch,
                weights={n: p.detach().cpu() for n, p in self.trainable.items()},
                average={n: p.cpu() for n, p in self.average.items()},
                optimiser=self.optimiser.state_dict(),
                rng=dict(self.rng.bit_generator.state),
            ),
            self.checkpoint,
        )

    def _resume(self) -> None:
        saved = run_state.load(self.checkpoint)
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(saved.weights[name])
                self.average[name].copy_(saved.average[name])
        self.optimiser.load_state_dict(saved.optimiser)
        self.rng.bit_generator.state = saved.rng
        self.step, self.batch = saved.step, saved.batch
        log.info("resumed at step %d of %d", self.step, self.recipe.steps)

    def _autocast(self) -> torch.autocast:
        half = self.recipe.dtype != "float32"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def _prepared(self, clips: list[Clip]) -> Any:
        with self._autocast():
            return self.task.prepare(clips)

    def _one_step(self, group: list[list[Clip]], ready: list[Any] | None) -> Report:
        started = time.perf_counter()
        rate = learning_rate(self.recipe, self.step)
        self._rates.set_rate(rate)
        rng = self.rng if self.company.leads else self._own_rng()
        self.optimiser.zero_grad(set_to_none=True)
        measured = []
        for place, clips in enumerate(group):
            prepared = ready[place] if ready is not None else self._prepared(clips)
            show = place == 0 and self._shows()
            with self._autocast():
                one = self.task.measure(clips, prepared, rng, show=show)
            if one.loss.requires_grad:  # a batch may have nothing that this recipe's parts learn from
                (one.loss / len(group)).backward()
            measured.append(one)
        self._update()
        self.step += 1
        self._update_average()
        if self.on_sample is not None and measured[0].sample is not None:
            self.on_sample(self.step, measured[0].sample)
        return _report(self.step, measured, rate, time.perf_counter() - started)

    def _own_rng(self) -> np.random.Generator:
        """Of a process that does not lead: from the step alone, so that a checkpoint needs one state."""
        return np.random.default_rng([self.recipe.seed, self.company.rank, self.step])

    def _shows(self) -> bool:
        wanted = self.on_sample is not None and self.sample_every > 0
        return wanted and self.company.leads and (self.step + 1) % self.sample_every == 0

    def _update(self) -> None:
        """One optimiser step on the mean gradients, unless they are no numbers."""
        parameters = list(self.trainable.values())
        self.company.share_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.recipe.clip_norm)
        if not torch.isfinite(norm):
            self.skipped += 1
            log.warning("step %d changed nothing: its gradients are no numbers", self.step + 1)
            return
        self.optimiser.step()

    def _update_average(self) -> None:
        # Early on the average follows closely, or it would remember the starting values.
        decay = min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                self.average[name].lerp_(parameter, 1 - decay)

    def _note(self, report: Report) -> None:
        if self.company.leads:
            with self.journal.open("a") as record:
                # JSON has no NaN: null is what was not measured.
                known = {
                    name: value if math.isfinite(value) else None for name, value in vars(report).items()
                }
                record.write(json.dumps(known) + "\n")


def _report(step: int, measured: list[Measured], rate: float, seconds: float) -> Report:
    def mean(values: list[float]) -> float:
        known = [value for value in values if value == value]  # NaN: not measured
        return sum(known) / len(known) if known else float("nan")

    return Report(
        step,
        sum(float(one.loss.detach()) for one in measured) / len(measured),
        mean([one.region for one in measured]),
        mean([one.occlusion_accuracy for one in measured]),
        rate,
        seconds,
    )


def forget_after(journal: Path, step: int) -> None:
    """Drop the journal's lines of steps that a killed run took after its last checkpoint; they come again."""
    if not journal.exists():
        return
    lines = journal.read_text().splitlines(keepends=True)
    kept = [line for line in lines if _step_of(line) <= step]
    if len(kept) < len(lines):
        beside = journal.with_suffix(".partial")
        beside.write_text("".join(kept))
        os.replace(beside, journal)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")  # a line that a kill cut short
