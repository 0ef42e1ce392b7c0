"""`python -m masklet`."""

from __future__ import annotations

import subprocess
import sys

import pytest

import masklet
from masklet import __main__


def test_the_package_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "masklet", "--version"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"masklet {masklet.__version__}\n", "")


def test_ctrl_c_while_loading_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Impatient:
        """A module whose loading is interrupted."""

        def __getattr__(self, name: str) -> None:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "masklet.cli", Impatient())  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as left:
        __main__.main()
    assert left.value.code == 130
    assert capsys.readouterr().err == "masklet: interrupted\n"
