"""Features and prompts → masks, their predicted IoU, and whether the object is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from masklet.model.config import Sam2Config
from masklet.model.layers import MLP, LayerNorm2d, attend, join_heads, split_heads


class Attention(nn.Module):
    """Multi-head attention whose inner width may be smaller than its outer.

    Between a few tokens and the many places of an image, the places are not projected: a head's projection
    moves to the tokens, (W q) · (V k) = (Vᵀ W q) · k, and a sum of projected places is the projection of
    their sum. Exact, and half the work for the eight tokens of a tracked object.
    """

    def __init__(self, width: int, inner: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (inner // heads) ** -0.5
        self.q_proj = nn.Linear(width, inner)
        self.k_proj = nn.Linear(width, inner)
        self.v_proj = nn.Linear(width, inner)
        self.out_proj = nn.Linear(inner, width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        y = attend(
            split_heads(self.q_proj(q), self.heads),
            split_heads(self.k_proj(k), self.heads),
            split_heads(self.v_proj(v), self.heads),
        )
        return self.out_proj(join_heads(y))

    def of_tokens(self, q: Tensor, k: Tensor, v: Tensor, weight: Tensor | None = None) -> Tensor:
        """`forward` for tokens q [O, T, C] that look at places k and v [O, N, C].

        weight   [N], added to the scores
        """
        asked = split_heads(self.q_proj(q), self.heads) * self.scale
        # The bias of keys adds the same to every place, which softmax takes out again.
        asked = (asked @ self._by_head(self.k_proj.weight)).flatten(1, 2)
        scores = asked @ k.transpose(1, 2)
        seen = torch.softmax(scores if weight is None else scores + weight, dim=-1) @ v
        y = seen.unflatten(1, (self.heads, -1)) @ self._by_head(self.v_proj.weight).transpose(1, 2)
        return self.out_proj(join_heads(y) + self.v_proj.bias)

    def of_places(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """`forward` for places q [O, N, C] that look at tokens k and v [O, T, C]."""
        offered = split_heads(self.k_proj(k), self.heads) * self.scale
        bias = (offered * self._by_head(self.q_proj.bias[:, None]).transpose(1, 2)).sum(-1)
        offered = (offered @ self._by_head(self.q_proj.weight)).flatten(1, 2)
        scores = q @ offered.transpose(1, 2) + bias.flatten(1)[:, None]
        parts = torch.softmax(scores.unflatten(2, (self.heads, -1)), dim=-1).flatten(2)
        given = split_heads(self.v_proj(v), self.heads) @ self._by_head(self.out_proj.weight.T)
        return parts @ given.flatten(1, 2) + self.out_proj.bias

    def _by_head(self, rows: Tensor) -> Tensor:
        """[inner, X] → [heads, inner / heads, X]."""
        return rows.unflatten(0, (self.heads, -1))


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image; then the image attends to the tokens."""

    def __init__(self, width: int, heads: int, hidden: int, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(width, width, heads)
        self.norm1 = nn.LayerNorm(width)
        self.cross_attn_token_to_image = Attention(width, width // 2, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, hidden, width, 2)
        self.norm3 = nn.LayerNorm(width)
        self.norm4 = nn.LayerNorm(width)
        self.cross_attn_image_to_token = Attention(width, width // 2, heads)

    def forward(
        self,
        tokens: Tensor,
        image: Tensor,
        token_pos: Tensor,
        image_pos: Tensor,
        weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        if self.first:
            # Tokens are their own positions here, so neither codes nor a shortcut are added.
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            q = tokens + token_pos
            tokens = tokens + self.self_attn(q, q, tokens)
        tokens = self.norm1(tokens)
        tokens = tokens + self.cross_attn_token_to_image.of_tokens(
            tokens + token_pos, image + image_pos, image, weight
        )
        tokens = self.norm2(tokens)
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = image + self.cross_attn_image_to_token.of_places(
            image + image_pos, tokens + token_pos, tokens
        )
        return tokens, self.norm4(image)


class TwoWayTransformer(nn.Module):
    """Two blocks and a last look of the tokens at the image."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(width, heads, hidden, first=i == 0) for i in range(2))
        self.final_attn_token_to_image = Attention(width, width // 2, heads)
        self.norm_final_attn = nn.LayerNorm(width)

    def forward(
        self, tokens: Tensor, image: Tensor, image_pos: Tensor, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """tokens [O, T, C], image [O, N, C], image_pos [O or 1, N, C] → both, updated.

        weight   [N]: logarithm of what each place counts where tokens look at them; None: 0
        """
        token_pos = tokens
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pos, image_pos, weight)
        tokens = tokens + self.final_attn_token_to_image.of_tokens(
            tokens + token_pos, image + image_pos, image, weight
        )
        return self.norm_final_attn(tokens), image


@dataclass(frozen=True)
class DecodedMasks:
    """All four outputs of the decoder; output 0 is for clear prompts, 1 … 3 for ambiguous ones.

    logits      [O, 4, S/4, S/4]
    iou         [O, 4]
    tokens      [O, 4, C]  what object pointers are made of
    occlusion   [O, 1]     > 0 is visible
    """

    logits: Tensor
    iou: Tensor
    tokens: Tensor
    occlusion: Tensor


Draw = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""What `MaskDecoder.drawn` does."""


class MaskDecoder(nn.Module):
    """SAM's two-way decoder with SAM 2's fine features and occlusion head (paper, section 4)."""

    outputs = 4

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        width = config.width
        self.transformer = TwoWayTransformer(width, config.decoder_heads, config.decoder_hidden)
        self.obj_score_token = nn.Embedding(1, width)
        self.iou_token = nn.Embedding(1, width)
        self.mask_tokens = nn.Embedding(self.outputs, width)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(width, width // 4, kernel_size=2, stride=2),
            LayerNorm2d(width // 4),
            nn.GELU(),
            nn.ConvTranspose2d(width // 4, width // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        if not config.has_narrow_maps:
            self.conv_s0 = nn.Conv2d(width, width // 8, kernel_size=1)
            self.conv_s1 = nn.Conv2d(width, width // 4, kernel_size=1)
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(width, width, width // 8, 3) for _ in range(self.outputs)
        )
        self.iou_prediction_head = MLP(width, width, self.outputs, 3)
        self.pred_obj_score_head = MLP(width, width, 1, 3)

    def forward(
        self,
        stride16: Tensor,
        stride8: Tensor,
        stride4: Tensor,
        tokens: Tensor,
        dense: Tensor,
        positions: Tensor,
    ) -> DecodedMasks:
        """Decode O objects.

        stride16    [O or 1, C, h, w] conditioned features
        stride8     [O or 1, C/4, 2h, 2w], stride4 [O or 1, C/8, 4h, 4w]: already through conv_s1, conv_s0
        tokens      [O, P, C] prompt tokens; dense [O or 1, C, h or 1, w or 1]
        positions   [C, h, w] of the image
        """
        image = (stride16 + dense).expand(tokens.shape[0], -1, -1, -1)
        rows = positions.flatten(1).T[None]
        return self.places(image.flatten(2).transpose(1, 2), stride8, stride4, tokens, rows)

    def places(
        self,
        image: Tensor,
        stride8: Tensor,
        stride4: Tensor,
        tokens: Tensor,
        positions: Tensor,
        draw: Draw | None = None,
        weight: Tensor | None = None,
    ) -> DecodedMasks:
        """The same for images [O, N, C] that have the dense prompt in them.

        positions   [O or 1, N, C]
        draw        another way to compute `drawn`
        weight      [N]: logarithm of how many places each token of the image stands for; None: one. Those
                    after the h · w that stride8 and stride4 belong to are looked at, not drawn.
        """
        own = torch.cat((self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight))
        tokens = torch.cat((own.expand(tokens.shape[0], -1, -1), tokens), dim=1)
        tokens, image = self.transformer(tokens, image, positions, weight)
        mask_tokens = tokens[:, 2 : 2 + self.outputs]
        kernels = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        return DecodedMasks(
            logits=(draw or self.drawn)(image, kernels, stride8, stride4),
            iou=self.iou_prediction_head(tokens[:, 1]).sigmoid(),
            tokens=mask_tokens,
            occlusion=self.pred_obj_score_head(tokens[:, 0]),
        )

    def drawn(self, image: Tensor, kernels: Tensor, stride8: Tensor, stride4: Tensor) -> Tensor:
        """Logits [O, 4, 4h, 4w]: the image [O, h · w (or more), C], grown, times a kernel [O, 4, C/8]."""
        grow1, norm, act, grow2, _ = self.output_upscaling
        side = stride8.shape[2] // 2
        fine = image[:, : side * side].transpose(1, 2).unflatten(2, (side, side))
        fine = act(norm(grow1(fine) + stride8))
        fine = act(grow2(fine) + stride4)
        return (kernels @ fine.flatten(2)).unflatten(2, fine.shape[2:])


def stability(logits: Tensor, delta: float) -> Tensor:
    """Area above +delta over area above -delta: near 1 when the edge is sharp; […, H, W] → […]."""
    inner = (logits > delta).flatten(-2).sum(-1).float()
    outer = (logits > -delta).flatten(-2).sum(-1).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)
