"""encode and decode agree with transformers' Sam2Model and Sam2VideoModel, given the same weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.model.config import HieraConfig, presets
from masklet.model.sam2 import Decoded, Features, Prompts
from parity.compare import assert_same
from parity.huggingface import Sam2VideoModel, follow_official, image_model
from parity.twins import Twins, noise, twins
from parity.weights import SMALL, scale

pytestmark = pytest.mark.usefixtures("plain_sums")

OBJECTS = 3
SINGLE_MASK_KERNEL = "mask_decoder.output_hypernetworks_mlps.0.proj_out"
OCCLUSION = "mask_decoder.pred_obj_score_head.proj_out"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return twins(SMALL, tmp_path_factory.mktemp("weights"))


@pytest.fixture
def pixels() -> Tensor:
    return noise(2, 3, SMALL.input_size, SMALL.input_size)


def clicks(objects: int, points: int, seed: int = 2) -> tuple[Tensor, Tensor]:
    """Unit coordinates [O, P, 2] and labels [O, P]."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (objects, points), generator=generator)
    return torch.rand(objects, points, 2, generator=generator), labels


def one_image(pair: Twins, pixels: Tensor) -> Features:
    """The first image, ready to decode."""
    return pair.ours.condition(pair.ours.encode(pixels[:1]), None)


def narrow(layout: HieraConfig) -> HieraConfig:
    """The published arrangement of blocks and windows in a trunk of 16 channels."""
    return replace(layout, width=16)


# ---- encode


def assert_encodes_alike(pair: Twins, pixels: Tensor) -> None:
    mine = pair.ours.encode(pixels)
    published = pair.theirs.get_image_features(pixels, return_dict=True).fpn_hidden_states
    for features, flat in zip((mine.stride4, mine.stride8, mine.stride16), published, strict=True):
        assert_same(features, flat.permute(1, 2, 0).reshape(features.shape))


@pytest.mark.parametrize("size", [96, 320])
@pytest.mark.parametrize("name", ["tiny", "small", "base-plus", "large"])
def test_every_layout_encodes_alike(name: str, size: int, tmp_path: Path) -> None:
    """Windows divide none of these maps at every stage, so padding is part of it."""
    trunk = narrow(presets()[f"sam2.1-hiera-{name}"].trunk)
    config = replace(SMALL, trunk=trunk, memory_layers=1, input_size=size)
    assert_encodes_alike(twins(config, tmp_path), noise(1, 3, size, size))


def test_encodes_alike_at_the_published_size(tmp_path: Path) -> None:
    trunk = narrow(presets()["sam2.1-hiera-base-plus"].trunk)
    config = replace(SMALL, trunk=trunk, memory_layers=1, input_size=1024)
    assert_encodes_alike(twins(config, tmp_path), noise(1, 3, 1024, 1024))


def test_a_batch_encodes_as_its_images(pair: Twins, pixels: Tensor) -> None:
    assert_encodes_alike(pair, pixels)
    both, second = pair.ours.encode(pixels), pair.ours.encode(pixels[1:])
    assert_same(both[1].stride16, second.stride16)


# ---- prompts


def published_prompts(pair: Twins, points: Tensor | None, labels: Tensor | None, **more: Tensor) -> Tensor:
    """Prompt tokens [O, P, C], from unit coordinates."""
    size = pair.ours.config.input_size
    sparse, _ = pair.theirs.prompt_encoder(
        input_points=None if points is None else points[:, None] * size,
        input_labels=None if labels is None else labels[:, None],
        input_boxes=more.get("boxes"),
        input_masks=None,
    )
    return sparse[:, 0]


def our_tokens(pair: Twins, points: Tensor, labels: Tensor) -> Tensor:
    return pair.ours.prompt_encoder.tokens(points + 0.5 / pair.ours.config.input_size, labels)


def test_clicks_and_padding_encode_alike(pair: Twins) -> None:
    points, labels = clicks(OBJECTS, 5)
    labels[0, 3:] = -1
    assert {-1, 0, 1} == set(labels.flatten().tolist())
    assert_same(our_tokens(pair, points, labels), published_prompts(pair, points, labels))


