"""The public names, and that importing them costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import masklet

MOST_NAMES = 25
MOST_SECONDS = 0.3


def test_every_public_name_is_there() -> None:
    for name in masklet.__all__:
        assert getattr(masklet, name) is not None
        assert name in dir(masklet)


def test_names_are_few() -> None:
    assert len(masklet.__all__) <= MOST_NAMES
    assert len(set(masklet.__all__)) == len(masklet.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(masklet.__file__).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: (node.module or "").removeprefix("masklet.")
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == masklet._HOME


def test_public_names_say_what_they_are() -> None:
    for name in masklet.__all__:
        if name != "__version__":
            assert getattr(masklet, name).__doc__, name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = masklet.nonsense


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )


HEAVY = ("torch", "av", "scipy", "numpy", "PIL", "typer", "rich")


def test_importing_is_silent_and_light() -> None:
    result = python(f"import masklet, sys; print([m for m in {HEAVY} if m in sys.modules])")
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_importing_is_quick() -> None:
    def seconds(code: str) -> float:
        start = time.perf_counter()
        python(code)
        return time.perf_counter() - start

    # The best of a few, less the interpreter's own start: the machine may be busy.
    assert min(seconds("import masklet") for _ in range(3)) - seconds("pass") < MOST_SECONDS


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("masklet.cli", ("torch", "av", "scipy", "transformers", "huggingface_hub")),
        ("masklet.predict.segmenter", ("torch", "av", "openvino")),
        ("masklet.model.registry", ("torch", "av", "numpy")),
        ("masklet.types", ("torch", "av", "scipy", "PIL")),
    ],
)
def test_a_part_brings_only_what_it_needs(module: str, absent: tuple[str, ...]) -> None:
    result = python(f"import {module}, sys; print([m for m in {absent} if m in sys.modules])")
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_listing_models_needs_no_pytorch() -> None:
    code = """
import sys
from masklet.cli.program import run
code = run(["models", "--json"])
print([m for m in ("torch", "av") if m in sys.modules], code, file=sys.stderr)
"""
    assert python(code).stderr == "[] 0\n"
