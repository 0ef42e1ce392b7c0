"""The model: four verbs on tensors. Image, video, stream and training all call these and nothing else.

S is the input size, h = w = S/16, C the width (256), c the memory width (64), O objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.model.config import Sam2Config
from masklet.model.foveal import Outlook
from masklet.model.image_encoder import ImageEncoder
from masklet.model.layers import MLP
from masklet.model.mask_decoder import MaskDecoder, stability
from masklet.model.memory_attention import MemoryAttention
from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.positions import sine_distance, sine_map
from masklet.model.prompt_encoder import PromptEncoder

PIXEL_MEAN = (0.485, 0.456, 0.406)
PIXEL_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Features:
    """One or more encoded images.

    stride16   [B, C, h, w]
    stride8    [B, C/4, 2h, 2w] and stride4 [B, C/8, 4h, 4w]: projected as the decoder adds them
    """

    stride16: Tensor
    stride8: Tensor
    stride4: Tensor

    def __getitem__(self, index: int) -> Features:
        """One image of the batch, batch axis kept."""
        part = slice(index, index + 1)
        return Features(self.stride16[part], self.stride8[part], self.stride4[part])

    def conditioned(self, stride16: Tensor) -> Features:
        """The same image with other stride-16 features."""
        return Features(stride16, self.stride8, self.stride4)


@dataclass(frozen=True)
class Prompts:
    """points [O, P, 2] unit coordinates, labels [O, P], prior [O, 1, S/4, S/4] logits or None."""

    points: Tensor
    labels: Tensor
    prior: Tensor | None = None


@dataclass(frozen=True)
class Reading:
    """What O objects read at one frame.

    memories    N tensors [O, c, h, w], divided by the config's memory_pool
    slots       N temporal slots, 0 for prompted frames, k for the frame k steps ago
    pointers    [O, P, C]
    distances   P signed distances in frames, positive is past
    missing     bool [N + P]: memories and pointers that only fill up a shape and are not read; None: all are
    """

    memories: Sequence[Tensor]
    slots: Sequence[int] | Tensor
    pointers: Tensor
    distances: Sequence[int] | Tensor
    missing: Tensor | None = None


@dataclass(frozen=True)
class Decoded:
    """logits [O, M, S/4, S/4], iou [O, M], pointers [O, M, C], occlusion [O, 1] (> 0 is visible)."""

    logits: Tensor
    iou: Tensor
    pointers: Tensor
    occlusion: Tensor


class Sam2(nn.Module):
    """SAM 2 (Ravi et al., 2024). See `encode`, `condition`, `decode`, `remember`."""

    def __init__(self, config: Sam2Config) -> None:
        super().__init__()
        self.config = config
        width, memory = config.width, config.memory_width
        self.image_encoder = ImageEncoder(config)
        self.prompt_encoder = PromptEncoder(config)
        self.mask_decoder = MaskDecoder(config)
        self.memory_attention = MemoryAttention(config)
        self.memory_encoder = MemoryEncoder(config)
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.memory_slot_embed = nn.Parameter(torch.zeros(config.slots, 1, 1, memory))
        self.no_memory_embed = nn.Parameter(torch.zeros(1, 1, width))
        self.no_object_pointer = nn.Parameter(torch.zeros(1, width))
        self.pointer_proj = MLP(width, width, width, 3)
        if config.pointer_time:
            self.pointer_time_proj = nn.Linear(width, memory)
        if config.no_object_embed:
            self.no_object_embed = nn.Parameter(torch.zeros(1, memory))

    def encode(self, pixels: Tensor) -> Features:
        """Normalised pixels [B, 3, S, S] → features, once a frame."""
        stride4, stride8, stride16 = self.image_encoder(pixels)
        if self.config.has_narrow_maps:
            return Features(stride16, stride8, stride4)
        return Features(stride16, self.mask_decoder.conv_s1(stride8), self.mask_decoder.conv_s0(stride4))

    def condition(self, features: Features, reading: Reading | None) -> Features:
        """Let a frame read memory; without any, add the embedding that says so."""
        if reading is None:
            return features.conditioned(features.stride16 + self.no_memory_embed[0, 0, :, None, None])
        memory, positions, pointer_tokens = self._memory_tokens(reading)
        stride16 = features.stride16.expand(memory.shape[0], -1, -1, -1)
        hidden = None if reading.missing is None else self._hidden_tokens(reading, reading.missing)
        return features.conditioned(
            self.memory_attention(stride16, memory, positions, pointer_tokens, hidden)
        )

    def condition_foveal(
        self, features: Features, reading: Reading, outlook: Outlook, remembered: Sequence[Outlook]
    ) -> Tensor:
        """`condition` of what each object sees of a frame, and remembers of N others → [O, T, C].

        remembered   N, as large as `outlook`
        """
        memory, positions, pointer_tokens = self._memory_tokens(reading)
        return self.memory_attention.foveal(
            features.stride16, memory, positions, pointer_tokens, outlook, remembered
        )

    def _memory_tokens(self, reading: Reading) -> tuple[Tensor, Tensor, int]:
        """Memories and pointers as one row of tokens [O, K, c], their positions, the pointers' count."""
        first = reading.memories[0]
        _, channels, height, width = first.shape
        place = sine_map(height, width, channels, first.device).flatten(1).T
        # Slot 0 (prompted) has the last embedding, slot k the k-th: the published order.
        rows = (torch.as_tensor(reading.slots, device=first.device) - 1) % len(self.memory_slot_embed)
        positions = [(place + self.memory_slot_embed[rows, 0]).flatten(0, 1)]
        tokens = [memory.flatten(2).transpose(1, 2) for memory in reading.memories]
        count = 0
        if len(reading.distances):
            pointers = reading.pointers.unflatten(2, (-1, self.config.memory_width))
            pieces = pointers.shape[2]
            tokens.append(pointers.flatten(1, 2))
            time = self._pointer_times(reading.distances, pointers.device)
            positions.append(time.repeat_interleave(pieces, dim=0))
            count = pieces * len(reading.distances)
        joined = [t.to(tokens[0].dtype) for t in tokens]
        return torch.cat(joined, dim=1), torch.cat(positions)[None], count

    def _hidden_tokens(self, reading: Reading, missing: Tensor) -> Tensor:
        """bool [K]: tokens of what is missing."""
        maps = len(reading.memories)
        places = reading.memories[0].shape[2] * reading.memories[0].shape[3]
        pieces = self.config.width // self.config.memory_width
        return torch.cat((missing[:maps].repeat_interleave(places), missing[maps:].repeat_interleave(pieces)))

    def _pointer_times(self, distances: Sequence[int] | Tensor, device: torch.device) -> Tensor:
        """[P, c] codes of how far away each pointer's frame is."""
        if not self.config.pointer_time:
            return torch.zeros(len(distances), self.config.memory_width, device=device)
        reach = float(self.config.pointer_limit - 1)
        scaled = torch.as_tensor(distances, dtype=torch.float32, device=device) / reach
        return self.pointer_time_proj(sine_distance(scaled, self.config.width))

    def decode(self, conditioned: Features, prompts: Prompts, *, multimask: bool) -> Decoded:
        """Prompts of O objects → three candidates (multimask) or one.

        The single output gives way to the best of three when it is unstable, except in training.
        """
        size = conditioned.stride16.shape[2]
        half_pixel = 0.5 / (16 * size)
        out = self.mask_decoder(
            conditioned.stride16,
            conditioned.stride8,
            conditioned.stride4,
            self.prompt_encoder.tokens(prompts.points + half_pixel, prompts.labels),
            self.prompt_encoder.dense(prompts.prior, size, size),
            self.prompt_encoder.pe_layer.grid(size, size),
        )
        if multimask:
            logits, iou, tokens = out.logits[:, 1:], out.iou[:, 1:], out.tokens[:, 1:]
        else:
            logits, iou, tokens = out.logits[:, :1], out.iou[:, :1], out.tokens[:, :1]
            if not self.training:
                logits, iou = self._stable(logits, iou, out.logits[:, 1:], out.iou[:, 1:])
        return Decoded(logits, iou, self._pointers(tokens, out.occlusion), out.occlusion)

    def decode_foveal(
        self, seen: Tensor, stride8: Tensor, stride4: Tensor, grid: int, outlook: Outlook
    ) -> Decoded:
        """`decode` without prompts of what each object sees → three candidates, of its fovea.

        seen      [O, T, C], conditioned
        stride8   [O, C/4, 2 · side, 2 · side], stride4 [O, C/8, 4 · side, 4 · side], cut out
        grid      the frame's places a side
        """
        objects, device = seen.shape[0], seen.device
        encoder = self.prompt_encoder
        points = torch.zeros(objects, 0, 2, device=device)
        labels = torch.zeros(objects, 0, dtype=torch.long, device=device)
        places = encoder.pe_layer.grid(grid, grid).flatten(1).T[None]
        out = self.mask_decoder.places(
            seen + encoder.dense(None, 1, 1).flatten(2).transpose(1, 2),
            stride8,
            stride4,
            encoder.tokens(points, labels),
            outlook.tokens(places, grid, grid),
            weight=outlook.weight,
        )
        pointers = self._pointers(out.tokens[:, 1:], out.occlusion)
        return Decoded(out.logits[:, 1:], out.iou[:, 1:], pointers, out.occlusion)

    def _stable(
        self, logits: Tensor, iou: Tensor, others: Tensor, other_iou: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The single mask where it is stable, elsewhere the best of the three."""
        stable = stability(logits, self.config.stability_delta) >= self.config.stability_threshold
        best = other_iou.argmax(dim=1, keepdim=True)
        chosen = others.gather(1, best[:, :, None, None].expand(-1, -1, *others.shape[2:]))
        return torch.where(stable[:, :, None, None], logits, chosen), torch.where(
            stable, iou, other_iou.gather(1, best)
        )

    def _pointers(self, tokens: Tensor, occlusion: Tensor) -> Tensor:
        """Object pointers [O, M, C]; the no-object pointer where the object is not there."""
        visible = (occlusion > 0)[:, :, None]
        return torch.where(visible, self.pointer_proj(tokens), self.no_object_pointer)

    def decode_mask(self, features: Features, masks: Tensor) -> Decoded:
        """A given mask [O, 1, S, S] in 0 … 1 is the answer; the decoder only makes its pointer."""
        objects = masks.shape[0]
        logits = F.interpolate(
            masks * 20 - 10, scale_factor=0.25, mode="bilinear", align_corners=False, antialias=True
        )
        # The published model reads unconditioned features here, without the no-memory embedding.
        out = self.decode(
            features,
            Prompts(
                masks.new_zeros(objects, 0, 2),
                torch.zeros(objects, 0, dtype=torch.long, device=masks.device),
                self.mask_downsample(masks),
            ),
            multimask=False,
        )
        visible = (masks > 0).flatten(1).any(dim=1, keepdim=True)
        occlusion = visible.to(masks.dtype) * 20 - 10
        pointers = torch.where(visible[:, :, None], out.pointers, self.no_object_pointer)
        return Decoded(logits, torch.ones_like(occlusion), pointers, occlusion)

    def remember(self, features: Features, logits: Tensor, occlusion: Tensor, *, binary: bool) -> Tensor:
        """Masks of O objects on a frame → memories [O, c, h, w], both sides divided by memory_pool.

        logits      [O, 1, S/4, S/4]; upsampled to S, which the memory encoder sees, unless it takes them so
        occlusion   [O, 1]; where <= 0 the no-object embedding is added
        binary      masks enter as 0 / 1 (prompted frames) instead of probabilities
        """
        masks = logits.float()
        if self.config.memory_mask_stride == 1:
            masks = F.interpolate(masks, scale_factor=4.0, mode="bilinear", align_corners=False)
        masks = (masks > 0).to(masks.dtype) if binary else masks.sigmoid()
        memory = self.memory_encoder(features.stride16, masks * 20 - 10)
        if self.config.no_object_embed:
            absent = (occlusion <= 0).to(memory.dtype)[:, :, None, None]
            memory = memory + absent * self.no_object_embed[:, :, None, None]
        return memory