def test_no_prompt_is_an_empty_point_and_padding(pair: Twins) -> None:
    """What the published model decodes tracked frames with."""
    none = our_tokens(pair, torch.zeros(2, 0, 2), torch.zeros(2, 0, dtype=torch.long))
    empty = published_prompts(pair, torch.zeros(2, 1, 2), -torch.ones(2, 1, dtype=torch.long))
    assert_same(none, empty)


def test_a_box_is_two_points(pair: Twins) -> None:
    points, labels = torch.rand(OBJECTS, 2, 2), torch.tensor([[2, 3]] * OBJECTS)
    boxes = points.reshape(OBJECTS, 1, 4) * SMALL.input_size
    assert_same(our_tokens(pair, points, labels), published_prompts(pair, None, None, boxes=boxes))


def test_an_earlier_answer_encodes_alike(pair: Twins) -> None:
    side = SMALL.input_size // 4
    prior = 5 * noise(OBJECTS, 1, side, side)
    published = pair.theirs.prompt_encoder.mask_embed(prior)
    assert_same(pair.ours.prompt_encoder.dense(prior, side // 4, side // 4), published)


def test_the_grid_has_the_same_positions(pair: Twins) -> None:
    side = SMALL.input_size // 16
    published = pair.theirs.get_image_wide_positional_embeddings()[0]
    assert_same(pair.ours.prompt_encoder.pe_layer.grid(side, side), published)


# ---- decode


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize("points", [1, 4])
@pytest.mark.parametrize("with_prior", [False, True])
def test_an_image_is_segmented_as_by_the_image_model(
    pair: Twins, pixels: Tensor, multimask: bool, points: int, with_prior: bool
) -> None:
    """From pixels to all candidates, for several objects of one image, by Sam2Model."""
    coordinates, labels = clicks(OBJECTS, points)
    side = SMALL.input_size // 4
    prior = 5 * noise(1, 1, side, side) if with_prior else None
    published = image_model(pair.theirs)(
        pixel_values=pixels[:1],
        input_points=coordinates[None] * SMALL.input_size,
        input_labels=labels[None],
        input_masks=prior,
        multimask_output=multimask,
    )
    everyone = None if prior is None else prior.expand(OBJECTS, -1, -1, -1)
    mine = pair.ours.decode(
        one_image(pair, pixels), Prompts(coordinates, labels, everyone), multimask=multimask
    )
    assert_same(mine.logits, published.pred_masks[0])
    assert_same(mine.iou, published.iou_scores[0])
    assert_same(mine.occlusion, published.object_score_logits[0])


def test_a_box_segments_as_by_the_image_model(pair: Twins, pixels: Tensor) -> None:
    corners = torch.tensor([[[0.1, 0.2], [0.6, 0.9]], [[0.3, 0.1], [0.8, 0.5]]])
    published = image_model(pair.theirs)(
        pixel_values=pixels[:1],
        input_boxes=corners.reshape(1, 2, 4) * SMALL.input_size,
        multimask_output=False,
    )
    prompts = Prompts(corners, torch.tensor([[2, 3]] * 2))
    mine = pair.ours.decode(one_image(pair, pixels), prompts, multimask=False)
    assert_same(mine.logits, published.pred_masks[0])
    assert_same(mine.iou, published.iou_scores[0])


@pytest.mark.parametrize("edge", ["soft", "sharp"])
def test_an_unstable_single_mask_gives_way(edge: str, pixels: Tensor, tmp_path: Path) -> None:
    factor = 0.02 if edge == "soft" else 50.0
    pair = twins(SMALL, tmp_path, change=lambda model: scale(model, SINGLE_MASK_KERNEL, factor))
    coordinates, labels = clicks(OBJECTS, 2)
    prompts, features = Prompts(coordinates, labels), one_image(pair, pixels)
    single = pair.ours.decode(features, prompts, multimask=False)
    three = pair.ours.decode(features, prompts, multimask=True)
    out = image_model(pair.theirs)(
        pixel_values=pixels[:1],
        input_points=coordinates[None] * SMALL.input_size,
        input_labels=labels[None],
        multimask_output=False,
    )
    assert_same(single.logits, out.pred_masks[0])
    assert_same(single.iou, out.iou_scores[0])
    best = three.logits[torch.arange(OBJECTS), three.iou.argmax(1)][:, None]
    assert torch.equal(single.logits, best) == (edge == "soft")


def test_training_keeps_the_single_mask(pixels: Tensor, tmp_path: Path) -> None:
    soft = twins(SMALL, tmp_path, change=lambda model: scale(model, SINGLE_MASK_KERNEL, 0.02)).ours
    features = soft.condition(soft.encode(pixels[:1]), None)
    prompts = Prompts(*clicks(1, 2))
    fallen_back = soft.decode(features, prompts, multimask=False)
    kept = soft.train().decode(features, prompts, multimask=False)
    assert kept.logits.std() < 0.1 * fallen_back.logits.std()
    # A fallback changes the mask, never the pointer: that is the single output's in both.
    assert torch.equal(kept.pointers, fallen_back.pointers)


@pytest.mark.parametrize("visible", [True, False])
@pytest.mark.parametrize("points", [0, 1, 3])
def test_pointers_and_occlusion_agree(points: int, visible: bool, pixels: Tensor, tmp_path: Path) -> None:
    """By Sam2VideoModel, one object at a time: the best mask, its pointer, and what absence does."""

    def shift(model: Sam2VideoModel) -> None:
        model.get_parameter(f"{OCCLUSION}.bias").add_(3.0 if visible else -3.0)

    pair = twins(SMALL, tmp_path, change=shift)
    features = one_image(pair, pixels)
    coordinates, labels = clicks(OBJECTS, points)
    multimask = points <= 1
    mine = pair.ours.decode(features, Prompts(coordinates, labels), multimask=multimask)
    for i in range(OBJECTS):
        out = pair.theirs._single_frame_forward(
            image_embeddings=[features.stride4, features.stride8, features.stride16],
            input_points=coordinates[None, i : i + 1] * SMALL.input_size if points else None,
            input_labels=labels[None, i : i + 1] if points else None,
            multimask_output=multimask,
        )
        assert bool(out.object_score_logits > 0) == visible
        compare_best(mine, i, out.pred_masks[:, 0], out.object_pointer[:, 0], visible)
        assert_same(mine.iou[i], out.iou_scores[0, 0])
        assert_same(mine.occlusion[i], out.object_score_logits[0, 0])


def compare_best(mine: Decoded, i: int, mask: Tensor, pointer: Tensor, visible: bool) -> None:
    best = int(mine.iou[i].argmax())
    assert_same(mine.pointers[i, best], pointer[0])
    if visible:
        assert_same(mine.logits[i, best], mask[0])
    else:
        assert (mask == -1024).all()


# ---- a mask as the prompt


def test_a_given_mask_is_the_answer(pair: Twins, pixels: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    follow_official(monkeypatch)
    features = pair.ours.encode(pixels[:1])
    masks = torch.zeros(2, 1, SMALL.input_size, SMALL.input_size)
    masks[0, 0, 30:71, 17:95] = 1  # the second stays empty: the object is not there
    mine = pair.ours.decode_mask(features, masks)
    for i in range(2):
        fine = [features.stride4, features.stride8]
        out = pair.theirs._use_mask_as_output(features.stride16, fine, masks[i : i + 1])
        assert_same(mine.pointers[i, 0], out.object_pointer[0, 0])
        assert mine.occlusion[i, 0] == out.object_score_logits.item() == (10 if i == 0 else -10)
        assert mine.iou[i, 0] == out.iou_scores.item() == 1
        if i == 0:
            assert_same(mine.logits[i], out.pred_masks[0])
        else:
            assert torch.equal(mine.logits[i], out.pred_masks[0])
