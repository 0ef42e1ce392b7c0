"""What the documents say works: README code runs, its command lines parse, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import masklet
from fakes import ArraySource, FakeEngine, inside, squares
from masklet.cli import program
from masklet.cli.prompts import placed_prompts, typed
from masklet.predict.segmenter import Segmenter
from masklet.video.arrays import ArrayFrames

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)
PYTHON = [text for language, text in BLOCKS if language == "python"]
LINES = [
    line.split("  #")[0].strip()
    for language, text in BLOCKS
    if language == ""
    for line in text.splitlines()
    if line.strip()
]


class Files(Segmenter):
    """A model whose pictures and videos are made on the spot, whatever they are called."""

    def image(self, picture: Any) -> Any:
        return super().image(np.repeat(np.repeat(squares(1)[0], 5, 0), 5, 1))

    def video(self, video: Any, **options: Any) -> Any:
        images = [np.repeat(np.repeat(image, 4, 0), 4, 1) for image in squares(3)]
        return super().video(ArrayFrames(images, rate=25), **options)


def test_the_readme_has_code() -> None:
    assert len(PYTHON) >= 2
    assert len(LINES) >= 8


def test_readme_python_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [np.repeat(np.repeat(image, 4, 0), 4, 1) for image in squares(3)]

    class FakeCamera(ArraySource):
        def __init__(self, device: int) -> None:
            super().__init__(images)

        def __iter__(self) -> Any:
            return self.read(0, len(images))

    monkeypatch.setattr(masklet, "load", lambda *_, **__: Files(FakeEngine()))
    monkeypatch.setattr(masklet, "Camera", FakeCamera)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in PYTHON:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "overlay.mp4").stat().st_size > 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + len(images)


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("masklet ")])
def test_readme_command_lines_parse(line: str) -> None:
    words = shlex.split(line)[1:]
    command = typer.main.get_command(program.application()).commands[words[0]]
    context = command.make_context(words[0], words[1:])
    if words[0] == "track":
        assert placed_prompts(typed(context))


def test_a_readme_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The track example, on a folder of pictures under the name it has there."""
    monkeypatch.chdir(tmp_path)
    Path("video.mp4").mkdir()
    for t, image in enumerate(squares(3)):
        Image.fromarray(np.repeat(np.repeat(image, 4, 0), 4, 1)).save(f"video.mp4/{t}.png")
    line = next(line for line in LINES if line.startswith("masklet track"))
    x, y = inside(0, 1)
    words = [f"{4 * x},{4 * y}" if word == "210,350" else word for word in shlex.split(line)[1:]]
    assert program.run(words, load=lambda *_, **__: Segmenter(FakeEngine())) == 0
    assert Path("overlay.mp4").is_file()
    assert Path("out.json").is_file()


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in {line.split()[1] for line in LINES if line.startswith("make ")} | {"demo", "test", "lint"}:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.mark.parametrize("path", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_paths_the_readme_names_exist() -> None:
    for name in re.findall(r"^\| `(src/[\w/.]+)`", README, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+)/`", README):
        if (ROOT / "src" / "masklet" / name).exists():
            continue
        assert name in {"masks", "out"}, name


def test_every_command_is_in_the_readme() -> None:
    for name in typer.main.get_command(program.application()).commands:
        assert f"`masklet {name}`" in README


def test_every_extra_the_messages_name_exists() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    extras = set(
        re.findall(r"^(\w+) = \[", project.split("optional-dependencies]")[1].split("\n[")[0], flags=re.M)
    )
    for path in (ROOT / "src").rglob("*.py"):
        for name in re.findall(r"'masklet\[(\w+)\]'", path.read_text()):
            assert name in extras, f"{path.name} names the extra {name}"
