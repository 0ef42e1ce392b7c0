"""The program around the commands: help, exit codes, and no option without a test."""

from __future__ import annotations

import ast
import errno
import shlex
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import typer

from masklet.cli import program
from masklet.cli.prompts import ORDERED
from masklet.errors import (
    CheckpointError,
    ConfigError,
    MaskletError,
    PromptError,
    UnknownFrameError,
    UnknownObjectError,
)


def commands() -> dict[tuple[str, ...], Any]:
    """Every command and group of the program, by the words that call it."""
    found: dict[tuple[str, ...], Any] = {}

    def walk(command: Any, words: tuple[str, ...]) -> None:
        found[words] = command
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, (*words, name))

    walk(typer.main.get_command(program.application()), ())
    return found


COMMANDS = commands()


def options(command: Any) -> list[tuple[str, ...]]:
    """The spellings of each option of a command."""
    spelled = [tuple(p.opts) for p in command.params if p.param_type_name == "option"]
    return [names for names in spelled if "--help" not in names]


def called_in_tests() -> dict[tuple[str, ...], set[str]]:
    """Command → options in tests that call it. Where arguments are spread (`*arguments`), every string
    of the test function and its parameters may be one."""
    given: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path in Path(__file__).parent.glob("test_*.py"):
        for test in ast.walk(ast.parse(path.read_text())):
            if not isinstance(test, ast.FunctionDef):
                continue
            for call in ast.walk(test):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "cli":
                    called, options_given = spoken(call, test)
                    given[called] |= options_given
    return given


def spoken(call: ast.Call, test: ast.FunctionDef) -> tuple[tuple[str, ...], set[str]]:
    """The command of a `cli(…)` call and the options it may be given."""
    words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    called = next(tuple(words[:n]) for n in range(len(words), -1, -1) if tuple(words[:n]) in COMMANDS)
    if any(isinstance(a, ast.Starred) for a in call.args):
        words += [n.value for n in ast.walk(test) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return called, {word for word in words if word.startswith("-")}


def test_every_option_is_exercised() -> None:
    given = called_in_tests()
    untested = [
        f"{' '.join(words) or 'masklet'} {names[0]}"
        for words, command in COMMANDS.items()
        for names in options(command)
        if not given[words] & set(names)
    ]
    assert untested == []


@pytest.mark.parametrize("words", COMMANDS, ids=lambda w: " ".join(w) or "masklet")
def test_help_opens_with_an_example_that_parses(cli, words: tuple[str, ...]) -> None:
    done = cli(*words, "--help")
    assert done.code == 0
    example = COMMANDS[words].help.split("\n")[0].strip("`")
    called = shlex.split(example)
    assert called[: 1 + len(words)] == ["masklet", *words]
    shown = " ".join(done.out.split())
    assert shown.index(example.split(" --")[0]) < shown.index("Options")
    target = COMMANDS[tuple(called[1 : 1 + len(words)])]
    if words and not hasattr(target, "commands"):
        target.make_context(" ".join(words), called[1 + len(words) :])


@pytest.mark.parametrize(
    "words", [w for w, c in COMMANDS.items() if options(c)], ids=lambda w: " ".join(w) or "masklet"
)
def test_every_option_has_a_help_text(words: tuple[str, ...]) -> None:
    for parameter in COMMANDS[words].params:
        assert getattr(parameter, "help", None), parameter.name


def test_ordered_options_exist() -> None:
    assert set(ORDERED) <= {p.name for p in COMMANDS[("track",)].params}


def test_version(cli) -> None:
    import masklet

    assert cli("--version").out.strip() == f"masklet {masklet.__version__}"


def test_alone_it_shows_its_help(cli) -> None:
    done = cli()
    assert done.code == 2
    assert "Usage" in done.out + done.err
    assert "masklet: " not in done.err


def test_an_unknown_command_or_option(cli) -> None:
    assert "No such command 'trak'" in cli("trak").complaint
    done = cli("track", "v.mp4", "--klick", "1,2")
    assert done.code == 2
    assert "--klick" in done.complaint
    assert "masklet track --help" in done.complaint


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (PromptError("bad click"), 2, "bad click"),
        (ConfigError("bad setting"), 2, "bad setting"),
        (UnknownFrameError("frame 9"), 2, "frame 9"),
        (UnknownObjectError("object 9"), 2, "object 9"),
        (CheckpointError("two\nlines"), 1, "two lines"),
        (MaskletError("other"), 1, "other"),
        (OSError(errno.ENOSPC, "No space left on device", "out.mp4"), 1, "No space left on device: out.mp4"),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "masklet: No space left on device: an output"),
        (MemoryError(), 1, "out of memory"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: …"),
            1,
            "smaller --input-size",
        ),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), 1, "smaller --input-size"),
        (ZeroDivisionError("by zero"), 1, "unexpected ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_become_one_line_and_a_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, error: BaseException, code: int, text: str
) -> None:
    def load(*_: object, **__: object) -> None:
        raise error

    assert program.run(["segment", "p.png", "--click", "1,1", "--json"], load=load) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("masklet: ")
    assert text in err


def test_debugging_shows_where(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(program.DEBUG_VARIABLE, "1")

    def load(*_: object, **__: object) -> None:
        raise CheckpointError("lost")

    assert program.run(["segment", "p.png", "--click", "1,1", "--json"], load=load) == 1
    assert "Traceback" in capsys.readouterr().err
    for off in ("0", ""):
        monkeypatch.setenv(program.DEBUG_VARIABLE, off)
        assert program.run(["segment", "p.png", "--click", "1,1", "--json"], load=load) == 1
        assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("command", ["segment", "track", "auto"])
def test_an_empty_path_is_not_the_folder_one_is_in(cli, command: str) -> None:
    done = cli(command, "", "--json")
    assert done.code == 2
    assert "the path is empty" in done.complaint
