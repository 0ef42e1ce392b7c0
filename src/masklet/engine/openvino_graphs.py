"""The four verbs as modules that can be exported: fixed input size, any number of objects.

They differ from `Sam2` in what suits a graph: positions are constants, memories come in one array, and
a rotation is two products instead of a shuffle of channel pairs (exact; see `Turned`). What is a map
[C, h, w] there is rows of places [h · w, C] here, as attention takes them, so that nothing is turned over
between graphs.
Letters: S the input size, h = w = S/16, C the width, c the memory width, O objects, N memories,
P pointers, T tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from masklet.engine.foveas import block_of
from masklet.engine.openvino_recipes import chained, chained_bias, turned
from masklet.engine.openvino_suited import RowDrawing
from masklet.model.foveal import block_means, table_angles
from masklet.model.hiera import Hiera
from masklet.model.memory_attention import Angles, RotaryAttention
from masklet.model.positions import rotary_angles, sine_distance, sine_map
from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Sam2


class Encode(nn.Module):
    """uint8 [1, S, S, 3] → stride16 [1, h · w, C], stride8 [1, C/4, 2h, 2w], stride4 [1, C/8, 4h, 4w]."""

    mean: Tensor
    std: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", 255 * torch.tensor(PIXEL_MEAN)[:, None, None])
        self.register_buffer("std", 255 * torch.tensor(PIXEL_STD)[:, None, None])
        trunk, tokens = model.image_encoder.trunk, model.config.input_size // 4
        if isinstance(trunk, Hiera):
            # As a constant: a graph that stretches it anew takes minutes to compile.
            positions = trunk.positions(tokens, tokens).detach()
            setattr(trunk, "positions", lambda height, width: positions)  # noqa: B010

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pixels = (image.permute(0, 3, 1, 2).float() - self.mean) / self.std
        features = self.model.encode(pixels)
        return features.stride16.flatten(2).transpose(1, 2), features.stride8, features.stride4


class Turned(nn.Module):
    """A projection followed by its rotary rotation: y = (W x + b) · cos + (J W x + J b) · sin.

    J turns every channel pair (a, b) into (-b, a). One layer for both halves would have to be cut apart,
    which costs more than it saves.
    """

    cosine: Tensor
    sine: Tensor

    def __init__(self, projection: nn.Linear, cosine: Tensor, sine: Tensor) -> None:
        super().__init__()
        weight, bias = projection.weight.detach(), projection.bias.detach()
        self.straight = projection
        self.turned = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.turned.weight.copy_(torch.from_numpy(turned(weight.numpy())))
            self.turned.bias.copy_(torch.from_numpy(turned(bias.numpy())))
        self.register_buffer("cosine", cosine.repeat_interleave(2, dim=1))
        self.register_buffer("sine", sine.repeat_interleave(2, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        """[…, h · w, inputs] → […, h · w, C], each row turned by its place."""
        return self.straight(x) * self.cosine + self.turned(x) * self.sine

    def at(self, x: Tensor, rows: Tensor) -> Tensor:
        """[…, T, inputs] → […, T, C]: a token's place is a row of the tables, int64 […, T]."""
        return self.straight(x) * self.cosine[rows] + self.turned(x) * self.sine[rows]


class Attend(nn.Module):
    """One `RotaryAttention` with its rotations worked in, and its last two projections made one."""

    def __init__(self, attention: RotaryAttention, angles: Angles, key_angles: Angles) -> None:
        super().__init__()
        self.query = Turned(attention.q_proj, *angles)
        self.key = Turned(attention.k_proj, *key_angles)
        self.k_proj = attention.k_proj
        value, out = attention.v_proj, attention.out_proj
        self.out = nn.Linear(value.in_features, out.out_features)
        with torch.no_grad():
            self.out.weight.copy_(torch.from_numpy(chained(value.weight.numpy(), out.weight.numpy())))
            self.out.bias.copy_(
                torch.from_numpy(chained_bias(value.bias.numpy(), out.weight.numpy(), out.bias.numpy()))
            )

    def read(self, q: Tensor, k: Tensor, v: Tensor, weight: Tensor | None = None) -> Tensor:
        """q [O or 1, h · w, C], k [O, K, C], v [O, K, c] → [O, h · w, C]; weight [K] is added to the scores.

        All queries at once: OpenVINO makes one loop over blocks of them, whose scores stay in the cache, from
        products and softmax together.
        """
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(1, 2)
        shares = torch.softmax(scores if weight is None else scores + weight, dim=-1)
        return self.out(shares @ v)


