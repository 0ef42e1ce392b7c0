"""The loop: learn from what was verified, measure on what was held out, adopt only what is better.

Some videos are held out when the first model is trained, and stay so: neither this nor a later model ever
learns from them. Old and new model get the true mask of each of their objects on its first frame and follow
it; J&F over the other frames decides.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.annotate import journal, masklets
from masklet.annotate.ground import Verified
from masklet.annotate.project import Project
from masklet.errors import ConfigError, ProjectError
from masklet.evaluate.compare import Difference, difference
from masklet.evaluate.protocols.prompting import FirstPrompt
from masklet.evaluate.protocols.semi import SemiSupervised
from masklet.evaluate.run import run
from masklet.loading import network

if TYPE_CHECKING:
    from masklet.model.sam2 import Sam2
    from masklet.predict.segmenter import Segmenter
    from masklet.train.recipe import Recipe

HELD_OUT = 0.2
"""Share of the verified videos that is held out, at least one."""
SAVE_EVERY = 50
"""Steps between two checkpoints of a run: what a power cut costs at most."""

Load = Callable[[str], "Segmenter"]
"""Opens a model by name or path."""
OnStep = Callable[[int, int, float], None]
"""Called after each training step with (step, steps, loss)."""


@dataclass(frozen=True)
class Preset:
    """How long and how wide a fine-tuning is."""

    steps: int
    clips: int
    frames: int
    reuse: int
    rate: float
    average: float


PRESETS = {
    "cpu": Preset(steps=80, clips=2, frames=4, reuse=4, rate=5e-5, average=0.97),
    "gpu": Preset(steps=2000, clips=8, frames=8, reuse=2, rate=5e-5, average=0.998),
}
"""cpu: some minutes on a laptop, enough for a new kind of video. gpu: one card of 16 GB."""


@dataclass(frozen=True)
class Retrained:
    """What came of it.

    model       path of the new weights
    old         the model it started from
    adopted     whether the project uses it now
    difference  J&F of the new less the old one, on the held-out videos' objects
    """

    model: Path
    old: str
    adopted: bool
    difference: Difference
    trained_on: tuple[str, ...]
    held_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "model": str(self.model),
            "old": self.old,
            "adopted": self.adopted,
            "J&F": asdict(self.difference),
            "trained_on": list(self.trained_on),
            "held_out": list(self.held_out),
        }


@dataclass(frozen=True)
class Plan:
    """What a retraining is made of.

    preset    of PRESETS
    steps     instead of the preset's; None keeps them
    least     gain in J&F from which the new model counts as better; 0 takes any gain
    device    where to train; None takes the best there is
    """

    preset: str = "cpu"
    steps: int | None = None
    least: float = 0.0
    seed: int = 0
    device: str | None = None
    trainable: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"preset {self.preset!r} is unknown; give {' or '.join(PRESETS)}")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps is {self.steps}; give at least 1")


def retrain(
    project: Project,
    load: Load,
    plan: Plan | None = None,
    *,
    network_of: Callable[[str], Sam2] = network,
    on_step: OnStep = lambda step, steps, loss: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Retrained | None:
    """Fine-tune the project's model, measure old and new, adopt the better one.

    load        opens a model for measuring
    network_of  gives the bare network of a model, for training
    stopped     asked between batches; when it says so the run is saved, and None is returned: the same call
                goes on from there
    raises      ProjectError when too little has been verified
    """
    plan = plan or Plan()
    training, measuring = split(project)
    old = project.model
    number = _next_number(project)
    folder = project.folder / "models" / f"run-{number}"
    model = project.folder / "models" / f"round-{number}.safetensors"
    if not _train(project, network_of(old), training, plan, folder, model, on_step, stopped):
        return None
    gain = compare(project, measuring, old, str(model), load)
    adopt = gain.mean > plan.least
    parent = journal.checkpoint(project, old)
    measured = {"J&F": asdict(gain), "held_out": list(measuring), "trained_on": list(training)}
    journal.note_training(project, str(model), parent, measured, adopt=adopt)
    journal.record(project, "retrain", detail={"model": model.name, "adopted": adopt, "gain": gain.mean})
    shutil.rmtree(folder, ignore_errors=True)
    return Retrained(model, old, adopt, gain, training, measuring)


def split(project: Project) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Videos to train on and to measure on; holds some out if none is yet.

    raises   ProjectError when there are not verified masklets in at least two videos
    """
    verified = {entry.video for entry in masklets.find(project, status=("satisfactory",))}
    videos = [video for video in project.videos() if video.name in verified]
    if len(videos) < 2:
        raise ProjectError(
            f"satisfactory masklets are in {len(videos)} videos; verify some in at least two, "
            "one to learn from and one to measure on"
        )
    if not any(video.held_out for video in videos):
        # By a hash of the name: not the first ones, and the same ones every time.
        order = sorted(videos, key=lambda v: hashlib.sha256(v.name.encode()).digest())
        chosen = [video.name for video in order[: max(1, round(HELD_OUT * len(videos)))]]
        project.hold_out(chosen)
        videos = [replace(v, held_out=v.name in chosen) for v in videos]
    training = tuple(v.name for v in videos if not v.held_out)
    if not training:
        raise ProjectError("every video with satisfactory masklets is held out; verify some in another one")
    return training, tuple(v.name for v in videos if v.held_out)


