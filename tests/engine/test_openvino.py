"""The OpenVINO engine against the PyTorch engine: the same numbers, verb by verb and over a video."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from masklet.engine.fitting import fit_picture
from masklet.engine.openvino_store import CARD, FORMAT, find, folder_name, read_card
from masklet.engine.openvino_topology import Packed
from masklet.engine.protocol import Fovea, MemoryReading, PromptBatch
from masklet.engine.torch_engine import TorchEngine
from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints, registry
from masklet.model.checkpoints import Card
from masklet.model.config import HieraConfig, Sam2Config, TinyVitConfig
from masklet.model.sam2 import Sam2
from masklet.predict.segmenter import Segmenter
from parity.weights import randomise

pytest.importorskip("openvino", reason="the OpenVINO engine needs openvino")

CONFIG = Sam2Config(
    "small-for-tests",
    HieraConfig(16, 1, (1, 1, 2, 1), (3,)),
    input_size=64,
    memory_layers=2,
    memory_hidden=64,
    decoder_hidden=64,
)
POOLED = replace(CONFIG, memory_layers=1, memory_pool=2, pointer_time=False)
SMALLER = replace(
    CONFIG,
    trunk=TinyVitConfig(widths=(8, 16, 24), blocks=(1, 1, 2), heads=(2, 3), hidden=64),
    memory_layers=1,
    memory_mask_stride=4,
)
"""What is special about masklet-nano."""
CLOSE = {"rtol": 1e-3, "atol": 1e-3}
"""Both compute in float32 and differ in the order of sums; logits reach tens."""


def network(config: Sam2Config) -> Sam2:
    # Of the nano's first seeds, most say at once that nothing is there.
    seed = 5 if config == SMALLER else 3
    torch.manual_seed(seed)  # the position matrix is a buffer, which randomise leaves alone
    model = Sam2(config)
    randomise(model, seed)
    return model


@pytest.fixture(scope="module", params=[CONFIG, POOLED, SMALLER], ids=["published", "pooled", "nano"])
def config(request: pytest.FixtureRequest) -> Sam2Config:
    return request.param


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graphs of CONFIG without weights: no number of `network` was there when they were made."""
    from masklet.engine.openvino_export import topology
    from masklet.engine.openvino_topology import packed_path, write

    path = packed_path(tmp_path_factory.mktemp("packed"), CONFIG.name, CONFIG.input_size)
    write(topology(CONFIG, half=False), path)
    return path


def filled(packed: Path, model: Sam2, home: Path) -> Path:
    """The folder that packed graphs and a network's weights make."""
    card = Card(CONFIG.name, "all", CONFIG.input_size, "CC0-1.0", "random numbers")
    checkpoints.save_state(home / "weights.safetensors", model.state_dict(), card)
    folder = home / folder_name(CONFIG.name, CONFIG.input_size)
    size = CONFIG.input_size
    Packed(packed, (home / "weights.safetensors",), size, size).fill(folder)
    return folder


@pytest.fixture(scope="module")
def folder(
    config: Sam2Config, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """One network goes the way of the embedded models, the other is exported with its weights."""
    from masklet.engine.openvino_export import export

    home = tmp_path_factory.mktemp("exported")
    if config is CONFIG:
        return filled(request.getfixturevalue("packed"), network(config), home)
    folder = home / folder_name(config.name, config.input_size)
    export(network(config), folder, source="abc", half=False)
    return folder


@pytest.fixture(scope="module")
def ours(folder: Path):
    from masklet.engine.openvino_engine import OpenVinoEngine

    return OpenVinoEngine(folder, dtype="float32", threads=1)


@pytest.fixture(scope="module")
def theirs(config: Sam2Config) -> TorchEngine:
    return TorchEngine(network(config), "cpu", "float32")


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Of the model's own size: how a picture is resized is compared elsewhere."""
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)


def same(a, b) -> None:
    for name in ("logits", "iou", "pointer", "occlusion"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), **CLOSE, err_msg=name)


def test_features(ours, theirs, image: np.ndarray) -> None:
    a, b = ours.encode_image(image), theirs.encode_image(image)
    np.testing.assert_allclose(a.stride16, rows_of_places(b.stride16), **CLOSE)
    for name in ("stride8", "stride4"):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name).numpy(), **CLOSE, err_msg=name)


