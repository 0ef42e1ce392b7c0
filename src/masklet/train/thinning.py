"""Feed-forward parts of the memory get fewer hidden units and go on giving nearly the same.

Of a trained memory's hidden units many say what others say together. The units that stay are chosen one by
one, each the one that explains most of what those before it leave of the layer's output, and the second
layer is fitted anew by least squares (orthogonal matching pursuit, Pati et al. 1993). Of masklet-nano's 2,048
units an eighth gives all but one or two hundredths of the variance.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from masklet.model.sam2 import PIXEL_MEAN, PIXEL_STD, Features, Prompts, Reading, Sam2
from masklet.train.blobs import blobs

ROWS = 512
"""Most inputs that one call of a layer lends to the fit."""

RIDGE = 1e-4
"""Of the mean square of a unit: what is added, so that units that hardly differ get no huge weights."""

log = logging.getLogger(__name__)


def thin_memory(wide: Sam2, narrow: Sam2, photos: np.ndarray, seed: int) -> None:
    """Set the memory path of `narrow` to that of `wide`, which is alike but for wider feed-forward parts.

    photos   uint8 [B, S, S, 3] RGB at the models' input size, on which inputs are collected; about 40 are
             enough
    """
    pairs = list(zip(_feed_forwards(wide), _feed_forwards(narrow), strict=True))
    with torch.no_grad():
        with _collecting([inner for (_, inner, _, _), _ in pairs]) as seen:
            _exercise(wide, photos, seed)
        known = narrow.state_dict()
        alike = {n: t for n, t in wide.state_dict().items() if n in known and known[n].shape == t.shape}
        narrow.load_state_dict(alike, strict=False)
        for ((name, inner, outer, activation), (_, small, last, _)), inputs in zip(pairs, seen, strict=True):
            units, weight, bias, left = choose(activation(inner(inputs)), outer, small.out_features)
            small.weight.copy_(inner.weight[units])
            small.bias.copy_(inner.bias[units])
            last.weight.copy_(weight)
            last.bias.copy_(bias)
            log.info(
                "%s: %d hidden units of %d, %.2f %% of the variance left",
                name,
                small.out_features,
                inner.out_features,
                100 * left,
            )


@torch.no_grad()
def choose(active: Tensor, outer: nn.Linear, count: int) -> tuple[Tensor, Tensor, Tensor, float]:
    """Units [count], weight [C, count] and bias [C] that give nearly what `outer` gives of all units.

    active    [n, units]: what the units give, for inputs as they come up
    returns   also the share of the output's variance that is left on these inputs
    """
    active = active.double()
    mean = active.mean(0)
    centred = active - mean
    weight = outer.weight.double()
    goal = centred @ weight.T
    units = _by_gain(centred.T @ centred, centred.T @ goal, count)
    kept = centred[:, units]
    among = kept.T @ kept
    among += RIDGE * among.diag().mean() * torch.eye(count, dtype=among.dtype)
    fitted = torch.linalg.solve(among, kept.T @ goal)
    bias = outer.bias.double() + mean @ weight.T - mean[units] @ fitted
    left = float((kept @ fitted - goal).square().sum() / goal.square().sum().clamp_min(1e-12))
    return units, fitted.T.to(outer.weight), bias.to(outer.bias), left


def _by_gain(among: Tensor, with_goal: Tensor, count: int) -> Tensor:
    """Which units explain most, one after the other; products of units [u, u] and with the goal [u, C]."""
    order: list[int] = []
    floor = RIDGE * among.diag().mean()
    for _ in range(count):
        gain = with_goal.square().sum(1) / (among.diag() + floor)
        gain[order] = -1
        best = int(gain.argmax())
        order.append(best)
        # What the chosen one explains is taken out of all others.
        share = among[:, best] / (among[best, best] + floor)
        with_goal = with_goal - share[:, None] * with_goal[best]
        among = among - share[:, None] * among[best]
    return torch.tensor(order)


FeedForward = tuple[str, nn.Linear, nn.Linear, Callable[[Tensor], Tensor]]


def _feed_forwards(model: Sam2) -> Iterator[FeedForward]:
    for number, layer in enumerate(model.memory_attention.layers):
        yield f"memory attention, layer {number}", layer.linear1, layer.linear2, torch.relu
    for number, block in enumerate(model.memory_encoder.fuser.layers):
        yield f"memory encoder, block {number}", block.pwconv1, block.pwconv2, block.act


@contextmanager
def _collecting(layers: list[nn.Linear]) -> Iterator[list[Tensor]]:
    """Rows that go into each layer; complete when the block is left."""
    seen: list[list[Tensor]] = [[] for _ in layers]
    joined: list[Tensor] = []

    def keeps(rows: list[Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def keep(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            flat = inputs[0].flatten(0, -2)
            rows.append(flat[:: -(-len(flat) // ROWS)].clone())

        return keep

    handles = [layer.register_forward_pre_hook(keeps(rows)) for layer, rows in zip(layers, seen, strict=True)]
    try:
        yield joined
    finally:
        for handle in handles:
            handle.remove()
    joined += [torch.cat(rows) for rows in seen]


def _exercise(model: Sam2, photos: np.ndarray, seed: int) -> None:
    """Let memory do what it does in a video: remember made-up masks of a photo, read them a little later."""
    generator = torch.Generator().manual_seed(seed)
    mean, std = (torch.tensor(v)[:, None, None] for v in (PIXEL_MEAN, PIXEL_STD))
    there = torch.ones(1, 1)
    for photo in photos:
        pixels = torch.from_numpy(photo).permute(2, 0, 1).float() / 255
        features = model.encode(((pixels - mean) / std)[None])
        mask = blobs(model.config.input_size // 4, generator)[:1]
        first = model.remember(features, mask, there, binary=True)
        later = model.remember(features, mask, there, binary=False)
        click = Prompts(torch.rand(1, 1, 2, generator=generator), torch.ones(1, 1, dtype=torch.long))
        answers = model.decode(model.condition(features, None), click, multimask=True)
        down, right = torch.randint(-3, 4, (2,), generator=generator).tolist()
        moved = Features(features.stride16.roll((down, right), (2, 3)), features.stride8, features.stride4)
        memories = (first, later, later.roll(1, 3))
        model.condition(moved, Reading(memories, (0, 1, 2), answers.pointers, (1, 2, 3)))
