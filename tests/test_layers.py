"""Imports run downwards only: the design's layer table, held by reading the source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "masklet"

LAYERS = (
    {"types", "errors", "rle", "geometry", "lock"},
    {"model", "engine", "memory", "video"},
    {"predict", "loading"},
    {"bench", "data", "train", "evaluate"},
    {"annotate", "batch"},
    {"server"},
    {"client", "serving"},
    {"cli"},
    {"__main__"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

APART = ({"evaluate", "train"}, {"server", "cli"}, {"client", "cli"})
"""Parts of one layer that don't import each other."""

FORBIDDEN = {
    "types": {"torch", "av", "scipy", "PIL"},
    "memory": {"torch", "av", "openvino"},
    "predict": {"torch", "av", "openvino"},
    "cli": {"torch", "av"},
    "model": {"av", "PIL", "pycocotools"},
    "train": {"av", "PIL", "pycocotools"},
}
"""What a part must not import: predict works on any engine, model and train know no file formats."""

HEAVY = {"torch", "av", "scipy", "transformers", "cv2", "openvino", "huggingface_hub"}


def imports(tree: ast.AST, package: str) -> Iterator[str]:
    """Dotted names of every import in a module, wherever it stands; relative ones made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base]).rstrip(".")
            # `from masklet import rle` names a part only with what follows.
            yield from (f"{base}.{alias.name}" if base == "masklet" else base for alias in node.names)


def part_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def part_named(module: str) -> str | None:
    names = module.split(".")
    return names[1] if names[0] == "masklet" and len(names) > 1 else None


def complaints(path: Path, source: str) -> list[str]:
    """What a module imports against the table."""
    part = part_of(path)
    package = ".".join(["masklet", *path.relative_to(SOURCE).parts[:-1]])
    found = []
    for module in set(imports(ast.parse(source), package)):
        other = part_named(module)
        if other in LEVEL:
            if LEVEL[other] > LEVEL[part]:
                found.append(f"{part} imports {other}, a layer above it")
            if other != part and any({part, other} <= pair for pair in APART):
                found.append(f"{part} imports {other}")
        if module.split(".")[0] in FORBIDDEN.get(part, ()):
            found.append(f"{part} imports {module}")
    return sorted(found)


MODULES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_run_downwards(path: Path) -> None:
    if path == SOURCE / "__init__.py":
        pytest.skip("the front door names every layer, lazily (see test_public_api)")
    assert part_of(path) in LEVEL, f"{part_of(path)} has no layer; give it one here and in the design"
    assert complaints(path, path.read_text()) == []


@pytest.mark.parametrize(
    ("place", "line", "complaint"),
    [
        ("predict/x.py", "import torch", "predict imports torch"),
        ("predict/x.py", "def f():\n    from torch import nn", "predict imports torch"),
        (
            "model/x.py",
            "from masklet.predict.session import VideoSession",
            "model imports predict, a layer above it",
        ),
        ("types.py", "from masklet import memory", "types imports memory, a layer above it"),
        ("train/x.py", "from masklet.evaluate import run", "train imports evaluate"),
        ("predict/x.py", "from ..cli import main", "predict imports cli, a layer above it"),
    ],
)
def test_a_forbidden_import_is_seen(place: str, line: str, complaint: str) -> None:
    assert complaint in complaints(SOURCE / place, line)


def test_cli_modules_load_nothing_heavy_at_their_top() -> None:
    for path in (SOURCE / "cli").glob("*.py"):
        top = ast.Module(
            [n for n in ast.parse(path.read_text()).body if not isinstance(n, ast.FunctionDef)], []
        )
        assert not {name.split(".")[0] for name in imports(top, "masklet.cli")} & HEAVY, path.name
