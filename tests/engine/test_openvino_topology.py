"""Graphs without weights: what they are made of, what they refuse, and those that the package carries."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import masklet
from masklet.engine import openvino_topology
from masklet.engine.openvino_recipes import (
    fourier_places,
    made,
    rotary_cosines,
    rotary_sines,
    sine_places,
    stretched,
)
from masklet.engine.openvino_store import FORMAT, GRAPHS, GraphCard, read_card
from masklet.engine.openvino_topology import BareGraph, Packed, Place, Topology, packed_for, packed_sizes
from masklet.errors import CheckpointError
from masklet.model import arrays, checkpoints, quantised, registry
from masklet.model.checkpoints import Card
from masklet.model.config import HieraConfig, config_for
from masklet.model.foveal import block_means, table_angles
from masklet.model.hiera import Hiera
from masklet.model.positions import FourierPositions, rotary_angles, sine_map

CARD = Card("some-network", "all", 64, "CC0-1.0", "random numbers")
STATE = {
    "layer.weight": torch.arange(6.0).reshape(2, 3),
    "no_memory_embed": torch.zeros(1, 1, 4),
    "prompt_encoder.no_mask_embed.weight": torch.zeros(1, 4),
    "no_object_pointer": torch.zeros(1, 4),
    "mask_downsample.weight": torch.zeros(1, 1, 4, 4),
    "mask_downsample.bias": torch.zeros(1),
}


def a_topology(rest: bytes = b"abcdef") -> Topology:
    places = (
        Place(2, "float16", ("turned", "layer.weight")),
        Place(16, "float32", ("itself", "layer.weight")),
    )
    graph = BareGraph(b"<net/>", rest, places)
    card = GraphCard(FORMAT, "some-network", 64, 64, 7, 16, 0.05, 0.98)
    shapes = {name: tuple(tensor.shape) for name, tensor in STATE.items()}
    return Topology(card, shapes, dict.fromkeys(GRAPHS, graph))


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    openvino_topology.write(a_topology(), tmp_path / "packed.zip")
    checkpoints.save_state(tmp_path / "weights.safetensors", STATE, CARD)
    return Packed(tmp_path / "packed.zip", (tmp_path / "weights.safetensors",), 64, 96)


# ── what constants are made of ──


@pytest.mark.parametrize("side", [8, 16, 40])
def test_positions_of_hiera(side: int) -> None:
    torch.manual_seed(0)
    trunk = Hiera(HieraConfig(4, 1, (1, 1, 1, 1), ()))
    background, window = torch.randn(1, 4, 7, 7), torch.randn(1, 4, 8, 8)
    trunk.pos_embed.data, trunk.pos_embed_window.data = background, window
    ours = stretched(background.numpy(), window.numpy(), side)
    np.testing.assert_allclose(ours, trunk.positions(side, side).detach().numpy(), atol=1e-5)


def test_positions_of_the_decoder() -> None:
    layer = FourierPositions(6)
    ours = fourier_places(layer.positional_encoding_gaussian_matrix.numpy(), 5)
    np.testing.assert_allclose(ours, layer.grid(5, 5).flatten(1).T.numpy(), atol=1e-5)


@pytest.mark.parametrize(("side", "block"), [(8, 2), (16, 4)])
def test_positions_of_memory(side: int, block: int) -> None:
    places = sine_map(side, side, 12).flatten(1).T
    np.testing.assert_allclose(sine_places(side, 12, 0.1, 0), 0.1 * places.numpy(), atol=1e-5)
    table = torch.cat((places, block_means(places[None], side, side, block)[0]))
    np.testing.assert_allclose(sine_places(side, 12, 1.0, block), table.numpy(), atol=1e-5)
    plain, with_their_blocks = rotary_angles(side, side, 8), table_angles(side, side, 8, block)
    for size, (cosine, sine) in ((0, plain), (block, with_their_blocks)):
        for ours, theirs in ((rotary_cosines, cosine), (rotary_sines, sine)):
            wanted = theirs.repeat_interleave(2, dim=1).numpy()
            np.testing.assert_allclose(ours(side, 8, size), wanted, atol=1e-5)


def test_a_recipe_nobody_knows() -> None:
    with pytest.raises(CheckpointError, match="'halved', which is not there"):
        made(("halved", "a"), {"a": np.zeros(2)})
    with pytest.raises(CheckpointError, match="'b', which is not there"):
        made(("itself", "b"), {"a": np.zeros(2)})


# ── filling ──


def test_weights_go_between_the_constants(packed: Packed, tmp_path: Path) -> None:
    packed.fill(tmp_path / "out")
    content = (tmp_path / "out" / "decode.bin").read_bytes()
    assert (content[:2], content[14:16], content[40:]) == (b"ab", b"cd", b"ef")
    rows = np.frombuffer(content[2:14], np.float16)
    assert rows.tolist() == [-3, -4, -5, 0, 1, 2]
    assert np.frombuffer(content[16:40], np.float32).tolist() == [0, 1, 2, 3, 4, 5]
    card = read_card(tmp_path / "out")
    assert (card.input_size, card.own_size) == (64, 96)
    assert card.source


def test_what_float16_cannot_reach_becomes_its_largest() -> None:
    values = np.array([1e6, -1e6, 0.5], np.float32)
    assert np.frombuffer(openvino_topology.stored(values, "float16"), np.float16).tolist() == [
        65504,
        -65504,
        0.5,
    ]


def test_the_same_graphs_are_the_same_file(packed: Packed, tmp_path: Path) -> None:
    again = openvino_topology.read(packed.path)
    openvino_topology.write(again, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.path.read_bytes()


def test_other_weights_are_refused(packed: Packed, tmp_path: Path) -> None:
    wrong = {**STATE, "layer.weight": torch.zeros(3, 2)}
    checkpoints.save_state(packed.checkpoints[0], wrong, CARD)
    with pytest.raises(
        CheckpointError, match=r"not for weights\.safetensors: 1 parameters differ, layer\.weight"
    ):
        packed.fill(tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


def test_damage_is_seen(packed: Packed, tmp_path: Path) -> None:
    packed.path.write_bytes(packed.path.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"packed\.zip cannot be read: .*; reinstall masklet"):
        packed.fill(tmp_path / "out")


def test_another_process_was_quicker(packed: Packed, tmp_path: Path) -> None:
    packed.fill(tmp_path / "out")
    (tmp_path / "out" / "seen").touch()
    packed.fill(tmp_path / "out")
    assert (tmp_path / "out" / "seen").exists(), "the same graphs are left where they are"
    openvino_topology.write(a_topology(b"ABCDEF"), packed.path)
    packed.fill(tmp_path / "out")
    assert (tmp_path / "out" / "decode.bin").read_bytes()[:2] == b"AB"
    assert not list(tmp_path.glob("*.part"))


def test_a_constant_that_no_recipe_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """It differs between the two networks of random numbers, and is no parameter of either."""
    from masklet.engine import openvino_export

    monkeypatch.setattr(
        openvino_export, "_topology", lambda config, seed, half: a_topology(f"abcde{seed}".encode())
    )
    with pytest.raises(CheckpointError, match="graph encode of masklet-tiny has constants that follow from"):
        openvino_export.topology(config_for("masklet-tiny"))


# ── which graphs there are ──


def test_graphs_are_found_by_network_and_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "weights_folder", lambda: tmp_path)
    for size in (384, 64, 1024):
        (tmp_path / f"some-network-{size}.graphs.zip").touch()
    (tmp_path / "some-network-lite-32.graphs.zip").touch()
    assert packed_sizes("some-network") == (64, 384, 1024)
    mine = tmp_path / "mine.safetensors"
    checkpoints.save_state(mine, STATE, CARD)
    found = packed_for([mine], None)
    assert found == Packed(tmp_path / "some-network-64.graphs.zip", (mine,), 64, 64)
    assert packed_for([mine], 384) == replace(
        found, path=tmp_path / "some-network-384.graphs.zip", input_size=384
    )
    assert packed_for([mine], 96) is None
    torch.save(STATE, tmp_path / "other.pt")
    assert packed_for([tmp_path / "other.pt"], None) is None


def test_arrays_are_what_pytorch_reads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    state = {
        "a.weight": torch.randn(64, 80),
        "b": torch.randn(5000),
        "c.weight": torch.randn(9),
        "n": torch.tensor(3),
    }
    checkpoints.save_state(tmp_path / "w.safetensors", quantised.quantise(state), CARD)
    ours, theirs = (
        arrays.load_arrays([tmp_path / "w.safetensors"]),
        checkpoints.load_state(tmp_path / "w.safetensors"),
    )
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert np.array_equal(array, theirs[name].numpy()), name
        assert array.dtype == theirs[name].numpy().dtype, name
    content = bytearray((tmp_path / "w.safetensors").read_bytes())
    content[-3] ^= 1
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        arrays.load_arrays([tmp_path / "w.safetensors"])


# ── those of the package ──


SHIPPED = [
    (checkpoint.name, size)
    for checkpoint in registry.known()
    if checkpoint.is_embedded and checkpoint.is_on_disk
    for size in packed_sizes(checkpoint.name)
]


@pytest.mark.parametrize(("name", "size"), SHIPPED)
def test_the_packages_graphs_are_of_the_network_it_has(name: str, size: int, tmp_path: Path) -> None:
    """Fails when a network was changed and its graphs were not written anew."""
    from masklet.model.sam2 import Sam2

    path = openvino_topology.packed_path(registry.weights_folder(), name, size)
    assert path.stat().st_size < 1_000_000
    topology = openvino_topology.read(path)
    config = config_for(name).at(size)
    with torch.device("meta"):
        parameters = {key: tuple(tensor.shape) for key, tensor in Sam2(config).state_dict().items()}
    assert topology.parameters == parameters
    from masklet.engine.openvino_export import card_of

    assert topology.card == card_of(config, size, "")
    used = {part for g in topology.graphs.values() for place in g.places for part in place.recipe[1:]}
    tables = {"no_memory_embed", "mask_downsample.weight", "mask_downsample.bias"}
    # What is added to every key alike, softmax takes out again (`Attention.of_tokens`).
    alike = {name for name in parameters if name.endswith("token_to_image.k_proj.bias")}
    assert parameters.keys() - used == tables | alike


CODE = """
import sys
sys.modules["torch"] = None
import numpy as np
import masklet
video = np.load(sys.argv[1])
model = masklet.load(sys.argv[2], input_size=int(sys.argv[3]), dtype="float32")
first = model.image(video[0]).segment(clicks=[(40, 30)]).best.to_array()
with model.video(list(video)) as session:
    session.prompt(0, 1, clicks=[(40, 30)])
    masks = [frame_masks.masks[1].to_array() for _, frame_masks in session.propagate()]
