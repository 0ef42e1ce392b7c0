"""What a constant of a graph is made of: a parameter of the checkpoint, as it is or worked on, in numpy.

`masklet.engine.openvino_graphs` bakes some values into the graphs that follow from parameters, or from the
input's size alone. Each way of following is a kind of recipe here, so that graphs can be filled with weights
without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from masklet.engine.foveas import block_of, with_blocks
from masklet.errors import CheckpointError
from masklet.model.config import HieraConfig, Sam2Config

State = Mapping[str, np.ndarray]
"""Parameters by name, float32."""

Recipe = tuple[str | int | float, ...]
"""A kind of `KINDS` and what it works on: names of parameters, then numbers."""

NORMED = (0, 3, 6, 9)
"""Convolutions of the mask's downsampler that a norm over channels follows."""

GROWING = (0, 3)
"""Transposed convolutions of the mask decoder, 2 × 2."""


def itself(parameter: np.ndarray) -> np.ndarray:
    return parameter


def turned(rows: np.ndarray) -> np.ndarray:
    """[C, …]: every pair of rows (a, b) turned into (-b, a)."""
    pairs = rows.reshape(-1, 2, *rows.shape[1:])
    return np.stack((-pairs[:, 1], pairs[:, 0]), axis=1).reshape(rows.shape)


