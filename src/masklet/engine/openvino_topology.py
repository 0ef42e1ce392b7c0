"""Graphs without their weights: what the package carries for running its checkpoints without PyTorch.

A packed file (zip) has, for each graph, the XML that OpenVINO reads, the bytes of its constants that no
weight is in, and the places where weights belong, each with a recipe. Filling it with a checkpoint gives
the folder that `masklet export` writes.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from masklet.engine.openvino_recipes import Recipe, State, made
from masklet.engine.openvino_store import (
    CARD,
    GraphCard,
    fingerprint,
    replaced,
    same_card,
    write_card,
    write_tables,
)
from masklet.errors import CheckpointError
from masklet.model import arrays, registry
from masklet.model.card import read_card

ENDING = ".graphs.zip"
CONTENTS = "contents.json"

HALF_LIMIT = float(np.finfo(np.float16).max)
_EARLY = (1980, 1, 1, 0, 0, 0)
"""A zip has times in it; the same graphs are to be the same file."""


@dataclass(frozen=True)
class Place:
    """Where values that follow from weights belong among a graph's constants."""

    offset: int
    """Bytes before it."""
    dtype: str
    """`float16` or `float32`."""
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class BareGraph:
    """A graph whose constants have gaps."""

    xml: bytes
    rest: bytes
    """The constants without what belongs into the gaps."""
    places: tuple[Place, ...]
    """By offset."""

    def filled(self, state: State) -> Iterator[bytes]:
        """The constants, piece after piece."""
        written = taken = 0
        for place in self.places:
            gap = place.offset - written
            yield self.rest[taken : taken + gap]
            taken += gap
            values = stored(made(place.recipe, state), place.dtype)
            yield values
            written = place.offset + len(values)
        yield self.rest[taken:]


@dataclass(frozen=True, eq=False)
class Topology:
    """All graphs of a network at one input size."""

    card: GraphCard
    parameters: Mapping[str, tuple[int, ...]]
    """The shape of every parameter of a checkpoint that fits."""
    graphs: Mapping[str, BareGraph]


def stored(values: np.ndarray, dtype: str) -> bytes:
    """Values as a graph keeps them; what float16 cannot reach becomes its largest."""
    if dtype == "float16":
        values = np.clip(values, -HALF_LIMIT, HALF_LIMIT)
    return np.ascontiguousarray(values, dtype).tobytes()


def packed_path(folder: Path, network: str, input_size: int) -> Path:
    return folder / f"{network}-{input_size}{ENDING}"


def packed_sizes(network: str) -> tuple[int, ...]:
    """The input sizes that the package has graphs of a network for, ascending."""
    names = [path.name for path in registry.weights_folder().glob(f"{network}-*{ENDING}")]
    sizes = [name.removeprefix(f"{network}-").removesuffix(ENDING) for name in names]
    return tuple(sorted(int(size) for size in sizes if size.isdigit()))


@dataclass(frozen=True)
class Packed:
    """Packed graphs and the checkpoint to fill them with."""

    path: Path
    checkpoints: tuple[Path, ...]
    input_size: int
    own_size: int
    """What the checkpoint was made for."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that filled graphs follow from."""
        return (*self.checkpoints, self.path)

    def fill(self, folder: Path) -> GraphCard:
        """Write the folder that `masklet export` would.

        raises CheckpointError when graphs and weights do not fit; OSError when it cannot be written
        """
        topology = read(self.path)
        state = arrays.load_arrays(self.checkpoints)
        _check_fit(topology, state, self)
        card = replace(topology.card, own_size=self.own_size, source=fingerprint(self.files))
        with replaced(folder, keep=lambda: same_card(folder, card)) as part:
            for name, graph in topology.graphs.items():
                (part / f"{name}.xml").write_bytes(graph.xml)
                with (part / f"{name}.bin").open("wb") as file:
                    file.writelines(graph.filled(state))
            write_tables(part, state)
            write_card(part / CARD, card)
        return card


def packed_for(checkpoints: Sequence[Path], input_size: int | None) -> Packed | None:
    """The packed graphs that run a checkpoint; None when the package has none of its network and size.

    input_size   None: what the checkpoint was made for
    """
    cards = [card for path in checkpoints if (card := read_card(path)) is not None]
    if len(cards) < len(checkpoints):
        return None  # somebody else's file, which only PyTorch reads
    own = cards[-1].input_size
    size = own if input_size is None else input_size
    path = packed_path(registry.weights_folder(), cards[0].config, size)
    return Packed(path, tuple(checkpoints), size, own) if path.is_file() else None


def write(topology: Topology, path: Path) -> None:
    """Write a packed file; the same topology gives the same bytes. The folder is made if need be."""
    contents = {
        "card": asdict(topology.card),
        "parameters": dict(topology.parameters),
        "places": {
            name: [(place.offset, place.dtype, *place.recipe) for place in graph.places]
            for name, graph in topology.graphs.items()
        },
    }
    files = {CONTENTS: json.dumps(contents).encode()}
    for name, graph in topology.graphs.items():
        files |= {f"{name}.xml": graph.xml, f"{name}.rest": graph.rest}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with zipfile.ZipFile(part, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLY), content, zipfile.ZIP_DEFLATED, 9)
    part.replace(path)


def read(path: Path) -> Topology:
    """The contents of a packed file; CheckpointError when it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            contents = json.loads(archive.read(CONTENTS))
            graphs = {
                name: BareGraph(
                    archive.read(f"{name}.xml"),
                    archive.read(f"{name}.rest"),
                    tuple(Place(at, dtype, tuple(recipe)) for at, dtype, *recipe in contents["places"][name]),
                )
                for name in contents["places"]
            }
        shapes = {name: tuple(shape) for name, shape in contents["parameters"].items()}
        return Topology(GraphCard(**contents["card"]), shapes, graphs)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}; reinstall masklet") from error


def _check_fit(topology: Topology, state: State, packed: Packed) -> None:
    given, wanted = {name: array.shape for name, array in state.items()}, topology.parameters
    odd = [name for name in {*given, *wanted} if given.get(name) != wanted.get(name)]
    if odd:
        raise CheckpointError(
            f"the graphs in {packed.path.name} are not for {packed.checkpoints[-1].name}: {len(odd)} "
            f"parameters differ, {min(odd)} among them; `masklet export --without-weights` writes new ones"
        )
