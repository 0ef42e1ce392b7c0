"""SAM 2's losses (paper, appendix D.2.2; weights 20, 1, 1, 1)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.model.sam2 import Decoded


@dataclass(frozen=True)
class LossWeights:
    """How much each part counts (SAM 2 paper, table 13)."""

    focal: float = 20.0
    dice: float = 1.0
    iou: float = 1.0
    occlusion: float = 1.0
    focal_alpha: float = 0.25
    focal_gamma: float = 2.0


@dataclass(frozen=True)
class Losses:
    """Sums over objects, as scalars that carry gradients."""

    focal: Tensor
    dice: Tensor
    iou: Tensor
    occlusion: Tensor

    def total(self, weights: LossWeights) -> Tensor:
        return (
            weights.focal * self.focal
            + weights.dice * self.dice
            + weights.iou * self.iou
            + weights.occlusion * self.occlusion
        )


def focal(logits: Tensor, target: Tensor, alpha: float, gamma: float) -> Tensor:
    """Mean focal loss over pixels; […, H, W] both → […]."""
    raw = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    # exp(-raw) is the probability given to the right answer.
    hard = (1 - torch.exp(-raw)) ** gamma
    side = alpha * target + (1 - alpha) * (1 - target)
    return (side * hard * raw).flatten(-2).mean(-1)


def dice(logits: Tensor, target: Tensor) -> Tensor:
    """1 - soft overlap, smoothed by one pixel; […, H, W] both → […]."""
    probability = logits.sigmoid().flatten(-2)
    target = target.flatten(-2)
    overlap = (probability * target).sum(-1)
    return 1 - (2 * overlap + 1) / (probability.sum(-1) + target.sum(-1) + 1)


def true_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of thresholded logits with a 0 / 1 target; […, H, W] both → […]."""
    mask, truth = (logits > 0).flatten(-2), (target > 0.5).flatten(-2)
    union = (mask | truth).sum(-1)
    return (mask & truth).sum(-1) / union.clamp(min=1)


def losses(decoded: Decoded, target: Tensor, weights: LossWeights) -> Losses:
    """Losses of one decoding.

    decoded   M candidates of O objects
    target    float [O, H, W], 0 / 1, at the logits' size; empty where the object is not visible
    Only the candidate with the lowest mask loss gets a mask loss; all predicted IoUs are taught; an
    object that is not visible teaches only its occlusion score.
    """
    logits = decoded.logits.float()
    truth = target[:, None].expand_as(logits)
    visible = (target.flatten(1).sum(1) > 0).float()
    focals = focal(logits, truth, weights.focal_alpha, weights.focal_gamma)
    dices = dice(logits, truth)
    best = (weights.focal * focals + weights.dice * dices).argmin(dim=1, keepdim=True)
    with torch.no_grad():
        achieved = true_iou(logits, truth)
    iou_error = (decoded.iou.float() - achieved).abs().mean(1)
    occlusion = F.binary_cross_entropy_with_logits(decoded.occlusion.float()[:, 0], visible, reduction="none")
    return Losses(
        focal=(focals.gather(1, best)[:, 0] * visible).sum(),
        dice=(dices.gather(1, best)[:, 0] * visible).sum(),
        iou=(iou_error * visible).sum(),
        occlusion=occlusion.sum(),
    )