np.save(sys.argv[4], np.stack([first, *masks]))
print(model.engine.device.split()[1])
"""


@pytest.mark.skipif(not SHIPPED, reason="no embedded weights with graphs here")
def test_the_embedded_model_without_pytorch(tmp_path: Path) -> None:
    """A process that cannot import PyTorch segments and tracks, and sees what PyTorch sees."""
    pytest.importorskip("openvino", reason="the OpenVINO engine needs openvino")
    name, size = min(SHIPPED, key=lambda one: one[1])
    y, x = np.mgrid[:72, :96]
    ground = np.stack((x + 60, y + 90, 160 - x), axis=2).astype(np.uint8)
    video = np.stack(
        [
            np.where((np.hypot(x - 40 - 4 * t, y - 30) < 14)[..., None], [220, 60, 40], ground)
            for t in range(4)
        ]
    ).astype(np.uint8)
    np.save(tmp_path / "video.npy", video)
    arguments = [str(tmp_path / "video.npy"), name, str(size), str(tmp_path / "masks.npy")]
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        env={**os.environ, registry.CACHE_VARIABLE: str(tmp_path / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "openvino\n"
    ours = np.load(tmp_path / "masks.npy")

    model = masklet.load(name, input_size=size, dtype="float32", device="cpu", engine="torch")
    with model.video(list(video)) as session:
        session.prompt(0, 1, clicks=[(40, 30)])
        theirs = [frame_masks.masks[1].to_array() for _, frame_masks in session.propagate()]
    theirs = np.stack([model.image(video[0]).segment(clicks=[(40, 30)]).best.to_array(), *theirs])
    for one, other in zip(ours, theirs, strict=True):
        assert other.sum() > 200, "the disc is there"
        assert (one & other).sum() / (one | other).sum() >= 0.99