def chained(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Weights of two linear layers → those of one that does both."""
    return second @ first


def chained_bias(first: np.ndarray, second: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Its bias, of the first one's bias, the second one's weights and bias."""
    return second @ first + last


def centred(parameter: np.ndarray) -> np.ndarray:
    """[C, …] of a convolution → of one whose results have no mean over its C channels."""
    return parameter - parameter.mean(axis=0)


def unfolded(weight: np.ndarray) -> np.ndarray:
    """[C, D, k, k] of a transposed convolution of stride k → rows [k · k · D, C] of a linear layer."""
    return weight.transpose(2, 3, 1, 0).reshape(-1, weight.shape[0])


def rolled(slots: np.ndarray) -> np.ndarray:
    """Embeddings by slot: slot 0 (prompted) has the last, slot k the k-th; the published order."""
    return np.roll(slots, 1, axis=0)


def fourier_places(matrix: np.ndarray, side: int) -> np.ndarray:
    """[2, C/2] → the random Fourier code of every place's centre [side², C]."""
    middle = (2 * (np.arange(side) + 0.5) / side - 1) * 2 * np.pi
    angle = middle[:, None, None] * matrix[1] + middle[None, :, None] * matrix[0]
    return np.concatenate((np.sin(angle), np.cos(angle)), axis=-1).reshape(side * side, -1)


def fourier_table(matrix: np.ndarray, side: int) -> np.ndarray:
    """The same with the means of blocks of places after them (see `foveas`), [R, C]."""
    return with_blocks(fourier_places(matrix, side)[None], side)[0]


def sine_places(side: int, width: int, factor: float, block: int) -> np.ndarray:
    """Sine code of every place (see `masklet.model.positions`), times a factor, [side² or R, C].

    block   0: places alone; else the means of such blocks follow
    """
    half = width // 2
    frequency = 10000.0 ** (2 * (np.arange(half) // 2) / half)
    angle = (np.arange(1, side + 1) / (side + 1e-6) * 2 * np.pi)[:, None] / frequency
    axis = np.stack((np.sin(angle[:, 0::2]), np.cos(angle[:, 1::2])), axis=2).reshape(side, half)
    grid = (side, side, half)
    both = np.broadcast_to(axis[:, None], grid), np.broadcast_to(axis[None], grid)
    places = factor * np.concatenate(both, axis=2).reshape(side * side, width)
    return with_blocks(places[None], side)[0] if block else places


def rotary_cosines(side: int, width: int, block: int) -> np.ndarray:
    """Cosines that turn every channel of a place, [side² or R, C]; `block` as in `sine_places`."""
    return np.cos(_rotary_angles(side, width, block))


def rotary_sines(side: int, width: int, block: int) -> np.ndarray:
    return np.sin(_rotary_angles(side, width, block))


def _rotary_angles(side: int, width: int, block: int) -> np.ndarray:
    """Of places, x first; then of the middles of blocks. Two neighbouring channels share one."""
    quarter = width // 4
    frequency = 10000.0 ** (-np.arange(quarter) / quarter)
    parts = []
    for size in (1, block) if block else (1,):
        count = side // size
        angle = (np.arange(count) * size + (size - 1) / 2)[:, None] * frequency
        grid = (count, count, quarter)
        both = np.broadcast_to(angle[None], grid), np.broadcast_to(angle[:, None], grid)
        parts.append(np.concatenate(both, axis=2).reshape(count * count, 2 * quarter))
    return np.repeat(np.concatenate(parts), 2, axis=1)


def stretched(background: np.ndarray, window: np.ndarray, side: int) -> np.ndarray:
    """Hiera's positions: [1, C, h, w] stretched, and [1, C, a, b] repeated → [1, side, side, C]."""
    down, across = (bicubic(length, side) for length in background.shape[2:])
    map_ = np.einsum("yh,chw,xw->yxc", down, background[0], across, optimize=True)
    tile = window[0].transpose(1, 2, 0)
    repeats = (side // tile.shape[0], side // tile.shape[1], 1)
    return (map_ + np.tile(tile, repeats))[None]


def bicubic(length: int, out: int) -> np.ndarray:
    """The matrix [out, length] of bicubic interpolation as in PyTorch (a = -0.75, half-pixel centres)."""
    a = -0.75
    at = (np.arange(out) + 0.5) * length / out - 0.5
    first = np.floor(at).astype(int)
    matrix = np.zeros((out, length))
    for step in range(-1, 3):
        d = np.abs(at - (first + step))
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = (((d - 5) * d + 8) * d - 4) * a
        np.add.at(matrix, (np.arange(out), np.clip(first + step, 0, length - 1)), np.where(d <= 1, near, far))
    return matrix


KINDS: dict[str, Callable[..., np.ndarray]] = {
    "itself": itself,
    "turned": turned,
    "chained": chained,
    "chained bias": chained_bias,
    "centred": centred,
    "unfolded": unfolded,
    "tiled": np.tile,
    "rolled": rolled,
    "fourier places": fourier_places,
    "fourier table": fourier_table,
    "sine places": sine_places,
    "rotary cosines": rotary_cosines,
    "rotary sines": rotary_sines,
    "stretched": stretched,
}


def recipes(config: Sam2Config, parameters: Collection[str]) -> list[Recipe]:
    """Everything that may be found in the graphs of a network with these parameters."""
    found: list[Recipe] = [("itself", name) for name in parameters]
    for layer in range(config.memory_layers):
        for attention in ("self_attn", "cross_attn_image"):
            home = f"memory_attention.layers.{layer}.{attention}"
            for projection in ("q_proj", "k_proj"):
                found += [("turned", f"{home}.{projection}.{part}") for part in ("weight", "bias")]
            found.append(("chained", f"{home}.v_proj.weight", f"{home}.out_proj.weight"))
            out = f"{home}.out_proj"
            found.append(("chained bias", f"{home}.v_proj.bias", f"{out}.weight", f"{out}.bias"))
    for number in NORMED:
        home = f"memory_encoder.mask_downsampler.encoder.{number}"
        found += [("centred", f"{home}.{part}") for part in ("weight", "bias")]
    for number in GROWING:
        home = f"mask_decoder.output_upscaling.{number}"
        found += [("unfolded", f"{home}.weight"), ("tiled", f"{home}.bias", 4)]
    found.append(("rolled", "memory_slot_embed"))
    matrix = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    side = config.input_size // 16
    found += [(kind, matrix, side) for kind in ("fourier places", "fourier table")]
    if config.memory_pool == 1:
        for block in (0, block_of(side)):
            found.append(("sine places", side, config.memory_width, 1.0, block))
            found += [(kind, side, config.width, block) for kind in ("rotary cosines", "rotary sines")]
        found.append(("sine places", side, config.width, 0.1, 0))
    if isinstance(config.trunk, HieraConfig):
        home = "image_encoder.trunk"
        fine = config.input_size // 4
        found.append(("stretched", f"{home}.pos_embed", f"{home}.pos_embed_window", fine))
    return found


def made(recipe: Recipe, state: State) -> np.ndarray:
    """The values a recipe gives; CheckpointError for a kind or a parameter that is not there."""
    kind, *rest = recipe
    try:
        arguments: list[Any] = [state[part] if isinstance(part, str) else part for part in rest]
        return KINDS[str(kind)](*arguments)
    except KeyError as error:
        raise CheckpointError(f"graphs ask for {error.args[0]!r}, which is not there") from error
