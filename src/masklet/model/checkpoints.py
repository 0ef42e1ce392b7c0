"""Weights on disk → a state in our names, and back.

Three kinds of file are read: the published `.pt`, the published `.safetensors` in Hugging Face's
names, and our own safetensors (in our names or the official ones, possibly in eight bits), which
carry a card. Which names a file has is seen from the names themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from masklet.errors import CheckpointError
from masklet.model import names_huggingface, names_official, quantised
from masklet.model.card import METADATA, Card, check_undamaged, hash_of, no_checkpoint, read_card

SHOWN = 5
"""Parameters of each kind that a mismatch names; the others are counted."""

MEMORY_PATH = (
    "memory_attention.",
    "memory_encoder.",
    "memory_slot_embed",
    "mask_downsample.",
    "pointer_proj.",
    "pointer_time_proj.",
    "no_object_pointer",
    "no_object_embed",
    "mask_decoder.pred_obj_score_head.",
)
"""Beginnings of what segmenting a photo does not need: a better memory is a new file of these alone."""


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint file into a state in our names, float32, on the CPU.

    raises CheckpointError when the file is not there, damaged, or holds no weights
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}; see `masklet models` for those there are")
    stored = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    return quantised.dequantise(_renamed(stored))


def load_states(paths: Iterable[str | Path]) -> dict[str, Tensor]:
    """Read a checkpoint kept in several files; no parameter may be in two of them."""
    state: dict[str, Tensor] = {}
    for path in paths:
        part = load_state(path)
        if twice := sorted(state.keys() & part.keys()):
            raise CheckpointError(f"{path} repeats {_some(twice)} of the files before it")
        state.update(part)
    return state


def load_into(
    model: nn.Module, state: Mapping[str, Tensor], source: str | Path, *, assign: bool = False
) -> None:
    """Put a state into a model, strictly.

    source   what an error calls the weights: a path or a name
    assign   the model takes the tensors themselves instead of copying them (one on the meta device must)
    raises CheckpointError naming missing, unexpected and wrong-shaped parameters; the model is then
    untouched
    """
    check_fit(model.state_dict(), state, source)
    model.load_state_dict(dict(state), strict=True, assign=assign)


def check_fit(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str | Path) -> None:
    """Raise CheckpointError unless both have the same names and shapes."""
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    wrong = [
        f"{name} {list(state[name].shape)} instead of {list(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("wrong shape", wrong))
    problems = [f"{len(names)} {kind}: {_some(names)}" for kind, names in kinds if names]
    if problems:
        raise CheckpointError(f"{source} does not fit the model: {'; '.join(problems)}")


def save_state(path: str | Path, stored: Mapping[str, Tensor], card: Card) -> Card:
    """Write tensors (as they are to be stored) and their card; returns the card with its hash.

    The file is written beside and renamed, so a reader never sees half of it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save

    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in stored.items()}
    card = replace(card, sha256=content_hash(tensors))
    part = path.with_name(path.name + ".part")
    try:
        # Not by `save_file`, whose files only their owner may read: servers run as somebody else.
        told = {METADATA: json.dumps(asdict(card), sort_keys=True), "format": "pt"}
        part.write_bytes(_ordered(save(tensors, metadata=told)))
        os.replace(part, path)
    except (OSError, RuntimeError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise CheckpointError(f"cannot write {path}: {error}") from error
    return card


def _ordered(content: bytes) -> bytes:
    """The same safetensors file with its metadata in order: the library has them in any."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    told = json.dumps(header, separators=(",", ":")).encode()
    told += b" " * (-len(told) % 8)  # the tensors stay aligned
    return len(told).to_bytes(8, "little") + told + content[8 + length :]


def content_hash(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of names, types, shapes and bytes, in the order of names."""

    def rows() -> Iterator[tuple[str, str, Sequence[int], bytes]]:
        for name in sorted(tensors):
            tensor = tensors[name].detach().cpu().contiguous()
            content = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
            yield name, str(tensor.dtype).removeprefix("torch."), tensor.shape, content

    return hash_of(rows())


def is_memory_path(name: str) -> bool:
    """Whether a parameter belongs to the memory file of an embedded checkpoint."""
    return name.startswith(MEMORY_PATH)


def split(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A state as its image path and its memory path."""
    image = {name: tensor for name, tensor in state.items() if not is_memory_path(name)}
    memory = {name: tensor for name, tensor in state.items() if is_memory_path(name)}
    return image, memory


def check_finite(state: Mapping[str, Tensor], source: str, remedy: str) -> None:
    """Raise CheckpointError when a state, as `save_part` stores it, has values that are no finite numbers."""
    odd = [name for name, tensor in state.items() if not torch.isfinite(quantised.halve(name, tensor)).all()]
    if odd:
        raise CheckpointError(f"{source} has infinite or undefined weights: {_some(odd)}; {remedy}")


def save_part(folder: str | Path, tensors: Mapping[str, Tensor], card: Card) -> Path:
    """Write one part of a network as a run leaves it, `image.safetensors` or `memory.safetensors`.

    Large tensors become float16. Returns the path.
    """
    path = Path(folder, f"{card.part}.safetensors")
    save_state(path, {name: quantised.halve(name, tensor) for name, tensor in tensors.items()}, card)
    return path


def save_embedded(
    folder: str | Path,
    name: str,
    state: Mapping[str, Tensor],
    *,
    image: Card | None = None,
    memory: Card | None = None,
) -> None:
    """Write `NAME.image.safetensors` (eight bits) and/or `NAME.memory.safetensors` (float16).

    A part without a card is left alone: a new memory is a small change.
    """
    image_path, memory_path = split(state)
    if image is not None:
        save_state(Path(folder, f"{name}.image.safetensors"), quantised.quantise(image_path), image)
    if memory is not None:
        halves = {key: quantised.halve(key, tensor) for key, tensor in memory_path.items()}
        save_state(Path(folder, f"{name}.memory.safetensors"), halves, memory)


def config_name(state: Mapping[str, Tensor]) -> str:
    """The published network a full state belongs to, seen from its shapes.

    raises CheckpointError when it is none of them
    """
    from masklet.model.config import HieraConfig, presets

    width = _rows(state.get("image_encoder.trunk.patch_embed.proj.weight"))
    blocks = len({name.split(".")[3] for name in state if name.startswith("image_encoder.trunk.blocks.")})
    family = "sam2.1" if "no_object_embed" in state else "sam2"
    for name, config in presets().items():
        trunk = config.trunk
        if not isinstance(trunk, HieraConfig) or not name.startswith(f"{family}-"):
            continue
        if (trunk.width, sum(trunk.blocks)) == (width, blocks):
            return name
    raise CheckpointError(
        f"weights with {blocks} image blocks of width {width} belong to no known model; "
        "name the network they are for"
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    except SafetensorError as error:
        raise no_checkpoint(path, str(error)) from error
    card = read_card(path)
    if card is not None:
        check_undamaged(path, card, content_hash(tensors))
    return tensors


def _read_pickle(path: Path) -> dict[str, Tensor]:
    import pickle

    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error}") from error
    except (pickle.UnpicklingError, ValueError, KeyError) as error:
        # PyTorch's own words advise to switch its safety check off.
        raise no_checkpoint(path, "it does not hold weights alone in PyTorch's format") from error
    except (RuntimeError, EOFError) as error:
        reason = str(error).strip().split("\n")[0]
        raise no_checkpoint(path, reason or type(error).__name__) from error
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not content:
        raise CheckpointError(f"{path} holds no weights")
    if odd := [str(name) for name, value in content.items() if not isinstance(value, Tensor)]:
        raise CheckpointError(f"{path} holds more than weights: {_some(odd)}")
    return content


def _renamed(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors under our names, whichever names they came with."""
    if any(name.startswith(names_huggingface.MARKS) for name in stored):
        return _from_huggingface(stored)
    if any(name.startswith(names_official.MARKS) for name in stored):
        named = ((names_official.ours(name), tensor) for name, tensor in stored.items())
        return {name: tensor for name, tensor in named if name is not None}
    return dict(stored)


def _from_huggingface(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        mine = names_huggingface.ours(name)
        if len(mine) == tensor.shape[0] > 1:
            state.update((one, tensor[i : i + 1].clone()) for i, one in enumerate(mine))
        else:
            state.update((one, tensor) for one in mine)
    return state


def _rows(tensor: Tensor | None) -> int:
    return 0 if tensor is None else int(tensor.shape[0])


def _some(names: list[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
