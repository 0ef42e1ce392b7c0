"""Frames seen place by place in a fovea, and in blocks of places around it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from masklet.model.positions import rotary_angles


def block_means(rows: Tensor, height: int, width: int, block: int) -> Tensor:
    """Places [B, h · w, C] → means of block × block of them, [B, h · w / block², C]."""
    maps = rows.transpose(1, 2).unflatten(2, (height, width))
    return F.avg_pool2d(maps, block).flatten(2).transpose(1, 2)


def table_angles(height: int, width: int, channels: int, block: int) -> tuple[Tensor, Tensor]:
    """Rotary codes of all places, then of all blocks: cosines and sines, each [R, C / 2]."""
    fine = rotary_angles(height, width, channels)
    coarse = rotary_angles(height // block, width // block, channels, pool=block)
    return torch.cat((fine[0], coarse[0])), torch.cat((fine[1], coarse[1]))


@dataclass(frozen=True, eq=False)
class Outlook:
    """What each of O objects sees of a frame: T tokens, the places of its fovea and blocks around it.

    rows     int64 [O, T], rows of a table of all places, then all blocks
    weight   float32 [T], logarithm of how many places each token stands for
    block    side of a block in places
    """

    rows: Tensor
    weight: Tensor
    block: int

    def tokens(self, places: Tensor, height: int, width: int) -> Tensor:
        """[O or 1, h · w, C] → [O, T, C]."""
        table = torch.cat((places, block_means(places, height, width, self.block)), dim=1)
        if len(table) == 1:
            return table[0][self.rows]
        return table[torch.arange(len(table), device=table.device)[:, None], self.rows]

    def angles(self, height: int, width: int, channels: int) -> tuple[Tensor, Tensor]:
        """Rotary codes of the tokens: cosines and sines, each [O, T, C / 2]."""
        cosine, sine = (one.to(self.rows.device) for one in table_angles(height, width, channels, self.block))
        return cosine[self.rows], sine[self.rows]