def compare(project: Project, names: tuple[str, ...], old: str, new: str, load: Load) -> Difference:
    """J&F of both models on the same objects, with a bootstrap over videos."""
    videos = Verified(project, names)
    scores = []
    for model in (old, new):
        work = SemiSupervised(videos, lambda worker, model=model: load(model), FirstPrompt("mask"))  # type: ignore[misc]
        scores.append({score.name: score for score in run(videos.names, work)})
    pairs: dict[str, np.ndarray] = {}
    for name in videos.names:
        found = [by_name[name] for by_name in scores]
        failed = next((score.error for score in found if score.error is not None), None)
        if failed is not None:
            raise ProjectError(f"video {name} could not be measured: {failed}")
        values = [{o.object_id: o.jf for o in score.objects if o.frames} for score in found]
        shared = sorted(values[0].keys() & values[1].keys())
        if shared:
            pairs[name] = np.array([[values[0][o], values[1][o]] for o in shared])
    if not pairs:
        raise ProjectError("no object of the held-out videos is there on two frames; verify longer masklets")
    return difference(pairs)


def recipe_of(plan: Plan, input_size: int) -> Recipe:
    """The recipe of a fine-tuning."""
    from masklet.train.recipe import Recipe

    preset = PRESETS[plan.preset]
    steps = plan.steps or preset.steps
    recipe = Recipe(
        steps=steps,
        input_size=input_size,
        clips=preset.clips,
        frames=preset.frames,
        reuse=preset.reuse,
        rate=preset.rate,
        warmup=min(100, steps // 10),
        average=preset.average,
        seed=plan.seed,
    )
    return replace(recipe, trainable=plan.trainable) if plan.trainable else recipe


def _train(
    project: Project,
    start: Sam2,
    names: tuple[str, ...],
    plan: Plan,
    folder: Path,
    target: Path,
    on_step: OnStep,
    stopped: Callable[[], bool],
) -> bool:
    """Train into `target`; False when it was stopped before the end."""
    from masklet.data.clips import ClipSettings
    from masklet.data.feed import ClipFeed
    from masklet.data.videos import VideoClips
    from masklet.engine.torch_engine import pick_device
    from masklet.train.loop import Trainer

    if target.is_file():  # trained already: only measuring was interrupted
        return True
    recipe = recipe_of(plan, start.config.input_size)
    settings = ClipSettings(frames=recipe.frames, size=recipe.input_size)
    clips = VideoClips(Verified(project, names), settings)
    folder.mkdir(parents=True, exist_ok=True)
    # Frozen parts may be shared with a model in use, and weights as loaded do not take gradients.
    trainer = Trainer(start.to(pick_device(plan.device)).requires_grad_(True), recipe, folder)
    with ClipFeed(clips, batch=recipe.clips, seed=recipe.seed, start=trainer.batch) as feed:
        for report in trainer.run(feed, save_every=SAVE_EVERY, stopped=stopped):
            on_step(report.step, recipe.steps, report.loss)
    if trainer.step < recipe.steps:
        return False
    _save(trainer, project, target)
    return True


def _save(trainer: Any, project: Project, target: Path) -> None:
    from masklet.model import checkpoints, quantised
    from masklet.model.checkpoints import Card

    config = trainer.model.config
    state = {**trainer.model.state_dict(), **trainer.averaged()}
    stored = {name: quantised.halve(name, tensor) for name, tensor in state.items()}
    source = f"fine-tuned from {Path(project.model).name} on verified masklets, {trainer.step} steps"
    card = Card(config.name, "all", config.input_size, _licence(project.model), source)
    checkpoints.save_state(target, stored, card)


def _licence(model: str) -> str:
    """The licence of the weights it started from, as their card has it."""
    from masklet.errors import CheckpointError
    from masklet.model.checkpoints import read_card
    from masklet.model.registry import resolve

    try:
        cards = [read_card(path) for path in resolve(model).paths]
    except CheckpointError:
        cards = []
    return next((card.licence for card in cards if card is not None), "Apache-2.0")


def _next_number(project: Project) -> int:
    """Of the round after those that were measured; one that was interrupted is gone on with."""
    done = [event for event in journal.events(project) if event.kind == "retrain"]
    return len(done) + 1
