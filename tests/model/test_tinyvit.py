"""The small image encoder, its published weights, and pooled memories."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.errors import CheckpointError, ConfigError
from masklet.model import checkpoints
from masklet.model.checkpoints import Card
from masklet.model.config import Sam2Config, config_for
from masklet.model.memory_attention import RotaryAttention
from masklet.model.names_mobilesam import tinyvit_state
from masklet.model.positions import rotary_angles
from masklet.model.sam2 import Reading, Sam2
from masklet.model.tinyvit import TinyVit, window_side
from parity.weights import randomise
from tiny_training import LITTLE, LITTLE_VIT

NANO = replace(LITTLE, name="little-nano", trunk=LITTLE_VIT, memory_pool=2, memory_mask_stride=4)


def little() -> Sam2:
    model = Sam2(NANO)
    randomise(model, 0)
    return model.eval()


def test_the_nano_is_small() -> None:
    with torch.device("meta"):
        model = Sam2(config_for("masklet-nano"))
    assert sum(parameter.numel() for parameter in model.parameters()) <= 12_000_000


def test_maps_come_at_the_sizes_the_decoder_adds() -> None:
    with torch.no_grad():
        maps = TinyVit(LITTLE_VIT)(torch.zeros(1, 3, 64, 64))
        features = little().encode(torch.zeros(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 16, 16), (16, 8, 8), (24, 4, 4)]
    assert features.stride16.shape == (2, 64, 4, 4)
    assert features.stride8.shape == (2, 16, 8, 8)
    assert features.stride4.shape == (2, 8, 16, 16)


def test_windows_divide_the_map_and_stay_within_reach() -> None:
    # The sides of stride 8 and 16 at inputs of 320, 384, 416, 448 and 1024.
    assert [window_side(side, 7) for side in (40, 48, 52, 56, 128)] == [5, 6, 4, 7, 4]
    assert [window_side(side, 14) for side in (20, 24, 26, 28, 64)] == [10, 12, 13, 14, 8]


@pytest.mark.parametrize("size", [32, 96, 160])
def test_any_multiple_of_32_goes_in(size: int) -> None:
    with torch.no_grad():
        maps = TinyVit(LITTLE_VIT)(torch.zeros(1, 3, size, size))
    assert [m.shape[-1] for m in maps] == [size // 4, size // 8, size // 16]


def test_memories_are_pooled_and_read() -> None:
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
        Sam2Config("odd", LITTLE_VIT, input_size=64, memory_pool=3)


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
        card = Card(NANO.name, part, 64, "Apache-2.0", "random")
        checkpoints.save_state(tmp_path / f"{part}.safetensors", state, card)
    again = Sam2(NANO)
    files = [tmp_path / "image.safetensors", tmp_path / "memory.safetensors"]
    checkpoints.load_into(again, checkpoints.load_states(files), "files")
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name]), name


def published() -> dict[str, Tensor]:
    """Random weights under the published names, for LITTLE_VIT."""
    generator = torch.Generator().manual_seed(0)
    stored: dict[str, Tensor] = {}

    def put(name: str, *shape: int, about: float = 0.0, spread: float = 1.0) -> None:
        stored[f"image_encoder.{name}"] = about + spread * torch.randn(shape, generator=generator)

    def conv(name: str, outputs: int, inputs: int, kernel: int) -> None:
        put(f"{name}.c.weight", outputs, inputs, kernel, kernel, spread=1 / (inputs**0.5 * kernel))
        for part in ("weight", "bias", "running_mean"):
            put(f"{name}.bn.{part}", outputs, spread=0.3, about=float(part == "weight"))
        stored[f"image_encoder.{name}.bn.running_var"] = torch.rand(outputs, generator=generator) + 0.5

    def linear(name: str, outputs: int, inputs: int) -> None:
        put(f"{name}.weight", outputs, inputs, spread=inputs**-0.5)
        put(f"{name}.bias", outputs, spread=0.3)

    first = LITTLE_VIT.widths[0]
    conv("patch_embed.seq.0", first // 2, 3, 3)
    conv("patch_embed.seq.2", first, first // 2, 3)
    conv("layers.0.blocks.0.conv1", 4 * first, first, 1)
    conv("layers.0.blocks.0.conv2", 4 * first, 1, 3)
    conv("layers.0.blocks.0.conv3", first, 4 * first, 1)
    for stage in (1, 2):
        before, width = LITTLE_VIT.widths[stage - 1 : stage + 1]
        conv(f"layers.{stage - 1}.downsample.conv1", width, before, 1)
        conv(f"layers.{stage - 1}.downsample.conv2", width, 1, 3)
        conv(f"layers.{stage - 1}.downsample.conv3", width, width, 1)
        block = f"layers.{stage}.blocks.0"
        conv(f"{block}.local_conv", width, 1, 3)
        for norm in ("attn.norm", "mlp.norm"):
            put(f"{block}.{norm}.weight", width, about=1, spread=0.1)
            put(f"{block}.{norm}.bias", width, spread=0.1)
        linear(f"{block}.attn.qkv", 3 * width, width)
        linear(f"{block}.attn.proj", width, width)
        linear(f"{block}.mlp.fc1", 4 * width, width)
        linear(f"{block}.mlp.fc2", width, 4 * width)
        put(f"{block}.attn.attention_biases", LITTLE_VIT.heads[stage - 1], LITTLE_VIT.reaches[stage - 1] ** 2)
    return stored


def reference(stored: dict[str, Tensor], pixels: Tensor) -> list[Tensor]:
    """The published network in plain steps: batch norms with statistics, one window and head at a time."""

    def get(name: str) -> Tensor:
        return stored[f"image_encoder.{name}"]

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        weight = get(f"{name}.c.weight")
        groups = len(weight) if weight.shape[1] == 1 else 1
        x = F.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)
        parts = [get(f"{name}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
        return F.batch_norm(x, *parts, eps=1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, get(f"{name}.weight"), get(f"{name}.bias"))

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], get(f"{name}.weight"), get(f"{name}.bias"))

    def attention(window: Tensor, block: str, heads: int, reach: int) -> Tensor:
        side, _, width = window.shape
        rows = linear(norm(window.reshape(-1, width), f"{block}.attn.norm"), f"{block}.attn.qkv")
        out = []
        for head, three in enumerate(rows.reshape(len(rows), heads, -1).unbind(1)):
            q, k, v = three.chunk(3, dim=-1)
            scores = q @ k.T / q.shape[-1] ** 0.5
            for a in range(side * side):
                for b in range(side * side):
                    down, across = abs(a // side - b // side), abs(a % side - b % side)
                    scores[a, b] += get(f"{block}.attn.attention_biases")[head, down * reach + across]
            out.append(torch.softmax(scores, dim=-1) @ v)
        return linear(torch.cat(out, dim=-1), f"{block}.attn.proj").reshape(window.shape)

    x = conv(F.gelu(conv(pixels, "patch_embed.seq.0", 2)), "patch_embed.seq.2", 2)
    y = F.gelu(conv(F.gelu(conv(x, "layers.0.blocks.0.conv1")), "layers.0.blocks.0.conv2"))
    maps = [F.gelu(x + conv(y, "layers.0.blocks.0.conv3"))]
    for stage in (1, 2):
        place, block = f"layers.{stage - 1}.downsample", f"layers.{stage}.blocks.0"
        heads, reach = LITTLE_VIT.heads[stage - 1], LITTLE_VIT.reaches[stage - 1]
        x = F.gelu(conv(F.gelu(conv(maps[-1], f"{place}.conv1")), f"{place}.conv2", 2))
        x = conv(x, f"{place}.conv3")
        tokens = x[0].permute(1, 2, 0)
        side = window_side(len(tokens), reach)
        seen = tokens.clone()
        for top in range(0, len(tokens), side):
            for left in range(0, len(tokens), side):
                here = (slice(top, top + side), slice(left, left + side))
                seen[here] += attention(tokens[here], block, heads, reach)
        tokens = conv(seen.permute(2, 0, 1)[None], f"{block}.local_conv")[0].permute(1, 2, 0)
        hidden = F.gelu(linear(norm(tokens, f"{block}.mlp.norm"), f"{block}.mlp.fc1"))
        maps.append((tokens + linear(hidden, f"{block}.mlp.fc2")).permute(2, 0, 1)[None])
    return maps


def test_published_weights_compute_the_same() -> None:
    stored = published()
    trunk = TinyVit(LITTLE_VIT).eval()
    trunk.load_state_dict(tinyvit_state(stored, LITTLE_VIT))
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        for ours, theirs in zip(trunk(pixels), reference(stored, pixels), strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_other_weights_are_refused() -> None:
    stored = published()
    del stored["image_encoder.layers.1.blocks.0.local_conv.bn.bias"]
    with pytest.raises(CheckpointError, match=r"layers\.1\.blocks\.0\.local_conv\.bn\.bias is missing"):
        tinyvit_state(stored, LITTLE_VIT)
