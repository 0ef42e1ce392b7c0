"""From an exported graph to one without weights: which of its constants are made of which parameters.

Found by value: the network was filled with random numbers, so two parameters never look alike, and a
constant that looks like a recipe's result is that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from masklet.engine.openvino_recipes import Recipe, State, made
from masklet.engine.openvino_topology import BareGraph, Place

FLOATS = {"f16": "float16", "f32": "float32"}
CLOSE = 2e-3
"""Two float16 steps at 1: numpy and PyTorch may round the last bit of a sine to either side."""

BySize = Mapping[int, list[tuple[Recipe, np.ndarray]]]


def by_size(recipes: Iterable[Recipe], state: State) -> BySize:
    """What the recipes give, by the number of elements."""
    found = defaultdict(list)
    for recipe in recipes:
        values = made(recipe, state)
        found[values.size].append((recipe, values))
    return found


def bare(folder: Path, name: str, known: BySize) -> BareGraph:
    """A graph of an exported model, without what follows from weights."""
    tree = ElementTree.fromstring((folder / f"{name}.xml").read_bytes())
    content = (folder / f"{name}.bin").read_bytes()
    places, rest, end = [], [], 0
    for offset, size, dtype in sorted(set(_constants(tree))):
        recipe = _recipe(np.frombuffer(content[offset : offset + size], dtype), known)
        if recipe is not None:
            places.append(Place(offset, dtype, recipe))
            rest.append(content[end:offset])
            end = offset + size
    rest.append(content[end:])
    return BareGraph(_plain(tree), b"".join(rest), tuple(places))


def _constants(tree: ElementTree.Element) -> Iterator[tuple[int, int, str]]:
    """Offset, bytes and type of every constant of floats."""
    for layer in tree.iter("layer"):
        data = layer.find("data")
        if layer.get("type") == "Const" and data is not None and data.attrib["element_type"] in FLOATS:
            yield int(data.attrib["offset"]), int(data.attrib["size"]), FLOATS[data.attrib["element_type"]]


def _recipe(constant: np.ndarray, known: BySize) -> Recipe | None:
    for recipe, values in known.get(constant.size, ()):
        wanted = values.ravel().astype(constant.dtype)
        if np.array_equal(wanted, constant) or (
            recipe[0] != "itself" and np.allclose(wanted, constant, rtol=CLOSE, atol=CLOSE)
        ):
            return recipe
    return None


def _plain(tree: ElementTree.Element) -> bytes:
    """The XML without names that nothing asks for: they count up in a process, and are most of it."""
    tree.set("name", "masklet")
    for layer in tree.iter("layer"):
        if layer.get("type") != "Parameter":
            layer.set("name", layer.attrib["id"])
            for port in layer.iter("port"):
                port.attrib.pop("names", None)
    for version in tree.findall("rt_info"):
        tree.remove(version)
    for element in tree.iter():
        element.text = element.text and element.text.strip()
        element.tail = None
    return ElementTree.tostring(tree, encoding="utf-8", xml_declaration=True)
