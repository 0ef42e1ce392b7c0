"""The command line run in this process, with the fake model behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakes import FakeEngine, squares
from masklet.cli import program
from masklet.predict.segmenter import Segmenter


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, stdout, stderr, and what the model was opened with."""

    code: int
    out: str
    err: str
    opened: list[tuple[str, str | None]] = field(default_factory=list)
    engines: list[str | None] = field(default_factory=list)
    sizes: list[int | None] = field(default_factory=list)
    compiled: list[bool] = field(default_factory=list)

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line an error is."""
        lines = [line for line in self.err.splitlines() if line.startswith("masklet: ")]
        assert len(lines) == 1, self.err
        assert "Traceback" not in self.err
        return lines[0]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], engine: FakeEngine) -> Callable[..., Outcome]:
    """Run `masklet ARGUMENTS…`; paths may be given as paths."""
    fake = engine

    def run(*arguments: object) -> Outcome:
        opened: list[tuple[str, str | None]] = []
        engines: list[str | None] = []
        sizes: list[int | None] = []
        compilations: list[bool] = []

        def load(
            name: str,
            *,
            device: str | None,
            input_size: int | None = None,
            engine: str | None = None,
            compiled: bool = False,
        ) -> Segmenter:
            opened.append((name, device))
            engines.append(engine)
            sizes.append(input_size)
            compilations.append(compiled)
            return Segmenter(fake)

        capsys.readouterr()
        code = program.run([str(a) for a in arguments], load=load)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err, opened, engines, sizes, compilations)

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """128 × 96, two squares on grey."""
    Image.fromarray(squares(1, 2)[0]).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder of 8 pictures: two squares that move."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for t, image in enumerate(squares(8, 2)):
        Image.fromarray(image).save(folder / f"{t}.png")
    return folder


def grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))
