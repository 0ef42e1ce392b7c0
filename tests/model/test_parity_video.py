"""Whole sessions of 20 frames agree with transformers and with the official predictor.

Our session runs under SAM 2's own policy; where the published two differ (transformers feeds no earlier
answer back with new clicks), the policy says which. Low-resolution logits, pointers and occlusion scores
are compared on every frame.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from masklet.model.config import config_for
from masklet.predict.policy import TrackingPolicy
from parity import official
from parity.compare import assert_same
from parity.huggingface import HuggingFaceVideo, Sam2VideoModel, follow_official
from parity.twins import Twins, twins
from parity.video import HEIGHT, WIDTH, Found, Given, OurVideo, Tracked, Video, scene
from parity.weights import SMALL, scale

pytestmark = pytest.mark.usefixtures("plain_sums")

FRAMES = 20
HEAD = "mask_decoder.pred_obj_score_head.proj_out"
SAM2_0 = replace(SMALL, name="small-2.0", no_object_embed=False, pointer_time=False)

CLICK = Given(((75.0, 50.0, True),))
BOX = Given(box=(20.0, 15.0, 90.0, 70.0))
Pair = tuple[Video, Video]


def telling(model: Sam2VideoModel, bias: float) -> None:
    """Occlusion scores spread around zero in this scene, and memory tells more than random weights let it."""
    scale(model, HEAD, 20.0)
    model.get_parameter(f"{HEAD}.bias").add_(bias)
    for layer in model.memory_attention.layers:
        layer.cross_attn_image.q_proj.weight.mul_(3)
        layer.cross_attn_image.o_proj.weight.mul_(3)


VERSIONS = {"2.1": (SMALL, 0, 15.0), "2.0": (SAM2_0, 1, -5.5)}
"""Network, seed of its weights, and the bias that has objects come and go."""

both_versions = pytest.mark.parametrize("models", VERSIONS, indirect=True)


@pytest.fixture(scope="module")
def models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    """SAM 2.1 unless the test asks for both versions."""
    config, seed, bias = VERSIONS[getattr(request, "param", "2.1")]
    folder = tmp_path_factory.mktemp("weights")
    return twins(config, folder, seed, change=lambda model: telling(model, bias))


@pytest.fixture(params=["transformers", "official"])
def pair(request: pytest.FixtureRequest, models: Twins, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Our session and a published one on the same video."""
    images = scene(FRAMES)
    policy = TrackingPolicy.sam2()
    if request.param == "official":
        published: Video = official.OfficialVideo(
            official.official(models.ours.config, models.ours), images, monkeypatch
        )
    else:
        follow_official(monkeypatch)
        published = HuggingFaceVideo(models.theirs, images)
        policy = replace(policy, refine_with_prior=False)
    return OurVideo(models.ours, images, policy), published


