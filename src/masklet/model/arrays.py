"""One of our checkpoints as numpy arrays: what runs without PyTorch reads its weights here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from masklet.errors import CheckpointError
from masklet.model.card import check_undamaged, hash_of, read_card

SCALE = ".scale"
"""What follows a parameter's name in the name of its scales."""


def load_arrays(paths: Iterable[str | Path]) -> dict[str, np.ndarray]:
    """The parameters of a checkpoint kept in one or several of our files, float32.

    raises CheckpointError when a file is damaged, or none that `checkpoints.save_state` wrote
    """
    state: dict[str, np.ndarray] = {}
    for path in paths:
        state.update(dequantise(_read(path)))
    return state


def dequantise(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The float32 arrays that a stored form means (see `masklet.model.quantised`)."""
    state: dict[str, np.ndarray] = {}
    for name, array in stored.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in stored:
            continue
        if array.dtype == np.int8:
            array = scaled(name, array, stored.get(name + SCALE))
        state[name] = array.astype(np.float32) if array.dtype == np.float16 else array
    return state


def scaled(name: str, integers: np.ndarray, scale: np.ndarray | None) -> np.ndarray:
    """int8 [N, …] and the scales [N] of its first dimension → float32; CheckpointError if they do not fit."""
    if scale is None or scale.shape != integers.shape[:1]:
        raise CheckpointError(f"{name} is stored in eight bits, but its scales are missing or do not fit")
    along_first = scale.astype(np.float32).reshape(-1, *[1] * (integers.ndim - 1))
    return integers.astype(np.float32) * along_first


def _read(path: str | Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    card = read_card(path)
    if card is None:
        raise CheckpointError(f"{path} is no checkpoint of masklet's own; reading it needs PyTorch")
    try:
        stored: dict[str, np.ndarray] = load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot read {path}: {error}; is it complete?") from error
    rows = ((name, str(one.dtype), one.shape, one.tobytes()) for name, one in sorted(stored.items()))
    check_undamaged(path, card, hash_of(rows))
    return stored
