"""The compiled engine against the plain one. Graphs are traced, but not compiled: that would take minutes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch._dynamo.utils import counters

import masklet
from masklet.engine.protocol import MemoryReading, PromptBatch
from masklet.engine.torch_compiled import CompiledTorchEngine, Shape, shape_for
from masklet.engine.torch_engine import TorchEngine
from masklet.errors import ConfigError
from masklet.model.config import HieraConfig, Sam2Config
from masklet.model.sam2 import Sam2
from masklet.predict.segmenter import Segmenter
from parity.weights import randomise

CONFIG = Sam2Config(
    "small-for-tests",
    HieraConfig(16, 1, (1, 1, 2, 1), (3,)),
    input_size=64,
    memory_layers=2,
    memory_hidden=64,
    decoder_hidden=64,
)
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


@pytest.fixture(scope="module")
def model() -> Sam2:
    torch.manual_seed(3)  # the position matrix is a buffer, which randomise leaves alone
    network = Sam2(CONFIG)
    randomise(network, 3)
    return network


@pytest.fixture(scope="module")
def engines(model: Sam2) -> tuple[CompiledTorchEngine, TorchEngine]:
    return CompiledTorchEngine(model, "cpu", "float32", backend="eager"), TorchEngine(model, "cpu", "float32")


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (96, 128, 3), np.uint8)
    found = []
    for t in range(count):
        image = ground.copy()
        image[20:60, 10 + 3 * t : 50 + 3 * t] = (200, 40, 30)
        found.append(image)
    return found


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ((1, 1, 1), Shape(1, 7, 16)),
        ((3, 7, 16), Shape(4, 7, 16)),
        ((8, 8, 17), Shape(8, 14, 32)),
        ((9, 2, 0), Shape(16, 7, 16)),
    ],
)
def test_few_shapes(given: tuple[int, int, int], shape: Shape) -> None:
    assert shape_for(*given, 7, 16) == shape


@pytest.mark.parametrize(
    ("objects", "memories", "pointers"), [(1, 1, 1), (3, 2, 5), (2, 5, 4), (1, 7, 16), (2, 8, 0)]
)
def test_what_fills_a_shape_is_not_read(engines: Any, objects: int, memories: int, pointers: int) -> None:
    rng = np.random.default_rng(objects)
    image = pictures(1)[0]
    features = [
        [torch.from_numpy(rng.standard_normal((1, 64, 4, 4), np.float32)) for _ in range(objects)]
        for _ in range(memories)
    ]
    reading = MemoryReading(
        features=features,
        slots=[n % 7 for n in range(memories)],
        pointers=rng.standard_normal((objects, pointers, 256), np.float32),
        distances=list(range(1, pointers + 1)),
    )
    answers = []
    for engine in engines:
        seen = engine.condition(engine.encode_image(image), reading)
        assert len(seen.stride16) == objects
        answers.append((seen, engine.decode(seen, PromptBatch.none(objects), multimask=True)))
    (ours, mine), (theirs, plain) = answers
    assert torch.allclose(ours.stride16, theirs.stride16, **CLOSE)
    for name in ("logits", "iou", "pointer", "occlusion"):
        assert np.allclose(getattr(mine, name), getattr(plain, name), **CLOSE), name


def test_memories_are_of_the_objects_alone(engines: Any) -> None:
    rng = np.random.default_rng(0)
    logits = 5 * rng.standard_normal((3, 1, 16, 16), np.float32)
    occlusion = np.array([[1.0], [-1.0], [2.0]], np.float32)
    ours, theirs = (
        engine.remember(engine.encode_image(pictures(1)[0]), logits, occlusion, binary=False)
        for engine in engines
    )
    assert len(ours) == len(theirs) == 3
    assert all(torch.allclose(a, b, **CLOSE) for a, b in zip(ours, theirs, strict=True))


def test_a_video_gives_the_same_masks_from_few_graphs(engines: Any) -> None:
    tracks = []
    counters.clear()
    for engine in engines:
        with Segmenter(engine).stream() as stream:
            for number, x in ((1, 30), (2, 100), (3, 60)):
                stream.prompt(number, clicks=[(x, 40)])
            tracks.append(
                [stream.step(masklet.Frame(t, t / 25, image)) for t, image in enumerate(pictures(20))]
            )
    # Later, what this network makes of noise in the last digits is not the engine's doing.
    for ours, theirs in zip(*(track[:4] for track in tracks), strict=True):
        assert ours.masks.keys() == theirs.masks.keys() == {1, 2, 3}
        assert all(ours.masks[i].iou(theirs.masks[i]) > 0.99 for i in (1, 2, 3))
    # encode, condition, decode, and remember for one prompted object and for all tracked ones
    assert 0 < counters["stats"]["unique_graphs"] <= 5


def test_what_cannot_be_compiled_runs_as_it_is(
    model: Sam2, engines: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuses(*_: Any) -> Any:
        raise RuntimeError("no compiler here")

    engine = CompiledTorchEngine(model, "cpu", "float32", backend=refuses)
    image = pictures(1)[0]
    for _ in range(2):
        ours = engine.encode_image(image)
    assert torch.equal(ours.stride16, engines[1].encode_image(image).stride16)
    assert sum("encode cannot be compiled here" in line for line in caplog.messages) == 1


def test_openvino_is_compiled_as_it_is() -> None:
    with pytest.raises(ConfigError, match="compiled is for the torch engine"):
        masklet.load(engine="openvino", compiled=True)