def rows_of_places(maps: torch.Tensor) -> np.ndarray:
    """[B, C, h, w] → [B, h · w, C], as the graphs have it."""
    return maps.flatten(2).transpose(1, 2).numpy()


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("points", [0, 1, 3])
@pytest.mark.parametrize("prior", [False, True])
def test_prompts(ours, theirs, image: np.ndarray, points: int, prior: bool, multimask: bool) -> None:
    random = np.random.default_rng(points)
    prompts = PromptBatch(
        random.random((2, points, 2), np.float32),
        random.integers(-1, 4, (2, points)).astype(np.int32),
        random.normal(0, 8, (2, 1, 16, 16)).astype(np.float32) if prior else None,
    )
    answers = [
        engine.decode(engine.condition(engine.encode_image(image), None), prompts, multimask=multimask)
        for engine in (ours, theirs)
    ]
    assert answers[0].logits.shape == (2, 3 if multimask else 1, 16, 16)
    same(*answers)


def test_a_mask(ours, theirs, image: np.ndarray) -> None:
    masks = np.zeros((2, 1, 64, 64), np.float32)
    masks[0, 0, 10:50, 20:45] = 1  # the other object is not there
    answers = [engine.decode_mask(engine.encode_image(image), masks) for engine in (ours, theirs)]
    assert answers[0].occlusion.ravel().tolist() == [10, -10]
    same(*answers)


@pytest.mark.parametrize(
    ("objects", "slots", "distances"),
    [
        (1, [0], [1]),
        (2, [0, 0, 3, 1], [-4, 1, 2, 7]),
        (3, [0, 6, 5, 4, 3, 2, 1], list(range(1, 16))),
        (2, [0], []),
    ],
    ids=["the second frame", "two prompted frames", "a full bank", "no pointer"],
)
def test_memory(
    ours, theirs, image: np.ndarray, objects: int, slots: list[int], distances: list[int]
) -> None:
    random = np.random.default_rng(objects)
    logits = random.normal(0, 6, (objects, 1, 16, 16)).astype(np.float32)
    occlusion = np.linspace(3, -3, objects, dtype=np.float32)[:, None]
    pointers = random.normal(0, 1, (objects, len(distances), 256)).astype(np.float32)
    answers = []
    for engine in (ours, theirs):
        features = engine.encode_image(image)
        memories = [
            engine.remember(features, logits + n, occlusion, binary=n % 2 == 0) for n in range(len(slots))
        ]
        conditioned = engine.condition(features, MemoryReading(memories, slots, pointers, distances))
        answers.append(engine.decode(conditioned, PromptBatch.none(objects), multimask=False))
        answers.append(engine.decode(conditioned, PromptBatch.none(objects), multimask=True))
    same(answers[0], answers[2])
    same(answers[1], answers[3])


def test_foveas(ours, theirs, image: np.ndarray) -> None:
    if not ours.block:
        pytest.skip("pooled memories are read whole")
    random = np.random.default_rng(7)
    logits = random.normal(0, 6, (2, 1, 16, 16)).astype(np.float32)
    occlusion = np.array([[3], [-3]], np.float32)
    pointers = random.normal(0, 1, (2, 3, 256)).astype(np.float32)
    foveas = [Fovea(0, 2, 2), Fovea(2, 2, 2)]
    then = [[Fovea(0, 0, 2), Fovea(2, 0, 2)], [Fovea(2, 2, 2), Fovea(0, 2, 2)]]
    answers = []
    for engine in (ours, theirs):
        features = engine.encode_image(image)
        memories = [engine.remember(features, logits + n, occlusion, binary=n == 0) for n in range(2)]
        reading = MemoryReading(memories, [0, 1], pointers, [1, 2, 3], then)
        conditioned = engine.condition(features, reading, foveas)
        answers.append(engine.decode(conditioned, PromptBatch.none(2), multimask=True))
    assert answers[0].logits.shape == (2, 3, 8, 8)
    same(*answers)


def test_a_video(ours, theirs) -> None:
    """Twenty frames of two objects: masks that agree to the last few pixels.

    Frames have the model's size: random weights turn the rounding of a resized picture into other masks.
    """
    random = np.random.default_rng(5)
    scene = random.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    video = [np.roll(scene, 2 * t, axis=1) for t in range(20)]
    found = []
    for engine in (ours, theirs):
        with Segmenter(engine).video(video) as session:
            session.prompt(0, 1, box=(10, 12, 40, 50))
            session.prompt(3, 2, clicks=[(50, 30), (5, 5, False)])
            found.append(
                {(frame.index, i): m for frame, masks in session.propagate() for i, m in masks.masks.items()}
            )
    a, b = found
    assert a.keys() == b.keys()
    seen = [a[key].iou(b[key]) for key in a if not b[key].is_empty]
    assert len(seen) > 10
    assert np.mean(seen) >= 0.99
    assert all(a[key].is_empty for key in a if b[key].is_empty)


