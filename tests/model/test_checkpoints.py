"""Every kind of checkpoint file loads into the model, strictly; a mismatch says which parameters."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import masklet
from masklet.errors import CheckpointError
from masklet.model import checkpoints, names_huggingface, names_official, quantised
from masklet.model.checkpoints import Card
from masklet.model.config import HieraConfig, Sam2Config, config_for, presets
from masklet.model.sam2 import Sam2

SMALL = Sam2Config(
    "small-for-tests",
    HieraConfig(8, 1, (1, 1, 1, 1), (2,), windows=(4, 2, 2, 2), background=(2, 2)),
    input_size=64,
    width=32,
    memory_width=16,
    memory_layers=1,
    memory_hidden=32,
    decoder_hidden=32,
)
CARD = Card("masklet-tiny", "all", 512, "Apache-2.0", "random numbers")


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: tensor.clone() for name, tensor in Sam2(SMALL).state_dict().items()}


def official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    named = {names_official.official(name): tensor for name, tensor in state.items()}
    return {**named, "no_mem_pos_enc": torch.zeros(1, 1, 32)}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ── the published formats ──


@pytest.mark.parametrize("wrapped", [True, False])
def test_official_pt_loads(tmp_path: Path, state: dict, wrapped: bool) -> None:
    torch.save({"model": official(state)} if wrapped else official(state), tmp_path / "w.pt")
    loaded = checkpoints.load_state(tmp_path / "w.pt")
    assert same(loaded, state)
    checkpoints.load_into(Sam2(SMALL), loaded, "w.pt")


def test_official_safetensors_load(tmp_path: Path, state: dict) -> None:
    save_file(official(state), tmp_path / "w.safetensors")
    assert same(checkpoints.load_state(tmp_path / "w.safetensors"), state)


def test_our_own_names_load(tmp_path: Path, state: dict) -> None:
    save_file(state, tmp_path / "w.safetensors")
    assert same(checkpoints.load_state(tmp_path / "w.safetensors"), state)


OFFICIAL_TO_OURS = {
    "image_encoder.trunk.blocks.0.attn.qkv.weight": "image_encoder.trunk.blocks.0.attn.qkv.weight",
    "sam_prompt_encoder.point_embeddings.3.weight": "prompt_encoder.point_embeddings.3.weight",
    "sam_mask_decoder.obj_score_token.weight": "mask_decoder.obj_score_token.weight",
    "memory_attention.layers.0.self_attn.q_proj.weight": "memory_attention.layers.0.self_attn.q_proj.weight",
    "memory_encoder.fuser.layers.0.dwconv.weight": "memory_encoder.fuser.layers.0.dwconv.weight",
    "maskmem_tpos_enc": "memory_slot_embed",
    "obj_ptr_proj.layers.2.bias": "pointer_proj.layers.2.bias",
    "obj_ptr_tpos_proj.weight": "pointer_time_proj.weight",
    "no_obj_ptr": "no_object_pointer",
    "no_obj_embed_spatial": "no_object_embed",
    "no_mem_embed": "no_memory_embed",
}


def test_official_names_are_the_published_ones() -> None:
    with torch.device("meta"):
        ours = Sam2(config_for("sam2.1-hiera-tiny")).state_dict()
    for name, expected in OFFICIAL_TO_OURS.items():
        assert names_official.ours(name) == expected
        assert expected in ours
    assert names_official.ours("no_mem_pos_enc") is None
    assert all(names_official.ours(names_official.official(name)) == name for name in ours)


def test_the_published_image_weights_fit(shared: Path) -> None:
    loaded = checkpoints.load_state(shared / "weights" / "sam2_hiera_tiny_image.safetensors")
    with torch.device("meta"):
        wanted = Sam2(config_for("sam2-hiera-tiny")).state_dict()
    image_path, _ = checkpoints.split(wanted)
    checkpoints.check_fit(image_path, loaded, "the image path")


@pytest.mark.parametrize("size", ["tiny", "large"])
@pytest.mark.parametrize("family", ["sam2", "sam2.1"])
def test_every_hugging_face_name_maps_to_one_of_ours(family: str, size: str) -> None:
    transformers = pytest.importorskip("transformers")
    config = config_for(f"{family}-hiera-{size}")
    trunk = config.trunk
    backbone = {
        "hidden_size": trunk.width,
        "num_attention_heads": trunk.heads,
        "blocks_per_stage": list(trunk.blocks),
        "global_attention_blocks": list(trunk.global_blocks),
        "embed_dim_per_stage": list(trunk.stage_widths),
        "num_attention_heads_per_stage": [trunk.heads * 2**k for k in range(4)],
        "window_size_per_stage": list(trunk.windows),
        "window_positional_embedding_background_size": list(trunk.background),
    }
    theirs = transformers.Sam2VideoConfig(
        vision_config=transformers.Sam2VisionConfig(
            backbone_config=transformers.Sam2HieraDetConfig(**backbone),
            backbone_channel_list=list(reversed(trunk.stage_widths)),
        ),
        enable_occlusion_spatial_embedding=config.no_object_embed,
        enable_temporal_pos_encoding_for_object_pointers=config.pointer_time,
    )
    with torch.device("meta"):
        stored = transformers.Sam2VideoModel(theirs).state_dict()
        wanted = Sam2(config).state_dict()
    checkpoints.check_fit(wanted, checkpoints._from_huggingface(stored), f"Hugging Face's {family} {size}")
    mapped = [
        name for key in stored if key not in names_huggingface.FOURIER for name in names_huggingface.ours(key)
    ]
    assert len(mapped) == len(set(mapped)), "two stored parameters map to one of ours"


def test_hugging_face_file_keeps_its_values(tmp_path: Path) -> None:
    points = torch.arange(12.0).reshape(4, 3)
    fourier = torch.rand(2, 4)
    stored = {
        "vision_encoder.neck.convs.0.weight": torch.rand(3, 3, 1, 1),
        "prompt_encoder.point_embed.weight": points,
        "shared_image_embedding.positional_embedding": fourier,
        "no_memory_positional_encoding": torch.zeros(1),
        "memory_encoder.mask_downsampler.layers.2.layer_norm.bias": torch.rand(5),
    }
    save_file(stored, tmp_path / "model.safetensors")
    loaded = checkpoints.load_state(tmp_path / "model.safetensors")
    assert sorted(loaded) == sorted(
        [
            "image_encoder.neck.convs.0.conv.weight",
            *(f"prompt_encoder.point_embeddings.{i}.weight" for i in range(4)),
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
            "memory_encoder.mask_downsampler.encoder.7.bias",
        ]
    )
    assert torch.equal(loaded["prompt_encoder.point_embeddings.2.weight"], points[2:3])
    assert torch.equal(loaded["prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"], fourier)


# ── strictness ──


def test_a_mismatch_names_five_of_each_kind_and_counts(state: dict) -> None:
    wanted = dict(state)
    names = list(wanted)
    given = {name: tensor for name, tensor in wanted.items() if name not in names[:7]}
    given["stranger"] = torch.zeros(1)
    given[names[-1]] = torch.zeros(3, 1, 4)
    model = Sam2(SMALL)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load_into(model, given, "odd.pt")
    message = str(caught.value)
    assert "odd.pt" in message
    assert "\n" not in message
    assert f"7 missing: {', '.join(names[:5])} and 2 more" in message
    assert "1 unexpected: stranger" in message
    assert f"1 wrong shape: {names[-1]} [3, 1, 4] instead of {list(wanted[names[-1]].shape)}" in message
    assert same(dict(model.state_dict()), before)


def test_files_that_are_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        checkpoints.load_state(tmp_path / "none.pt")
    for name in ("junk.pt", "junk.safetensors"):
        (tmp_path / name).write_bytes(b"not weights at all")
        with pytest.raises(CheckpointError, match=r"junk\..* is not a checkpoint, .*see `masklet models`"):
            checkpoints.load_state(tmp_path / name)
        with pytest.raises(CheckpointError, match="is not a checkpoint"):
            masklet.load(tmp_path / name, device="cpu")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    with pytest.raises(CheckpointError, match="is not a checkpoint") as told:
        checkpoints.load_state(tmp_path / "picture.png")
    assert "weights_only" not in str(told.value)  # PyTorch's advice to let any file run code
    torch.save({"model": {}}, tmp_path / "empty.pt")
    with pytest.raises(CheckpointError, match="holds no weights"):
        checkpoints.load_state(tmp_path / "empty.pt")
    torch.save({"step": 3, "w": torch.zeros(1)}, tmp_path / "more.pt")
    with pytest.raises(CheckpointError, match="holds more than weights: step"):
        checkpoints.load_state(tmp_path / "more.pt")


def test_a_truncated_file_says_so(tmp_path: Path, state: dict) -> None:
    torch.save(official(state), tmp_path / "w.pt")
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.pt", "w.safetensors"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(CheckpointError, match="not a whole one"):
            checkpoints.load_state(tmp_path / name)


class Malice:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("touched-by-a-pickle"),))


def test_a_pickle_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": {"w": Malice()}}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError):
        checkpoints.load_state(tmp_path / "bad.pt")
    assert not (tmp_path / "touched-by-a-pickle").exists()


def test_two_files_may_not_repeat_a_parameter(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "1.safetensors")
    save_file({"a": torch.zeros(1), "b": torch.zeros(1)}, tmp_path / "2.safetensors")
    with pytest.raises(CheckpointError, match="repeats a"):
        checkpoints.load_states([tmp_path / "1.safetensors", tmp_path / "2.safetensors"])


def test_the_network_is_seen_from_the_weights() -> None:
    for name in presets():
        if name.startswith("sam2"):
            with torch.device("meta"):
                assert checkpoints.config_name(Sam2(config_for(name)).state_dict()) == name
    with pytest.raises(CheckpointError, match="no known model"):
        checkpoints.config_name({"image_encoder.trunk.blocks.0.x": torch.zeros(1)})


# ── the embedded form ──


def test_embedded_files_give_the_state_back(tmp_path: Path) -> None:
    torch.manual_seed(1)
    state = {name: tensor.clone() for name, tensor in Sam2(SMALL).state_dict().items()}
    checkpoints.save_embedded(tmp_path, "m", state, image=CARD, memory=CARD)
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == ["m.image.safetensors", "m.memory.safetensors"]
    loaded = checkpoints.load_states(paths)
    checkpoints.check_fit(state, loaded, "m")
    for name, tensor in state.items():
        assert torch.allclose(loaded[name], tensor, rtol=2e-3, atol=tensor.abs().max().item() / 127), name
    assert not any(name.startswith("memory") for name in load_file(paths[0]))


def test_a_new_memory_leaves_the_image_file_alone(tmp_path: Path, state: dict) -> None:
    checkpoints.save_embedded(tmp_path, "m", state, image=CARD, memory=CARD)
    before = (tmp_path / "m.image.safetensors").read_bytes()
    checkpoints.save_embedded(tmp_path, "m", {n: t + 1 for n, t in state.items()}, memory=CARD)
    assert (tmp_path / "m.image.safetensors").read_bytes() == before


@pytest.mark.skipif(os.name != "posix", reason="modes are of POSIX")
def test_weights_are_as_readable_as_any_file(tmp_path: Path) -> None:
    checkpoints.save_state(tmp_path / "m.safetensors", {"w": torch.zeros(1)}, CARD)
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "m.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_card_is_kept_and_damage_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    written = checkpoints.save_state(path, {"w": torch.arange(100.0)}, CARD)
    assert checkpoints.read_card(path) == written
    assert (written.config, written.input_size, len(written.sha256)) == ("masklet-tiny", 512, 64)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="damaged"):
        checkpoints.load_state(path)


def test_an_unwritable_place_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot write"):
        checkpoints.save_state(tmp_path / "no" / "such" / "m.safetensors", {"w": torch.zeros(1)}, CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_a_card(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "m.safetensors")
    assert checkpoints.read_card(tmp_path / "m.safetensors") is None


# ── eight bits ──


def test_eight_bits_hold_each_channel_to_a_step() -> None:
    torch.manual_seed(2)
    weight = torch.randn(64, 128) * torch.logspace(-4, 1, 64)[:, None]
    stored = quantised.quantise({"a.weight": weight})
    assert stored["a.weight"].dtype == torch.int8
    assert stored["a.weight.scale"].dtype == torch.float16
    back = quantised.dequantise(stored)["a.weight"]
    relative = (back - weight).norm(dim=1) / weight.norm(dim=1)
    assert relative.max() < 0.01


def test_clipping_an_outlier_beats_plain_rounding() -> None:
    torch.manual_seed(3)
    weight = torch.randn(16, 4096)
    plain_scale = weight.abs().amax(dim=1, keepdim=True) / 127
    plain = (weight / plain_scale).round() * plain_scale
    best = quantised.dequantise(quantised.quantise({"a.weight": weight}))["a.weight"]
    assert (best - weight).square().sum() <= (plain - weight).square().sum()


def test_small_weights_and_tables_are_not_quantised() -> None:
    state = {
        "norm.weight": torch.rand(8192),
        "small.weight": torch.rand(8, 8),
        "trunk.pos_embed": torch.rand(1, 96, 64),
        "table": torch.rand(96, 64),
        "count": torch.tensor([3]),
    }
    stored = quantised.quantise(state)
    assert stored.keys() == state.keys()
    assert stored["trunk.pos_embed"].dtype == torch.float32
    assert stored["small.weight"].dtype == torch.float32
    assert stored["table"].dtype == torch.float16
    back = quantised.dequantise(stored)
    assert all(tensor.dtype == torch.float32 for name, tensor in back.items() if name != "count")
    assert torch.equal(back["count"], state["count"])


def test_an_empty_channel_and_a_lost_scale() -> None:
    stored = quantised.quantise({"a.weight": torch.zeros(64, 64)})
    assert torch.equal(quantised.dequantise(stored)["a.weight"], torch.zeros(64, 64))
    del stored["a.weight.scale"]
    with pytest.raises(CheckpointError, match=r"a\.weight is stored in eight bits"):
        quantised.dequantise(stored)


def test_quantising_is_for_modules_too() -> None:
    layer = nn.Linear(128, 64)
    checkpoints.load_into(layer, quantised.dequantise(quantised.quantise(layer.state_dict())), "layer")


def test_the_same_weights_are_the_same_bytes(tmp_path: Path) -> None:
    card = Card("masklet-tiny", "memory", 64, "CC0-1.0", "zufällige Zahlen")
    state = {"no_object_pointer": torch.arange(3.0), "a.weight": torch.ones(2, 2, dtype=torch.float16)}
    written = []
    for number in range(12):
        path = tmp_path / f"{number}.safetensors"
        checkpoints.save_state(path, state, card)
        written.append(path.read_bytes())
    assert len(set(written)) == 1
    assert torch.equal(checkpoints.load_state(path)["no_object_pointer"], state["no_object_pointer"])
    assert checkpoints.read_card(path).source == card.source