class Condition(nn.Module):
    """Features read memory; see `Sam2.condition`.

    stride16    [1, h · w, C]
    memories    [O, N, m, c], m = h · w / pool² places; slots int64 [N]
    pointers    [O, P, C], distances float32 [P]
    returns     [O, h · w, C]

    What an object reads does not matter before the first look at memory, so until then all objects are
    computed as one.
    """

    place: Tensor
    memory_place: Tensor
    slot_table: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        config = model.config
        side = config.input_size // 16
        small = side // config.memory_pool
        self.config = config
        self.pieces = config.width // config.memory_width
        self.register_buffer("place", 0.1 * sine_map(side, side, config.width).flatten(1).T)
        self.register_buffer("memory_place", sine_map(small, small, config.memory_width).flatten(1).T)
        # Slot 0 (prompted) has the last embedding, slot k the k-th: the published order.
        self.register_buffer("slot_table", model.memory_slot_embed.detach()[:, 0].roll(1, dims=0))
        if config.pointer_time:
            self.pointer_time = model.pointer_time_proj
        self.layers = model.memory_attention.layers
        self.norm = model.memory_attention.norm
        angles = rotary_angles(side, side, config.width)
        memory_angles = rotary_angles(small, small, config.width, pool=config.memory_pool)
        self.own = nn.ModuleList(Attend(layer.self_attn, angles, angles) for layer in self.layers)
        self.cross = nn.ModuleList(
            Attend(layer.cross_attn_image, angles, memory_angles) for layer in self.layers
        )

    def forward(
        self, stride16: Tensor, memories: Tensor, slots: Tensor, pointers: Tensor, distances: Tensor
    ) -> Tensor:
        x = stride16 + self.place
        maps = memories + self.memory_place + self.slot_table[slots]
        pointer_values = pointers.reshape(pointers.shape[0], -1, self.config.memory_width)
        pointer_keys = pointer_values + self._times(distances)
        values = torch.cat((memories.flatten(1, 2), pointer_values), dim=1)
        for layer, own, cross in zip(self.layers, self.own, self.cross, strict=True):
            y = layer.norm1(x)
            x = x + own.read(own.query(y), own.key(y), y)
            keys = torch.cat((cross.key(maps).flatten(1, 2), cross.k_proj(pointer_keys)), dim=1)
            x = x + cross.read(cross.query(layer.norm2(x)), keys, values)
            x = x + layer.linear2(F.relu(layer.linear1(layer.norm3(x))))
        return self.norm(x)

    def _times(self, distances: Tensor) -> Tensor:
        """float32 [P] → codes [1, P · pieces, c], one for each piece of a pointer."""
        if not self.config.pointer_time:
            return torch.zeros(1, 1, self.config.memory_width)
        reach = float(self.config.pointer_limit - 1)
        codes = self.pointer_time(sine_distance(distances / reach, self.config.width))
        return codes[:, None].expand(-1, self.pieces, -1).reshape(1, -1, self.config.memory_width)


class ConditionFoveal(Condition):
    """`Condition` of what each object sees of a frame, and remembers of others, in foveas; see `Outlook`.

    rows          int64 [O, T], weight float32 [T]
    memories      [O, N, T, c], tokens; memory_rows int64 [O, N, T]
    returns       [O, T, C]
    """

    memory_table: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__(model)
        width = model.config.width
        self.side = model.config.input_size // 16
        self.block = block_of(self.side)
        places = self.memory_place[None]
        table = torch.cat((places, block_means(places, self.side, self.side, self.block)), dim=1)[0]
        self.register_buffer("memory_table", table.contiguous())
        angles = table_angles(self.side, self.side, width, self.block)
        # The first layer's places look at each other in whole frames, as in `Condition`.
        others = (Attend(layer.self_attn, angles, angles) for layer in self.layers[1:])
        self.own = nn.ModuleList([self.own[0], *others])
        self.cross = nn.ModuleList(Attend(layer.cross_attn_image, angles, angles) for layer in self.layers)

    def forward(  # type: ignore[override]
        self,
        stride16: Tensor,
        memories: Tensor,
        memory_rows: Tensor,
        slots: Tensor,
        pointers: Tensor,
        distances: Tensor,
        rows: Tensor,
        weight: Tensor,
    ) -> Tensor:
        maps = memories + self.memory_table[memory_rows] + self.slot_table[slots]
        pointer_values = pointers.reshape(pointers.shape[0], -1, self.config.memory_width)
        pointer_keys = pointer_values + self._times(distances)
        values = torch.cat((memories.flatten(1, 2), pointer_values), dim=1)
        weights = torch.cat((weight.repeat(slots.shape[0]), pointer_keys.new_zeros(pointer_keys.shape[1])))
        x = stride16 + self.place
        for number, (layer, own, cross) in enumerate(zip(self.layers, self.own, self.cross, strict=True)):
            y = layer.norm1(x)
            if number == 0:
                x = x + own.read(own.query(y), own.key(y), y)
                table = torch.cat((x, block_means(x, self.side, self.side, self.block)), dim=1)
                query = cross.query(layer.norm2(table))[0][rows]
                x = table[0][rows]
            else:
                x = x + own.read(own.query.at(y, rows), own.key.at(y, rows), y, weight)
                query = cross.query.at(layer.norm2(x), rows)
            keys = torch.cat(
                (cross.key.at(maps, memory_rows).flatten(1, 2), cross.k_proj(pointer_keys)), dim=1
            )
            x = x + cross.read(query, keys, values, weights)
            x = x + layer.linear2(F.relu(layer.linear1(layer.norm3(x))))
        return self.norm(x)


