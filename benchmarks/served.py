"""A real `masklet serve` in a process of its own, for as long as something is measured."""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from masklet.model.registry import DEFAULT

START_S = 300.0
"""Seconds a model may take to be opened."""
END_S = 60.0
"""Seconds a server may take to save everything."""


@dataclass(frozen=True)
class Served:
    """A server that answers. url: without a slash at its end; process: its id."""

    url: str
    process: int


class Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """A script's docstring as it stands, and every option with its default."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What every measurement of a server asks for."""
    parser.add_argument("--model", default=DEFAULT, help="as in `masklet serve`")
    parser.add_argument("--input-size", type=int, help="as in `masklet serve`")
    parser.add_argument(
        "--program",
        default=f"{shlex.quote(sys.executable)} -m masklet",
        help="the program that is measured",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")


@contextmanager
def served(options: argparse.Namespace, more: Sequence[str] = ()) -> Iterator[Served]:
    """A server with an empty store, from the moment its model is open; ended and wiped afterwards.

    options   as `add_options` has them
    more      further options of `masklet serve`
    """
    with tempfile.TemporaryDirectory(prefix="masklet-measured-") as store:
        command = [*shlex.split(options.program), "serve", "--port", "0", "--no-browser", "--store", store]
        command += ["--model", options.model, *more]
        if options.input_size is not None:
            command += ["--input-size", str(options.input_size)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if "http" not in line:
                sys.exit("the server did not start; what it said stands above")
            url = line.split()[-1].rstrip("/")
            _wait_for(url, process)
            yield Served(url, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for(url: str, process: subprocess.Popen[str]) -> None:
    ends = time.monotonic() + START_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except OSError:  # not yet there, or a 503 while the model is opened
            time.sleep(0.1)
    sys.exit("the server did not become ready; is the model there?")
