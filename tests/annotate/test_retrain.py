"""The loop: trained on what was verified, measured on what was held out, adopted only when better."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fakes import FakeEngine
from masklet.annotate import journal, masklets
from masklet.annotate.ground import Verified
from masklet.annotate.project import Project
from masklet.annotate.retrain import Plan, recipe_of, retrain, split
from masklet.errors import ConfigError, ProjectError
from masklet.model import checkpoints
from masklet.model.sam2 import Sam2
from masklet.predict.segmenter import Segmenter
from tiny_training import LITTLE


class Blind(FakeEngine):
    """Loses every object at once."""

    def condition(self, features, reading, foveas=None):
        found, targets = super().condition(features, reading, foveas)
        return found, None if targets is None else targets * 0 - 9.0


def network(model: str) -> Sam2:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Sam2(LITTLE)


@pytest.fixture
def verified(small: Project, make_video, add_masklet) -> Project:
    """Three videos with a satisfactory masklet each, and one that was rejected."""
    for name in ("a", "b", "c"):
        small.add_video(make_video(name))
        add_masklet(small, name, status="satisfactory")
    add_masklet(small, "a", object_id=2, status="rejected")
    return small


def better(model: str) -> Segmenter:
    """What was trained here follows objects, the old model does not."""
    return Segmenter(FakeEngine() if "round-" in model else Blind())


def worse(model: str) -> Segmenter:
    return Segmenter(Blind() if "round-" in model else FakeEngine())


def test_a_better_model_is_adopted_and_remembers_where_it_came_from(verified: Project) -> None:
    steps: list[int] = []
    before = network("").state_dict()
    done = retrain(
        verified,
        better,
        Plan(steps=2),
        network_of=network,
        on_step=lambda step, total, loss: steps.append(step) if np.isfinite(loss) else None,
    )
    assert done is not None
    assert steps == [1, 2]
    assert done.adopted
    assert done.difference.mean > 0.3
    assert Path(verified.model) == done.model.resolve()
    assert set(done.trained_on) | set(done.held_out) == {"a", "b", "c"}
    assert len(done.held_out) == 1
    after = checkpoints.load_state(done.model)
    checkpoints.check_fit(before, after, "x")
    moved = {
        n
        for n in before
        if not torch.allclose(before[n].float(), after[n].half().float(), atol=2e-3, rtol=2e-3)
    }
    assert not [name for name in moved if not checkpoints.is_memory_path(name)]
    card = checkpoints.read_card(done.model)
    assert card is not None
    assert (card.config, card.part, card.input_size) == ("little-for-tests", "all", 64)
    (event,) = [e for e in journal.events(verified) if e.kind == "retrain"]
    assert event.detail["adopted"] is True
    assert not (verified.folder / "models" / "run-1").exists()


def test_a_worse_model_is_kept_but_not_used(verified: Project) -> None:
    done = retrain(verified, worse, Plan(steps=1), network_of=network)
    assert done is not None
    assert (done.adopted, verified.model) == (False, "fake")
    assert done.model.is_file()
    again = retrain(verified, worse, Plan(steps=1), network_of=network)
    assert again is not None
    assert again.model.name == "round-2.safetensors"
    assert again.held_out == done.held_out  # for ever


def test_no_better_is_not_better(verified: Project) -> None:
    def same(model: str) -> Segmenter:
        return Segmenter(FakeEngine())

    done = retrain(verified, same, Plan(steps=1), network_of=network)
    assert done is not None
    assert (done.difference.mean, done.adopted) == (0, False)


def test_an_interrupted_run_goes_on(verified: Project) -> None:
    steps: list[int] = []
    plan = Plan(steps=5)

    def run(stopped) -> object:
        return retrain(
            verified,
            worse,
            plan,
            network_of=network,
            on_step=lambda s, n, loss: steps.append(s),
            stopped=stopped,
        )

    assert run(lambda: len(steps) >= 4) is None
    assert run(lambda: False) is not None
    assert steps == [1, 2, 3, 4, 5]


def test_too_little_to_learn_from_is_told(small: Project, make_video, add_masklet) -> None:
    small.add_video(make_video("a"))
    add_masklet(small, "a", status="satisfactory")
    with pytest.raises(ProjectError, match="in 1 videos; verify some in at least two"):
        split(small)
    small.add_video(make_video("b"))
    add_masklet(small, "b", status="satisfactory")
    training, measuring = split(small)
    assert sorted(training + measuring) == ["a", "b"]
    assert split(small) == (training, measuring)
    small.hold_out(["a", "b"])
    with pytest.raises(ProjectError, match=r"every video .* is held out"):
        split(small)


def test_what_was_verified_is_truth(verified: Project) -> None:
    videos = Verified(verified, ["a", "b"])
    assert videos.names == ("a", "b")
    truth = videos.truth("a")
    assert truth.objects == (1,)  # the rejected one is not
    assert truth.names[0] == "00000"  # the frame's own file
    assert truth.annotated[1] == tuple(range(6))
    frames = videos.frames("a")
    assert frames is not None
    frames.rename(frames.with_name("gone"))
    with pytest.raises(ProjectError, match=r"not at .* any more"):
        videos.frames("a")


def test_plans_are_checked() -> None:
    with pytest.raises(ConfigError, match="preset 'tpu'"):
        Plan(preset="tpu")
    with pytest.raises(ConfigError, match="steps is 0"):
        Plan(steps=0)
    recipe = recipe_of(Plan(), 64)
    assert (recipe.input_size, recipe.steps, recipe.warmup) == (64, 80, 8)


def test_masklets_find(verified: Project) -> None:
    assert len(masklets.find(verified, status=("satisfactory",))) == 3
