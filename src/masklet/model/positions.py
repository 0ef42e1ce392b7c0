"""Position codes: sine maps, random Fourier features, rotary angles, frame distances."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def sine_map(height: int, width: int, channels: int, device: torch.device | None = None) -> Tensor:
    """Sine code of a grid, normalised to 0 … 2π → [channels, height, width] (DETR's, y before x)."""
    half = channels // 2
    frequency = 10000.0 ** (2 * (torch.arange(half, device=device) // 2) / half)

    def axis(n: int) -> Tensor:
        angle = torch.arange(1, n + 1, device=device, dtype=torch.float32) / (n + 1e-6) * (2 * math.pi)
        angle = angle[:, None] / frequency
        return torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1)

    y = axis(height)[:, None].expand(height, width, half)
    x = axis(width)[None].expand(height, width, half)
    return torch.cat((y, x), dim=2).permute(2, 0, 1)


def sine_distance(distance: Tensor, channels: int) -> Tensor:
    """Sine code of a scalar: [N] → [N, channels], sines first."""
    half = channels // 2
    frequency = 10000.0 ** (2 * (torch.arange(half, device=distance.device) // 2) / half)
    angle = distance[:, None] / frequency
    return torch.cat((angle.sin(), angle.cos()), dim=1)


class FourierPositions(nn.Module):
    """Random Fourier features of points in unit coordinates (SAM's positional encoding)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, half_width: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, half_width))

    def forward(self, points: Tensor) -> Tensor:
        """[…, 2] in 0 … 1 → […, 2 · half_width]."""
        matrix = self.positional_encoding_gaussian_matrix
        angle = (2 * points.to(matrix.dtype) - 1) @ matrix * (2 * math.pi)
        return torch.cat((angle.sin(), angle.cos()), dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """Code of every cell's centre → [C, height, width]."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) / height
        x = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) / width
        points = torch.stack((x[None].expand(height, width), y[:, None].expand(height, width)), dim=-1)
        return self(points).permute(2, 0, 1)


def rotary_angles(
    height: int, width: int, channels: int, device: torch.device | None = None, pool: int = 1
) -> tuple[Tensor, Tensor]:
    """Axial rotary code of a grid: cosines and sines, each [height · width, channels / 2], x first.

    pool   every place stands for the middle of pool × pool places of a finer grid, and is coded so
    """
    quarter = channels // 4
    frequency = 10000.0 ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    middle = (pool - 1) / 2
    x = (torch.arange(width, device=device, dtype=torch.float32) * pool + middle)[:, None] * frequency
    y = (torch.arange(height, device=device, dtype=torch.float32) * pool + middle)[:, None] * frequency
    angle = torch.cat(
        (
            x[None].expand(height, width, quarter),
            y[:, None].expand(height, width, quarter),
        ),
        dim=2,
    ).reshape(height * width, 2 * quarter)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn neighbouring channel pairs of […, N, C] by the angles of N positions."""
    pairs = x.float().unflatten(-1, (-1, 2))
    a, b = pairs[..., 0], pairs[..., 1]
    turned = torch.stack((a * cosine - b * sine, a * sine + b * cosine), dim=-1)
    return turned.flatten(-2).to(x.dtype)
