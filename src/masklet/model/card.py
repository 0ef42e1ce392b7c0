"""What one of our checkpoint files says about itself. Nothing here loads PyTorch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from masklet.errors import CheckpointError

METADATA = "masklet"
"""The key of a safetensors file's metadata that holds the card, as JSON."""


@dataclass(frozen=True)
class Card:
    """What a checkpoint file says about itself, kept as JSON in its metadata."""

    config: str
    """Name of the network it belongs to (see `config.presets`)."""
    part: str
    """`image`, `memory` or `all`."""
    input_size: int
    """Side, in pixels, that it is meant to be run at."""
    licence: str
    """SPDX name."""
    source: str
    """Where the weights come from, in a sentence."""
    sha256: str = ""
    """Hash of the stored tensors; filled in when the file is written, checked when it is read."""


def read_card(path: str | Path) -> Card | None:
    """The card of one of our files; None when the file has none."""
    from safetensors import SafetensorError, safe_open

    if Path(path).suffix != ".safetensors":
        return None
    try:
        with safe_open(str(path), framework="np") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    except SafetensorError as error:
        raise no_checkpoint(path, str(error)) from error
    if METADATA not in metadata:
        return None
    try:
        return Card(**json.loads(metadata[METADATA]))
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path} has a card that cannot be read: {error}") from error


def no_checkpoint(path: str | Path, reason: str) -> CheckpointError:
    """The error of a file that cannot be read as weights: another kind, or a part of one."""
    return CheckpointError(f"{path} is not a checkpoint, or not a whole one ({reason}); see `masklet models`")


def check_undamaged(path: str | Path, card: Card, found: str) -> None:
    """Raise CheckpointError unless the tensors of a file have the hash its card names."""
    if card.sha256 != found:
        raise CheckpointError(f"{path} is damaged: its weights do not have the hash its card names")


def hash_of(tensors: Iterable[tuple[str, str, Sequence[int], bytes]]) -> str:
    """SHA-256 of (name, type, shape, bytes), in the order they come; types are numpy's names."""
    digest = hashlib.sha256()
    for name, dtype, shape, content in tensors:
        # PyTorch's names of types, as in the files there are.
        digest.update(f"{name} torch.{dtype} {list(shape)}\n".encode())
        digest.update(content)
    return digest.hexdigest()
