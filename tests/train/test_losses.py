"""Losses against their definitions, and what each of them teaches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from masklet.model.sam2 import Decoded
from masklet.train.losses import LossWeights, dice, focal, losses, true_iou

WEIGHTS = LossWeights()


def square(left: int, size: int = 16) -> Tensor:
    mask = torch.zeros(size, size)
    mask[4:12, left : left + 8] = 1
    return mask


def sure(mask: Tensor, confidence: float = 30.0) -> Tensor:
    """Logits of a mask; at confidence 30 sigmoid is 0 or 1 in float32."""
    return (mask * 2 - 1) * confidence


def decoded(logits: Tensor, iou: Tensor | None = None, occlusion: float = 0.0) -> Decoded:
    """Candidates [O, M, H, W] as the model gives them, all leaves."""
    objects, candidates = logits.shape[:2]
    iou = torch.full((objects, candidates), 0.5) if iou is None else iou
    score = torch.full((objects, 1), occlusion)
    return Decoded(
        logits.clone().requires_grad_(),
        iou.clone().requires_grad_(),
        torch.zeros(objects, candidates, 4),
        score.requires_grad_(),
    )


def test_dice_of_equal_disjoint_and_half_overlapping_masks() -> None:
    assert dice(sure(square(4)), square(4)) == pytest.approx(0, abs=1e-6)
    assert dice(sure(square(0)), square(8)) == pytest.approx(1 - 1 / 129, abs=1e-6)
    # 32 of 64 + 64 pixels are shared: 2 × 32 / 128, smoothed by one pixel
    assert dice(sure(square(4)), square(8)) == pytest.approx(1 - 65 / 129, abs=1e-6)


def test_focal_falls_with_confidence_and_is_as_defined() -> None:
    truth = square(4)
    values = [float(focal(sure(truth, c), truth, 0.25, 2.0)) for c in (-2.0, 0.0, 1.0, 3.0)]
    assert values == sorted(values, reverse=True)
    # At logit 0 every pixel has probability 1/2: alpha × (1/2)² × log 2, a quarter of them foreground.
    mean_side = 0.25 * 0.25 + 0.75 * 0.75
    assert values[1] == pytest.approx(mean_side * 0.25 * 0.693147, rel=1e-5)


def test_without_focus_and_sides_focal_is_half_the_cross_entropy() -> None:
    logits, truth = torch.linspace(-3, 3, 256).reshape(16, 16), square(4)
    plain = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth)
    assert focal(logits, truth, 0.5, 0.0) == pytest.approx(float(plain) / 2, rel=1e-6)


def test_true_iou() -> None:
    assert true_iou(sure(square(4)), square(4)) == 1
    assert true_iou(sure(square(4)), square(8)) == pytest.approx(32 / 96)
    assert true_iou(torch.full((16, 16), -1.0), torch.zeros(16, 16)) == 0


def test_only_the_best_candidate_learns_its_mask() -> None:
    truth = square(4)
    answer = decoded(torch.stack([sure(square(8), 2), sure(truth, 1.5), sure(square(0), 2)])[None])
    parts = losses(answer, truth[None], WEIGHTS)
    (parts.focal + parts.dice).backward()
    taught = answer.logits.grad.abs().sum(dim=(2, 3))[0]
    assert taught[1] > 0
    assert taught[0] == taught[2] == 0
    assert parts.focal.item() == pytest.approx(float(focal(sure(truth, 1.5), truth, 0.25, 2.0)))
    assert parts.dice.item() == pytest.approx(float(dice(sure(truth, 1.5), truth)))


def test_all_predicted_ious_are_taught_their_true_value() -> None:
    truth = square(4)
    guessed = torch.tensor([[0.9, 0.2]])
    answer = decoded(torch.stack([sure(truth), sure(square(8))])[None], guessed)
    parts = losses(answer, truth[None], WEIGHTS)
    assert parts.iou.item() == pytest.approx(((1 - 0.9) + (32 / 96 - 0.2)) / 2)
    parts.iou.backward()
    assert answer.iou.grad.tolist() == [[-0.5, -0.5]]
    assert answer.logits.grad is None


def test_an_absent_object_teaches_only_its_occlusion_score() -> None:
    answer = decoded(torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)), occlusion=2.0)
    parts = losses(answer, torch.zeros(1, 16, 16), WEIGHTS)
    assert parts.focal == parts.dice == parts.iou == 0
    assert parts.occlusion.item() == pytest.approx(2.126928, rel=1e-5)  # log(1 + e²)
    parts.total(WEIGHTS).backward()
    assert not answer.logits.grad.any()
    assert not answer.iou.grad.any()
    assert answer.occlusion.grad.item() > 0  # the score goes down


def test_objects_are_summed_and_parts_weighted() -> None:
    truth = square(4)
    one = decoded(sure(square(6), 2)[None, None], occlusion=1.0)
    two = decoded(sure(square(6), 2)[None, None].expand(2, -1, -1, -1), occlusion=1.0)
    single = losses(one, truth[None], WEIGHTS)
    double = losses(two, truth[None].expand(2, -1, -1), WEIGHTS)
    for part in ("focal", "dice", "iou", "occlusion"):
        assert getattr(double, part).item() == pytest.approx(2 * getattr(single, part).item())
    weights = LossWeights(focal=3, dice=5, iou=7, occlusion=11)
    expected = 3 * single.focal + 5 * single.dice + 7 * single.iou + 11 * single.occlusion
    assert single.total(weights).item() == pytest.approx(expected.item())
