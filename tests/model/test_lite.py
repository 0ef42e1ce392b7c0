"""The small image encoder, its published weights, and pooled memories."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.checkpoints import Card
from masklet.model.config import LiteConfig, LiteStage, Sam2Config, config_for
from masklet.model.lite import LiteTrunk
from masklet.model.memory_attention import RotaryAttention
from masklet.model.names_lite import lite_state
from masklet.model.positions import rotary_angles
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Reading, Sam2
from parity.weights import randomise

TRUNK = LiteConfig(
    8,
    (
        LiteStage(1, 3, 1, 1, 8),
        LiteStage(2, 3, 2, 2, 8),
        LiteStage(1, 5, 2, 2, 12),
        LiteStage(1, 3, 2, 2, 16),
        LiteStage(1, 5, 1, 2, 16),
        LiteStage(1, 5, 2, 2, 24),
    ),
    mixes=1,
    hidden=32,
    heads=2,
)
LITTLE = Sam2Config(
    "little-lite",
    TRUNK,
    input_size=64,
    width=64,
    memory_width=16,
    memory_layers=1,
    memory_hidden=64,
    memory_pool=2,
    decoder_hidden=64,
)


def little() -> Sam2:
    model = Sam2(LITTLE)
    randomise(model, 0)
    return model.eval()


def test_the_nano_is_small() -> None:
    with torch.device("meta"):
        model = Sam2(config_for("masklet-nano"))
    assert sum(parameter.numel() for parameter in model.parameters()) <= 12_000_000


def test_maps_come_at_the_sizes_the_decoder_adds() -> None:
    assert TRUNK.map_widths == (8, 12, 16, 24)
    with torch.no_grad():
        maps = LiteTrunk(TRUNK)(torch.zeros(1, 3, 64, 64))
        features = little().encode(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 16, 16), (12, 8, 8), (16, 4, 4), (24, 2, 2)]
    assert features.stride16.shape == (2, 64, 4, 4)
    assert features.stride8.shape == (2, 16, 8, 8)
    assert features.stride4.shape == (2, 8, 16, 16)


def test_memories_are_pooled_and_read(tmp_path: Path) -> None:
    model = little()
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = model.encode(pixels)
        memory = model.remember(features, torch.randn(2, 1, 16, 16), torch.ones(2, 1), binary=True)
        assert memory.shape == (2, 16, 2, 2)
        reading = Reading([memory, memory], [0, 1], torch.randn(2, 1, 64), [1])
        seen = model.condition(features, reading).stride16
        other = model.condition(features, Reading([memory.flip(3), memory], [0, 1], reading.pointers, [1]))
    assert seen.shape == (2, 64, 4, 4)
    assert not torch.allclose(seen, other.stride16)  # where in the frame a memory is matters


def test_a_pool_must_divide_the_grid() -> None:
    with pytest.raises(ConfigError, match="memory pool 3 must divide 4 places"):
        Sam2Config("odd", TRUNK, input_size=64, memory_pool=3)


def test_pooled_keys_stand_in_the_middle_of_their_places() -> None:
    fine, pooled = rotary_angles(4, 4, 16), rotary_angles(2, 2, 16, pool=2)
    # A position's code is linear in angle: the middle of four places has their mean angle.
    for axis in range(4):
        angles = [torch.atan2(sine, cosine)[:, axis] for cosine, sine in (fine, pooled)]
        expected = F.avg_pool2d(angles[0].reshape(1, 1, 4, 4), 2).flatten()
        torch.testing.assert_close(angles[1], expected, atol=1e-5, rtol=1e-5)


def test_without_a_pool_keys_are_turned_as_queries_are() -> None:
    attention = RotaryAttention(16, 16)
    tokens, angles = torch.randn(1, 16, 16), rotary_angles(4, 4, 16)
    assert torch.equal(
        attention(tokens, tokens, tokens, angles), attention(tokens, tokens, tokens, angles, angles)
    )


def test_there_and_back(tmp_path: Path) -> None:
    model = little()
    image, memory = checkpoints.split(model.state_dict())
    for part, state in (("image", image), ("memory", memory)):
        card = Card(LITTLE.name, part, 64, "Apache-2.0", "random")
        checkpoints.save_state(tmp_path / f"{part}.safetensors", state, card)
    again = Sam2(LITTLE)
    files = [tmp_path / "image.safetensors", tmp_path / "memory.safetensors"]
    checkpoints.load_into(again, checkpoints.load_states(files), "files")
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def published() -> dict[str, Tensor]:
    """Random weights under the published names, for the blocks of TRUNK."""
    generator = torch.Generator().manual_seed(0)
    stored: dict[str, Tensor] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean"):
            stored[f"{name}.{part}"] = torch.randn(channels, generator=generator)
        stored[f"{name}.running_var"] = torch.rand(channels, generator=generator) + 0.5

    def conv(name: str, *shape: int) -> None:
        stored[f"{name}.weight"] = (
            torch.randn(*shape, generator=generator) / (shape[1] * shape[2] * shape[3]) ** 0.5
        )

    conv("_conv_stem", 8, 3, 3, 3)
    norm("_bn0", 8)
    inputs, number = 8, 0
    for stage in TRUNK.stages:
        for _ in range(stage.blocks):
            inner, block = inputs * stage.expand, f"_blocks.{number}."
            if stage.expand > 1:
                conv(block + "_expand_conv", inner, inputs, 1, 1)
                norm(block + "_bn0", inner)
            conv(block + "_depthwise_conv", inner, 1, stage.kernel, stage.kernel)
            norm(block + "_bn1", inner)
            conv(block + "_project_conv", stage.width, inner, 1, 1)
            norm(block + "_bn2", stage.width)
            inputs, number = stage.width, number + 1
    return stored


def reference(stored: dict[str, Tensor], image: Tensor) -> Tensor:
    """Stem and first block as published: pixels 0 … 255, batch norm with statistics, SAME padding."""

    def norm(x: Tensor, name: str) -> Tensor:
        parts = [stored[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts, eps=1e-3)

    x = F.pad((image - 127) / 128, (0, 1, 0, 1))
    x = F.relu6(norm(F.conv2d(x, stored["_conv_stem.weight"], stride=2), "_bn0"))
    block = "_blocks.0."
    y = F.conv2d(x, stored[block + "_depthwise_conv.weight"], padding=1, groups=8)
    y = F.relu6(norm(y, block + "_bn1"))
    return x + norm(F.conv2d(y, stored[block + "_project_conv.weight"]), block + "_bn2")


def test_published_weights_compute_the_same_from_our_pixels() -> None:
    stored = published()
    trunk = LiteTrunk(TRUNK)
    trunk.load_state_dict(lite_state(stored, 7, PIXEL_MEAN, PIXEL_STD))
    image = torch.randint(0, 256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(2)).float()
    mean, std = (torch.tensor(v)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    with torch.no_grad():
        ours = trunk.blocks[0](F.relu6(trunk.stem_norm(trunk.stem((image / 255 - mean) / std))))
    # Padding is black for them and grey for us: the last row and column of the stem, and what looks at it.
    torch.testing.assert_close(
        ours[..., :-2, :-2], reference(stored, image)[..., :-2, :-2], atol=1e-4, rtol=1e-4
    )


def test_other_weights_are_refused() -> None:
    stored = published()
    del stored["_blocks.2._bn1.bias"]
    with pytest.raises(CheckpointError, match=r"_blocks\.2\._bn1\.bias is missing"):
        lite_state(stored, 7, PIXEL_MEAN, PIXEL_STD)
