"""remember and condition agree with transformers' Sam2VideoModel, given the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.model.config import Sam2Config
from masklet.model.positions import sine_map
from masklet.model.sam2 import Features, Reading
from parity.compare import assert_same, difference
from parity.huggingface import follow_official, stretch
from parity.twins import Twins, noise, twins
from parity.weights import SMALL

pytestmark = pytest.mark.usefixtures("plain_sums")

SAM2_0 = replace(SMALL, name="small-2.0", no_object_embed=False, pointer_time=False)
OBJECTS = 2


@pytest.fixture(scope="module", params=[SMALL, SAM2_0], ids=["2.1", "2.0"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return twins(request.param, tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def _in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    follow_official(monkeypatch)


def features_of(config: Sam2Config, images: int = 1, seed: int = 3) -> Features:
    side, width = config.input_size // 16, config.width
    return Features(
        noise(images, width, side, side, seed=seed),
        noise(images, width // 4, 2 * side, 2 * side, seed=seed + 1),
        noise(images, width // 8, 4 * side, 4 * side, seed=seed + 2),
    )


def in_sequence(maps: Tensor) -> Tensor:
    """[O, C, h, w] → [h · w, O, C], as the published code carries it."""
    return maps.flatten(2).permute(2, 0, 1)


# ---- remember


@pytest.mark.parametrize("binary", [True, False])
def test_memories_agree(pair: Twins, binary: bool) -> None:
    """Of one object that is there and one that is not."""
    config = pair.ours.config
    features, side = features_of(config), config.input_size // 4
    occlusion = torch.tensor([[2.5], [-1.5]])
    logits = torch.where(occlusion[..., None, None] > 0, 4 * noise(OBJECTS, 1, side, side), -1024.0)
    mine = pair.ours.remember(features, logits, occlusion, binary=binary)
    published, places = pair.theirs._encode_new_memory(
        current_vision_feats=in_sequence(features.stride16).expand(-1, OBJECTS, -1),
        pred_masks_high_res=stretch(logits),
        object_score_logits=occlusion[:, None],
        is_mask_from_pts=binary,
    )
    for i in range(OBJECTS):
        assert_same(in_sequence(mine)[:, i], published[:, i])
    height, width = mine.shape[2:]
    assert_same(in_sequence(sine_map(height, width, mine.shape[1])[None])[:, 0], places[:, 0])


def test_absence_marks_the_memory_of_sam_2_1_only(pair: Twins) -> None:
    config = pair.ours.config
    features, side = features_of(config), config.input_size // 4
    logits = 4 * noise(1, 1, side, side)
    there, absent = (
        pair.ours.remember(features, logits, torch.tensor([[score]]), binary=False) for score in (1.0, -1.0)
    )
    assert torch.equal(there, absent) == (not config.no_object_embed)


def test_binary_memories_see_only_the_sign(pair: Twins) -> None:
    features, side = features_of(pair.ours.config), pair.ours.config.input_size // 4
    logits, score = 4 * noise(1, 1, side, side), torch.tensor([[1.0]])
    weak, strong = (pair.ours.remember(features, k * logits, score, binary=True) for k in (0.1, 1.0))
    assert torch.equal(weak, strong)
    weak, strong = (pair.ours.remember(features, k * logits, score, binary=False) for k in (0.1, 1.0))
    assert difference(weak, strong) > 0.01


# ---- condition

READINGS = {
    "the first frame after a prompt": ([0], [1]),
    "one neighbour": ([0, 1], [5, 1]),
    "a full bank": ([0, 0, 6, 5, 4, 3, 2, 1], [30, 8, *range(1, 16)]),
    "a gap": ([0, 4, 1], [9, 4, 1]),
    "only a future prompt": ([0], []),
}


@pytest.mark.parametrize(("slots", "distances"), READINGS.values(), ids=READINGS)
def test_reading_memory_agrees(pair: Twins, slots: list[int], distances: list[int]) -> None:
    config = pair.ours.config
    features, side = features_of(config), config.input_size // 16
    memories = [noise(OBJECTS, config.memory_width, side, side, seed=10 + i) for i in range(len(slots))]
    pointers = noise(OBJECTS, len(distances), config.width, seed=9)
    mine = pair.ours.condition(features, Reading(memories, slots, pointers, distances)).stride16
    for i in range(OBJECTS):
        published = published_reading(
            pair, features, [m[i : i + 1] for m in memories], slots, pointers[i : i + 1], distances
        )
        assert_same(in_sequence(mine)[:, i], published)


def published_reading(
    pair: Twins,
    features: Features,
    memories: list[Tensor],
    slots: list[int],
    pointers: Tensor,
    distances: list[int],
) -> Tensor:
    """One object's conditioned features [h · w, C] by the published steps."""
    config, model, cpu = pair.ours.config, pair.theirs, torch.device("cpu")
    encode = model.memory_encoder.position_encoding
    stored = [
        {
            "maskmem_features": in_sequence(m),
            "maskmem_pos_enc": in_sequence(encode(m.shape, m.device, m.dtype)),
        }
        for m in memories
    ]
    tokens, places = model._build_memory_attention_inputs(list(zip(slots, stored, strict=True)), cpu)
    by_frame = [pointers[:, i] for i in range(len(distances))]
    more, more_places = model._process_object_pointers(
        distances, by_frame, config.pointer_limit, 1, config.width, cpu
    )
    count = 0
    if more is not None:
        tokens, places, count = [*tokens, more], [*places, more_places], len(more)
    image_place = sine_map(*features.stride16.shape[2:], config.width)[None]
    out = model.memory_attention(
        current_vision_features=in_sequence(features.stride16),
        current_vision_position_embeddings=in_sequence(image_place),
        memory=torch.cat(tokens),
        memory_posision_embeddings=torch.cat(places),
        num_object_pointer_tokens=count,
    )
    return out[0, 0]


