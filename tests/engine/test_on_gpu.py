"""What only a GPU can show: the same masks as on the CPU, compiled or not, and training that goes on."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import masklet
from masklet.engine.torch_compiled import CompiledTorchEngine
from masklet.engine.torch_engine import TorchEngine
from masklet.predict.segmenter import Segmenter
from masklet.train.loop import Trainer
from masklet.types import FrameMasks
from tiny_training import RECIPE, batches, little

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

SIDE = 256
"""Input of the compiled model: small graphs are made sooner."""


def moving(count: int) -> list[np.ndarray]:
    """A red and a blue rectangle on a smooth ground, moving apart."""
    rows, columns = np.mgrid[0:240, 0:320]
    ground = np.stack([rows // 2, columns // 2, (rows + columns) // 4], axis=2).astype(np.uint8)
    found = []
    for t in range(count):
        image = ground.copy()
        image[60:130, 40 + 4 * t : 110 + 4 * t] = (210, 40, 30)
        image[140:200, 220 - 5 * t : 280 - 5 * t] = (30, 60, 220)
        found.append(image)
    return found


def follow(model: Segmenter, frames: list[np.ndarray]) -> list[FrameMasks]:
    with model.stream() as stream:
        stream.prompt(1, box=(40, 60, 110, 130))
        stream.prompt(2, clicks=[(250, 170)])
        return [stream.step(masklet.Frame(t, t / 25, image)) for t, image in enumerate(frames)]


@pytest.fixture(scope="module")
def on_cpu() -> list[FrameMasks]:
    return follow(masklet.load("masklet-nano", engine="torch", device="cpu", dtype="float32"), moving(10))


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.99), ("bfloat16", 0.95)])
def test_the_masks_of_the_cpu(on_cpu: list[FrameMasks], dtype: str, least: float) -> None:
    model = masklet.load("masklet-nano", device="cuda", dtype=dtype)
    assert model.engine.device.startswith("cuda")
    for mine, theirs in zip(follow(model, moving(10)), on_cpu, strict=True):
        assert mine.masks.keys() == theirs.masks.keys() == {1, 2}
        assert all(mine.masks[i].iou(theirs.masks[i]) > least for i in (1, 2)), mine.index


# PyTorch records an empty graph to own the graphs' memory, and warns of it when warnings are errors.
@pytest.mark.filterwarnings("ignore:The CUDA Graph is empty")
def test_compiled_it_gives_the_same_masks(caplog: pytest.LogCaptureFixture) -> None:
    frames = moving(8)
    net = masklet.loading.network("masklet-nano", SIDE)
    with caplog.at_level(logging.WARNING):
        compiled = follow(Segmenter(CompiledTorchEngine(net, "cuda", "bfloat16")), frames)
    assert not [line for line in caplog.messages if "cannot be compiled" in line]
    plain = follow(Segmenter(TorchEngine(net, "cuda", "bfloat16")), frames)
    for mine, theirs in zip(compiled, plain, strict=True):
        assert all(mine.masks[i].iou(theirs.masks[i]) > 0.95 for i in (1, 2)), mine.index


@pytest.mark.parametrize("learns_images", [False, True])
def test_training_goes_on_from_its_checkpoint(tmp_path: Path, learns_images: bool) -> None:
    recipe = replace(RECIPE, trainable=("",) if learns_images else RECIPE.trainable)

    def steps(folder: Path, count: int | None = None) -> list[Any]:
        trainer = Trainer(little().to("cuda"), recipe, folder)
        return list(islice(trainer.run(batches(trainer.batch), save_every=2), count))

    for name in ("straight", "stopped"):
        (tmp_path / name).mkdir()
    straight = steps(tmp_path / "straight")
    steps(tmp_path / "stopped", 5)
    rest = steps(tmp_path / "stopped")
    assert 0 < len(rest) < len(straight)
    # Sums on a GPU come in no fixed order, so the last digits differ.
    assert [r.loss for r in rest] == pytest.approx([r.loss for r in straight[-len(rest) :]], rel=0.05)