def test_resizing(ours, theirs) -> None:
    """A picture of another size, within the rounding to whole levels."""
    random = np.random.default_rng(2)
    for height, width in ((150, 90), (40, 200)):
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        small = fit_picture(image, ours.input_size)
        levels = (theirs._pixels(image) * theirs._std + theirs._mean)[0].permute(1, 2, 0) * 255
        assert np.abs(small - levels.numpy()).max() < 1.01
        assert np.array_equal(ours.encode_image(image).stride16, ours.encode_image(small).stride16)


def test_float16_weights_and_a_cache(config: Sam2Config, image: np.ndarray, theirs, tmp_path: Path) -> None:
    from masklet.engine.openvino_engine import OpenVinoEngine
    from masklet.engine.openvino_export import export

    if config is not CONFIG:
        pytest.skip("one network will do")
    export(network(config), tmp_path / "half")
    for _ in range(2):  # the second start reads what the first compiled
        engine = OpenVinoEngine(tmp_path / "half", dtype="float32", threads=1, cache=tmp_path / "compiled")
        np.testing.assert_allclose(
            engine.encode_image(image).stride16,
            rows_of_places(theirs.encode_image(image).stride16),
            rtol=0.02,
            atol=0.02,
        )
    assert any((tmp_path / "compiled").iterdir())


def test_no_torch_is_loaded(folder: Path) -> None:
    code = f"""
import sys
import numpy as np
import masklet
model = masklet.load({str(folder)!r})
with model.video([np.full((40, 60, 3), shade, np.uint8) for shade in (20, 120, 90)]) as session:
    session.prompt(0, 1, box=(5, 5, 30, 30))
    print(len(list(session.propagate())), "torch" in sys.modules, model.engine.device.split()[:2])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "3 False ['cpu', 'openvino']\n"


def test_a_new_memory_needs_no_new_graphs(
    config: Sam2Config, packed: Path, image: np.ndarray, tmp_path: Path
) -> None:
    from masklet.engine.openvino_engine import OpenVinoEngine

    if config is not CONFIG:
        pytest.skip("one network will do")
    model = network(config)
    generator = torch.Generator().manual_seed(11)
    _, memory = checkpoints.split(model.state_dict())
    for tensor in memory.values():
        tensor += 0.1 * torch.randn(tensor.shape, generator=generator)
    before = packed.read_bytes()
    folder = filled(packed, model, tmp_path)
    assert packed.read_bytes() == before
    found = []
    for engine in (
        OpenVinoEngine(folder, dtype="float32", threads=1),
        TorchEngine(model, "cpu", "float32"),
        TorchEngine(network(config), "cpu", "float32"),
    ):
        features = engine.encode_image(image)
        first = engine.decode(engine.condition(features, None), PromptBatch.none(1), multimask=False)
        memories = [engine.remember(features, first.logits, first.occlusion, binary=False)]
        reading = MemoryReading(memories, [1], first.pointer, [1])
        found.append(engine.decode(engine.condition(features, reading), PromptBatch.none(1), multimask=False))
    same(found[0], found[1])
    assert np.abs(found[1].logits - found[2].logits).max() > 0.1, "the memory has changed what is seen"


def test_a_folder_that_is_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no card\.json"):
        read_card(tmp_path)
    card = json.loads((folder / CARD).read_text())
    for change, complaint in (({"format": FORMAT + 1}, "has format"), ({}, r"lacks tables\.safetensors")):
        (tmp_path / CARD).write_text(json.dumps({**card, **change}))
        with pytest.raises(CheckpointError, match=complaint):
            read_card(tmp_path)
    (tmp_path / CARD).write_text("{")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_card(tmp_path)


def test_an_unknown_dtype(folder: Path) -> None:
    from masklet.engine.openvino_engine import OpenVinoEngine

    with pytest.raises(ConfigError, match="dtype 'int4' is unknown"):
        OpenVinoEngine(folder, dtype="int4")


def test_graphs_of_other_weights_are_not_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(registry.CACHE_VARIABLE, str(tmp_path))
    name = "small-for-tests"
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / folder.name).symlink_to(folder)
    weights = tmp_path / "weights.pt"
    assert find(name, None, [weights]) is not None, "weights that are not on disk are not asked"
    assert find(name, 96, [weights]) is None
    assert find("small", None, [weights]) is None
    weights.write_bytes(b"other")
    assert find(name, None, [weights]) is None


def test_the_parts_of_a_rotation() -> None:
    """Turned equals a projection followed by the model's own rotation."""
    from masklet.engine.openvino_graphs import Turned
    from masklet.model.positions import rotary_angles, rotate

    projection = torch.nn.Linear(8, 16)
    angles = rotary_angles(3, 5, 16)
    x = torch.randn(2, 15, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Turned(projection, *angles)(x), rotate(projection(x), *angles))