def test_without_memory_the_features_say_so(pair: Twins) -> None:
    features = features_of(pair.ours.config)
    published = pair.theirs._prepare_memory_conditioned_features(
        inference_session=None,
        frame_idx=0,
        obj_idx=0,
        is_initial_conditioning_frame=True,
        current_vision_features=in_sequence(features.stride16),
        current_vision_positional_embeddings=None,
        num_total_frames=20,
    )
    mine = pair.ours.condition(features, None)
    assert_same(mine.stride16, published)
    assert mine.stride4 is features.stride4
    assert mine.stride8 is features.stride8


def test_the_image_has_the_same_positions(pair: Twins, tmp_path: Path) -> None:
    size = pair.ours.config.input_size
    published = pair.theirs.get_image_features(noise(1, 3, size, size), return_dict=True)
    places = published.fpn_position_encoding[-1]
    assert_same(in_sequence(sine_map(size // 16, size // 16, pair.ours.config.width)[None]), places)


# ---- what a reading depends on


@pytest.fixture
def reading() -> Reading:
    side = SMALL.input_size // 16
    memories = [noise(1, SMALL.memory_width, side, side, seed=20 + i) for i in range(3)]
    return Reading(memories, [0, 2, 1], noise(1, 3, SMALL.width, seed=8), [7, 2, 1])


def test_every_part_of_a_reading_matters(pair: Twins, reading: Reading) -> None:
    """Were one of these ignored on both sides, the comparison above would not show it."""
    features = features_of(pair.ours.config)
    before = pair.ours.condition(features, reading).stride16
    changed = {
        "memories": replace(reading, memories=[*reading.memories[:2], -reading.memories[2]]),
        "slots": replace(reading, slots=[0, 3, 1]),
        "pointers": replace(reading, pointers=-reading.pointers),
    }
    if pair.ours.config.pointer_time:
        changed["distances"] = replace(reading, distances=[-7, 2, 1])
    for name, other in changed.items():
        after = pair.ours.condition(features, other).stride16
        assert difference(after, before) > 1e-3, f"{name} makes no difference"


def test_sam_2_0_does_not_tell_pointers_their_time(reading: Reading, tmp_path: Path) -> None:
    model, features = twins(SAM2_0, tmp_path).ours, features_of(SAM2_0)
    later = replace(reading, distances=[12, 5, 3])
    assert torch.equal(model.condition(features, reading).stride16, model.condition(features, later).stride16)


def test_objects_of_a_batch_do_not_mix(pair: Twins) -> None:
    config = pair.ours.config
    features, side = features_of(config), config.input_size // 16
    memories = [noise(OBJECTS, config.memory_width, side, side, seed=30 + i) for i in range(2)]
    pointers = noise(OBJECTS, 2, config.width, seed=7)
    both = pair.ours.condition(features, Reading(memories, [0, 1], pointers, [4, 1])).stride16
    alone = Reading([m[1:] for m in memories], [0, 1], pointers[1:], [4, 1])
    assert_same(pair.ours.condition(features, alone).stride16, both[1:])
