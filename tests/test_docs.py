"""What the documents say works: code runs, command lines parse, links lead somewhere."""

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
QUICKSTART = (ROOT / "docs" / "quickstart.md").read_text()
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def code_in(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a page that are in this language."""
    return [
        block for name, block in re.findall(r"```(\w*)\n(.*?)```", text, flags=re.DOTALL) if name == language
    ]


def lines_in(text: str) -> list[str]:
    """The command lines of a page, without their comments."""
    return [
        line.split("  #")[0].strip() for block in code_in(text) for line in block.splitlines() if line.strip()
    ]


PYTHON = code_in(README, "python")
LINES = lines_in(README)
COMMANDS = [line for line in dict.fromkeys(LINES + lines_in(QUICKSTART)) if line.startswith("masklet ")]


class Files(Segmenter):
    """A model whose pictures and videos are made on the spot, whatever they are called."""

    def image(self, picture: Any) -> Any:
        return super().image(np.repeat(np.repeat(squares(1)[0], 5, 0), 5, 1))

    def video(self, video: Any, **options: Any) -> Any:
        return super().video(self._frames(), **options)

    def resume(self, saved: Any, video: Any, **options: Any) -> Any:
        return super().resume(saved, self._frames(), **options)

    @staticmethod
    def _frames() -> ArrayFrames:
        return ArrayFrames([np.repeat(np.repeat(image, 4, 0), 4, 1) for image in squares(3)], rate=25)


def test_the_readme_has_code() -> None:
    assert len(PYTHON) >= 2
    assert len(LINES) >= 8


def run_python(blocks: list[str], page: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Run a page's code, block after block, with a model without weights and a camera of three frames."""
    images = [np.repeat(np.repeat(image, 4, 0), 4, 1) for image in squares(3)]

    class FakeCamera(ArraySource):
        def __init__(self, device: int) -> None:
            super().__init__(images)

        def __iter__(self) -> Any:
            return self.read(0, len(images))

    monkeypatch.setattr(masklet, "load", lambda *_, **__: Files(FakeEngine()))
    monkeypatch.setattr(masklet, "Camera", FakeCamera)
    monkeypatch.chdir(folder)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_readme_python_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_python(PYTHON, "README.md", monkeypatch, tmp_path)
    assert (tmp_path / "overlay.mp4").stat().st_size > 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 1 + 3


def test_quickstart_python_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_python(code_in(QUICKSTART, "python"), "quickstart.md", monkeypatch, tmp_path)
    assert len(list((tmp_path / "masks").glob("*.png"))) == 3
    printed = capsys.readouterr().out.splitlines()
    assert "frozenset({1})" in printed  # outdated by the correction
    assert "(1,) frozenset({0})" in printed  # the correction undone, saved and resumed


@pytest.mark.parametrize("line", COMMANDS)
def test_command_lines_parse(line: str) -> None:
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


def anchor(heading: str) -> str:
    """The name a heading gets in a rendered page: small letters, hyphens, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def dead_links(path: Path, text: str) -> list[str]:
    """Relative links of a page to files or headings that are not there."""
    dead = []
    # What stands between fences is no link.
    for target in re.findall(r"\]\(([^)\s]+)", re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        if "://" in target:
            continue
        name, _, heading = target.partition("#")
        page = path.parent / name if name else path
        found = page.exists() and page.resolve().is_relative_to(ROOT.resolve())
        if found and heading:
            headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
            found = anchor(heading) in map(anchor, headings)
        if not found:
            dead.append(target)
    return dead


@pytest.mark.parametrize("path", documents(), ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path, path.read_text()) == []


@pytest.mark.parametrize("target", ["lost.md", "docs/lost.md", "README.md#lost", "#lost", "../elsewhere.md"])
def test_a_dead_link_is_seen(target: str) -> None:
    assert dead_links(ROOT / "README.md", f"see [this]({target})") == [target]


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
        waiting += [page.parent / target for target in targets if "://" not in target]
    assert {path.resolve() for path in documents()} - reached == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_that_pages_name_exist(path: Path) -> None:
    named = re.findall(r"`((?:src|tests|docs|examples|benchmarks)/[\w./-]*)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_paths_the_readme_names_exist() -> None:
    for name in re.findall(r"^\| `(src/[\w/.]+)`", README, flags=re.MULTILINE):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`(\w+)/`", README):
        if (ROOT / "src" / "masklet" / name).exists() or (ROOT / name).is_dir():
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