class Dense(nn.Module):
    """An earlier answer's logits [O, 1, 4h, 4w] → what is added to the features [O, h · w, C]."""

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.mask_downscaling = model.prompt_encoder.mask_downscaling

    def forward(self, prior: Tensor) -> Tensor:
        return self.mask_downscaling(prior).flatten(2).transpose(1, 2)


class Decode(nn.Module):
    """All four candidates; which of them answer is the caller's.

    image       [O or 1, h · w, C] conditioned features
    dense       [O or 1, h · w or 1, C] the dense prompt
    stride8     [1, C/4, 2h, 2w], stride4 [1, C/8, 4h, 4w]
    points      [O, T, 2] unit coordinates, labels int64 [O, T], T >= 1: without points one of label -1
    returns     logits [O, 4, 4h, 4w], iou [O, 4], pointers [O, 4, C], occlusion [O, 1]
    """

    places: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model
        side = model.config.input_size // 16
        self.half_pixel = 0.5 / model.config.input_size
        places = model.prompt_encoder.pe_layer.grid(side, side).detach().flatten(1).T[None]
        self.register_buffer("places", places.contiguous())
        self.draw = RowDrawing(model.mask_decoder)

    def forward(
        self,
        image: Tensor,
        dense: Tensor,
        stride8: Tensor,
        stride4: Tensor,
        points: Tensor,
        labels: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        tokens = self.model.prompt_encoder.tokens(points + self.half_pixel, labels)
        seen = (image + dense).expand(tokens.shape[0], -1, -1)
        out = self.model.mask_decoder.places(seen, stride8, stride4, tokens, self.places, self.draw)
        return out.logits, out.iou, self.model._pointers(out.tokens, out.occlusion), out.occlusion


class DecodeFoveal(nn.Module):
    """All four candidates of tracked objects, in their foveas; see `Sam2.decode_foveal`.

    image       [O, T, C] as `ConditionFoveal` gives it, rows int64 [O, T], weight float32 [T]
    stride8     [O, C/4, 2s, 2s], stride4 [O, C/8, 4s, 4s], s the fovea's side
    returns     logits [O, 4, 4s, 4s], iou [O, 4], pointers [O, 4, C], occlusion [O, 1]
    """

    table: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model
        side = model.config.input_size // 16
        places = model.prompt_encoder.pe_layer.grid(side, side).detach().flatten(1).T[None]
        table = torch.cat((places, block_means(places, side, side, block_of(side))), dim=1)[0]
        self.register_buffer("table", table.contiguous())
        self.draw = RowDrawing(model.mask_decoder)

    def forward(
        self, image: Tensor, rows: Tensor, weight: Tensor, stride8: Tensor, stride4: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        encoder = self.model.prompt_encoder
        nothing = rows[:, :1] * 0 - 1
        tokens = encoder.tokens(torch.zeros_like(image[:, :1, :2]), nothing)
        seen = image + encoder.dense(None, 1, 1).flatten(2).transpose(1, 2)
        out = self.model.mask_decoder.places(
            seen, stride8, stride4, tokens, self.table[rows], self.draw, weight
        )
        return out.logits, out.iou, self.model._pointers(out.tokens, out.occlusion), out.occlusion


class Remember(nn.Module):
    """Masks become memories; see `Sam2.remember`.

    stride16    [1, h · w, C]
    logits      [O, 1, 4h, 4w]; occlusion [O, 1]
    binary      bool [1]
    returns     [O, m, c]
    """

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model
        self.side = model.config.input_size // 16

    def forward(self, stride16: Tensor, logits: Tensor, occlusion: Tensor, binary: Tensor) -> Tensor:
        masks = logits
        if self.model.config.memory_mask_stride == 1:
            masks = F.interpolate(masks, scale_factor=4.0, mode="bilinear", align_corners=False)
        masks = torch.where(binary, (masks > 0).float(), masks.sigmoid())
        # Gathered: broadcast or expanded, the convolution's result was added to that of the masks' with a
        # batch of one, and two objects got one memory (OpenVINO 2026.4, CPU).
        encoder = self.model.memory_encoder
        picture = stride16.transpose(1, 2).unflatten(2, (self.side, self.side))
        seen = encoder.pix_feat_proj(picture)[torch.zeros_like(occlusion[:, 0], dtype=torch.long)]
        memory = encoder.merge(seen, masks * 20 - 10).flatten(2).transpose(1, 2)
        if self.model.config.no_object_embed:
            absent = (occlusion <= 0).float()[:, :, None]
            memory = memory + absent * self.model.no_object_embed
        return memory
