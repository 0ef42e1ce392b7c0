"""Prompts → tokens (clicks, boxes) and a dense map (an earlier mask)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from masklet.model.config import Sam2Config
from masklet.model.layers import LayerNorm2d
from masklet.model.positions import FourierPositions


class PromptEncoder(nn.Module):
    """SAM's prompt encoder (SAM paper, section 3; SAM 2 keeps it)."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width, channels = config.width, config.mask_channels
        self.pe_layer = FourierPositions(width // 2)
        # Negative click, positive click, box top-left, box bottom-right.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, width) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, width)
        self.no_mask_embed = nn.Embedding(1, width)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, channels // 4, kernel_size=2, stride=2),
            LayerNorm2d(channels // 4),
            nn.GELU(),
            nn.Conv2d(channels // 4, channels, kernel_size=2, stride=2),
            LayerNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, width, kernel_size=1),
        )

    def tokens(self, points: Tensor, labels: Tensor) -> Tensor:
        """Prompt tokens.

        points   [O, P, 2] unit coordinates; the half pixel to a pixel's centre is already added
        labels   [O, P]: 1 positive, 0 negative, 2 and 3 box corners, -1 padding
        returns  [O, P + 1, width]; the last is padding. Without points there are two of them: the
                 published model puts an empty point in first, and was trained so
        """
        objects, count = labels.shape
        padding = 1 if count else 2
        labels = torch.cat((labels, labels.new_full((objects, padding), -1)), dim=1)
        points = torch.cat((points, points.new_zeros(objects, padding, 2)), dim=1)
        kinds = torch.cat(
            [self.not_a_point_embed.weight] + [embed.weight for embed in self.point_embeddings]
        )[labels + 1]
        return kinds + self.pe_layer(points) * (labels >= 0).unsqueeze(-1)

    def dense(self, prior: Tensor | None, height: int, width: int) -> Tensor:
        """An earlier answer's logits [O, 1, 4·height, 4·width] → [O, C, height, width]; None: [1, C, 1, 1]"""
        if prior is None:
            return self.no_mask_embed.weight[:, :, None, None]
        return self.mask_downscaling(prior)
