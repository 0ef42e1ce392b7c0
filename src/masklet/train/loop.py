"""The loop: clips in, better weights out."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from masklet.data.sampling import sample_prompt_plan
from masklet.data.synthetic import Clip
from masklet.memory import MemoryPolicy
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Features, Sam2
from masklet.train import state as run_state
from masklet.train.losses import losses, true_iou
from masklet.train.recipe import Recipe
from masklet.train.rollout import Step, chosen, rollout

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What one step measured: loss, J on tracked frames, visible / absent accuracy, seconds."""

    step: int
    loss: float
    region: float
    occlusion_accuracy: float
    rate: float
    seconds: float


class Trainer:
    """Holds a model, its optimiser and the averages; `run` goes to the recipe's last step."""

    def __init__(self, model: Sam2, recipe: Recipe, folder: Path) -> None:
        self.model = model.train()
        self.recipe = recipe
        self.folder = folder
        self.device = next(model.parameters()).device
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith(recipe.trainable))
        self.trainable = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.average = {n: p.detach().clone() for n, p in self.trainable.items()}
        decayed = [p for p in self.trainable.values() if p.ndim > 1]
        plain = [p for p in self.trainable.values() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": recipe.weight_decay},
                {"params": plain, "weight_decay": 0.0},
            ],
            lr=recipe.rate,
        )
        self.rng = np.random.default_rng(recipe.seed)
        self.policy = MemoryPolicy(slots=model.config.slots, pointers=model.config.pointer_limit)
        self.step = 0
        self.batch = 0
        if self.checkpoint.exists():
            self._resume()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "run.pt"

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
        with (self.folder / "log.jsonl").open("a") as record:
            while self.step < self.recipe.steps and not stopped():
                clips = next(batches)
                features = self._encode(clips)
                for _ in range(min(self.recipe.reuse, self.recipe.steps - self.step)):
                    report = self._one_step(clips, features)
                    record.write(json.dumps(vars(report)) + "\n")
                    record.flush()
                    yield report
                self.batch += 1
                if self.batch % max(1, save_every // self.recipe.reuse) == 0:
                    self.save()
            self.save()

    def averaged(self) -> dict[str, Tensor]:
        """The trainable parameters as they should be kept."""
        source = self.average if self.recipe.average else self.trainable
        return {n: p.detach().cpu().clone() for n, p in source.items()}

    def save(self) -> None:
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

    def _encode(self, clips: list[Clip]) -> Features:
        """All frames of all clips in one batch, clip after clip, without gradients."""
        frames = np.concatenate([clip.frames for clip in clips])
        pixels = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float() / 255
        mean, std = (torch.tensor(v, device=self.device)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
        with torch.no_grad(), self._autocast():
            return self.model.encode((pixels - mean) / std)

    def _one_step(self, clips: list[Clip], features: Features) -> Report:
        started = time.perf_counter()
        rate = learning_rate(self.recipe, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        owners, masks, backwards = self._pick_objects(clips)
        frames = self._frames_of(features, owners, backwards)
        plan = sample_prompt_plan(self.rng, frames=len(frames), mix=self.recipe.prompts)
        with self._autocast():
            steps = rollout(self.model, frames, masks, plan, self.policy, self.rng)
        loss, region, right = self._score(steps, masks.shape[1])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.trainable.values()), self.recipe.clip_norm)
        self.optimiser.step()
        self.step += 1
        self._update_average()
        return Report(self.step, float(loss.detach()), region, right, rate, time.perf_counter() - started)

    def _pick_objects(self, clips: list[Clip]) -> tuple[list[int], np.ndarray, bool]:
        """Objects to train on: the clip each belongs to, masks [T, O, S, S], and the direction."""
        backwards = bool(self.rng.random() < 0.5)
        owners: list[int] = []
        masks: list[np.ndarray] = []
        for index, clip in enumerate(clips):
            ordered = clip.masks[::-1] if backwards else clip.masks
            usable = np.flatnonzero(ordered[0].any(axis=(1, 2)))
            if not len(usable):
                continue
            picked = self.rng.permutation(usable)[: self.recipe.objects]
            owners += [index] * len(picked)
            masks.append(ordered[:, picked])
        if not owners:
            # Every object left before the last frame: forwards, the first frame is never empty.
            return self._forwards(clips)
        return owners, np.ascontiguousarray(np.concatenate(masks, axis=1)), backwards

    def _forwards(self, clips: list[Clip]) -> tuple[list[int], np.ndarray, bool]:
        return list(range(len(clips))), np.concatenate([c.masks[:, :1] for c in clips], axis=1), False

    def _frames_of(self, features: Features, owners: list[int], backwards: bool) -> list[Features]:
        count = self.recipe.frames
        result = []
        for t in range(count):
            place = count - 1 - t if backwards else t
            rows = torch.tensor([owner * count + place for owner in owners], device=self.device)
            result.append(Features(features.stride16[rows], features.stride8[rows], features.stride4[rows]))
        return result

    def _score(self, steps: list[Step], objects: int) -> tuple[Tensor, float, float]:
        """Mean loss of the decodings that can learn, J of tracked visible objects, occlusion accuracy."""
        total = torch.zeros((), device=self.device)
        regions, rights = [], []
        for step in steps:
            if step.frame == 0:
                continue
            total = total + losses(step.decoded, step.target, self.recipe.weights).total(self.recipe.weights)
            visible = step.target.flatten(1).any(1)
            rights.append(((step.decoded.occlusion[:, 0] > 0) == visible).float().mean())
            if not step.prompted and visible.any():
                logits, _, _ = chosen(step.decoded)
                regions.append(true_iou(logits[:, 0].detach(), step.target)[visible].mean())
        count = max(1, sum(step.frame != 0 for step in steps)) * objects
        region = float(torch.stack(regions).mean()) if regions else math.nan
        right = float(torch.stack(rights).mean()) if rights else math.nan
        return total / count, region, right

    def _update_average(self) -> None:
        # Early on the average follows closely, or it would remember the starting values.
        decay = min(self.recipe.average, self.step / (self.step + 10))
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                self.average[name].lerp_(parameter, 1 - decay)


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, then cosine down to `final_rate`."""
    if step < recipe.warmup:
        return recipe.rate * (step + 1) / recipe.warmup
    share = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    low = recipe.rate * recipe.final_rate
    return low + (recipe.rate - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
