"""An exported model on disk: a card, a few tables, and a graph for each verb; and where such folders lie."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from masklet.errors import CheckpointError
from masklet.model.registry import cache_folder, weights_folder

FORMAT = 3
"""Raised when graphs of an earlier export can no longer be run."""

CARD = "card.json"
TABLES = "tables.safetensors"
FOVEAL = ("condition_foveal", "decode_foveal")
"""Graphs of what is seen in foveas: none for networks whose memories are pooled."""
GRAPHS = ("encode", "condition", "dense", "decode", "remember", *FOVEAL)
FILES = (TABLES, *(f"{name}{end}" for name in GRAPHS for end in (".xml", ".bin")))
"""What stands beside the card, those of FOVEAL only where it says so."""


@dataclass(frozen=True)
class GraphCard:
    """What an exported model says about itself."""

    format: int
    """`FORMAT` when it was written."""
    name: str
    """The checkpoint's name."""
    input_size: int
    """S: the only size the graphs take."""
    own_size: int
    """The size the checkpoint was made for."""
    slots: int
    pointer_limit: int
    stability_delta: float
    stability_threshold: float
    source: str = ""
    """`fingerprint` of the files it was made of; empty when unknown."""
    block: int = 0
    """Side of the blocks around foveas, in places of S/16; 0: no such graphs."""

    @property
    def graphs(self) -> tuple[str, ...]:
        """The graphs that stand beside it."""
        return tuple(name for name in GRAPHS if self.block or name not in FOVEAL)


def write_card(path: Path, card: GraphCard) -> None:
    path.write_text(json.dumps(asdict(card), indent=2) + "\n")


def read_card(folder: str | Path) -> GraphCard:
    """The card of an exported model; CheckpointError when the folder is not one, or is of another format."""
    folder = Path(folder)
    again = "export it again with `masklet export`"
    try:
        card = GraphCard(**json.loads((folder / CARD).read_text()))
    except FileNotFoundError as error:
        raise CheckpointError(f"{folder} is not an exported model: it has no {CARD}; {again}") from error
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{folder / CARD} cannot be read: {error}; {again}") from error
    if card.format != FORMAT:
        raise CheckpointError(f"{folder} has format {card.format}, this masklet runs {FORMAT}; {again}")
    files = (TABLES, *(f"{name}{end}" for name in card.graphs for end in (".xml", ".bin")))
    if lost := [name for name in files if not (folder / name).is_file()]:
        raise CheckpointError(f"{folder} lacks {', '.join(lost)}; {again}")
    return card


def same_card(folder: Path, card: GraphCard) -> bool:
    """Whether a folder is a whole exported model with this very card."""
    try:
        return read_card(folder) == card
    except CheckpointError:
        return False


def write_tables(folder: Path, state: Mapping[str, np.ndarray]) -> None:
    """What is added or chosen outside the graphs, float32, from a network's parameters."""
    from safetensors.numpy import save

    tables = {
        "no_memory": state["no_memory_embed"],
        "no_mask": state["prompt_encoder.no_mask_embed.weight"][None],
        "no_object_pointer": state["no_object_pointer"][0],
        "mask_weight": state["mask_downsample.weight"][0, 0],
        "mask_bias": state["mask_downsample.bias"],
    }
    # Not by `save_file`, whose files only their owner may read.
    plain = {name: np.ascontiguousarray(one, np.float32) for name, one in tables.items()}
    (folder / TABLES).write_bytes(save(plain))


@contextmanager
def replaced(folder: Path, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A folder to write into, which takes the place of `folder` as a whole when the block ends well.

    keep   asked at the end: what another process has put there meanwhile may stay
    """
    part = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        yield part
        if not keep():
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_exported(path: str | Path) -> bool:
    """Whether a path is the folder of an exported model."""
    return (Path(path) / CARD).is_file()


def exports_folder() -> Path:
    """Where exported models of this user go."""
    return cache_folder() / "openvino"


def compiled_folder() -> Path:
    """Where OpenVINO keeps what it compiled for this machine."""
    return cache_folder() / "openvino-compiled"


def folder_name(name: str, input_size: int) -> str:
    return f"{name}-{input_size}"


def find(name: str, input_size: int | None, checkpoints: Sequence[Path]) -> Path | None:
    """The exported folder of a checkpoint, with the package or in the cache; None when there is none.

    input_size    None: the size the checkpoint was made for
    checkpoints   the files it must have been made of; when one is not on disk, that is not asked
    """
    present = all(path.is_file() for path in checkpoints)
    wanted = fingerprint(checkpoints) if present and checkpoints else None
    for home in (weights_folder(), exports_folder()):
        for folder in sorted(home.glob(f"{name}-*/")):
            try:
                card = read_card(folder)
            except CheckpointError:
                continue  # of an older version, or half a copy: as good as not there
            size = card.own_size if input_size is None else input_size
            ours = folder.name == folder_name(name, size) and card.input_size == size
            if ours and (wanted is None or card.source == wanted):
                return folder
    return None


def fingerprint(checkpoints: Iterable[str | Path]) -> str:
    """SHA-256 of checkpoint files, one after another: graphs of other weights must not pass for theirs."""
    digest = hashlib.sha256()
    for path in checkpoints:
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