def disc(x: float, y: float, radius: float) -> np.ndarray:
    """bool [HEIGHT, WIDTH]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def assert_found_alike(mine: Found, theirs: Found) -> None:
    assert abs(mine.occlusion - theirs.occlusion) <= 1e-4 * max(1.0, abs(theirs.occlusion))
    assert_same(mine.pointer, theirs.pointer)
    if theirs.occlusion > 0:
        assert_same(mine.logits, theirs.logits)
    else:
        assert (theirs.logits < 0).all()
        assert (mine.logits < 0).all()


def prompt(pair: Pair, frame: int, object_id: int, given: Given) -> None:
    mine, theirs = (video.prompt(frame, object_id, given) for video in pair)
    assert_found_alike(mine, theirs)


def propagate(
    pair: Pair, start: int | None = None, limit: int | None = None, reverse: bool = False
) -> Tracked:
    """Track in both and compare every object on every frame; returns ours."""
    mine, theirs = (video.propagate(start, limit, reverse) for video in pair)
    assert mine.keys() == theirs.keys()
    for key in theirs:
        assert_found_alike(mine[key], theirs[key])
    return mine


def assert_telling(found: Tracked) -> None:
    """Both branches of visibility were taken, and masks have an inside and an outside."""
    visible = [f for f in found.values() if f.occlusion > 0]
    assert 0 < len(visible) < len(found)
    for f in visible:
        assert 0 < (f.logits > 0).float().mean() < 1


@both_versions
def test_a_click(pair: Pair) -> None:
    prompt(pair, 0, 1, CLICK)
    found = propagate(pair)
    assert found.keys() == {(1, t) for t in range(1, FRAMES)}
    assert_telling(found)


def test_a_box(pair: Pair) -> None:
    prompt(pair, 0, 1, BOX)
    assert_telling(propagate(pair))


def test_a_mask(pair: Pair) -> None:
    prompt(pair, 0, 1, Given(mask=disc(70, 40, 22)))
    propagate(pair)


def test_several_clicks_on_a_frame(pair: Pair) -> None:
    """The second and third click see the answer to the first, where the published predictor does so."""
    prompt(pair, 0, 1, CLICK)
    prompt(pair, 0, 1, Given(((100.0, 30.0, False),)))
    prompt(pair, 0, 1, Given(((60.0, 60.0, True),)))
    propagate(pair)


def test_a_correction_on_the_way(pair: Pair) -> None:
    """A frame that shows the object is corrected, and tracking goes on behind it."""
    prompt(pair, 0, 1, CLICK)
    before = propagate(pair)
    t = min(t for (_, t), found in before.items() if found.occlusion > 0)
    prompt(pair, t, 1, Given(((40.0, 70.0, True), (120.0, 20.0, False))))
    after = propagate(pair, start=t + 1)
    assert after.keys() == {(1, frame) for frame in range(t + 1, FRAMES)}
    assert abs(after[1, t + 1].occlusion - before[1, t + 1].occlusion) > 1e-3


def test_two_prompted_frames(pair: Pair) -> None:
    """The second prompt is given before tracking starts, so both are read in slot 0."""
    prompt(pair, 2, 1, CLICK)
    prompt(pair, 13, 1, BOX)
    found = propagate(pair)
    assert found.keys() == {(1, t) for t in range(3, FRAMES)} - {(1, 13)}
    assert_telling(found)


@both_versions
def test_a_second_object_later(pair: Pair) -> None:
    prompt(pair, 0, 1, CLICK)
    propagate(pair)
    prompt(pair, 8, 2, BOX)
    found = propagate(pair)
    assert found.keys() == {(1, t) for t in range(1, FRAMES)} | {(2, t) for t in range(FRAMES) if t != 8}
    assert_telling(found)


@both_versions
def test_backwards(pair: Pair) -> None:
    prompt(pair, 15, 1, CLICK)
    found = propagate(pair, reverse=True)
    assert found.keys() == {(1, t) for t in range(15)}
    assert_telling(found)


def test_backwards_then_forwards(pair: Pair) -> None:
    """In SAM 2 the second sweep reads what the first one left behind."""
    prompt(pair, 9, 1, CLICK)
    propagate(pair, reverse=True)
    found = propagate(pair)
    assert found.keys() == {(1, t) for t in range(10, FRAMES)}


def test_a_correction_of_a_backward_sweep(pair: Pair) -> None:
    prompt(pair, 15, 1, CLICK)
    propagate(pair, reverse=True)
    prompt(pair, 6, 1, Given(((40.0, 70.0, True),)))
    found = propagate(pair, start=5, reverse=True)
    assert found.keys() == {(1, t) for t in range(6)}


@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=pytest.mark.slow)])
def test_the_tiny_model(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The published size of every part; four frames, so that memory is written and read."""
    config = config_for("sam2.1-hiera-tiny").at(size)
    models = twins(config, tmp_path, change=lambda model: telling(model, 15.0))
    follow_official(monkeypatch)
    images, policy = scene(FRAMES), replace(TrackingPolicy.sam2(), refine_with_prior=False)
    pair = OurVideo(models.ours, images, policy), HuggingFaceVideo(models.theirs, images)
    prompt(pair, 0, 1, CLICK)
    found = propagate(pair, limit=3 if size < 1024 else 1)
    assert max(t for _, t in found) == len(found)
