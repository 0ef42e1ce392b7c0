"""A PostgreSQL server for the tests, from the system's own package, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 180
"""Seconds for a start on a machine that is busy with something else."""


def programs() -> Path | None:
    """The folder with initdb and pg_ctl: the newest version's, or what the PATH has."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda p: int(p.parts[-3]))
    if found:
        return found[-1].parent
    named = shutil.which("pg_ctl")
    return Path(named).parent if named else None


def account() -> str | None:
    """The server refuses to run as root: somebody else then."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


class Server:
    """Starts and stops; its data stays between the two."""

    def __init__(self, folder: Path, bin: Path) -> None:
        self.folder, self.bin, self.user = folder, bin, account()
        self.data = folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://tester@/{database}?host={self.folder}"

    def initialise(self) -> None:
        self._call(
            "initdb",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
            "-A",
            "trust",
            "-U",
            "tester",
            "-D",
            str(self.data),
        )

    def start(self) -> None:
        quick = "-c fsync=off -c autovacuum=off"
        options = f"-c listen_addresses='' -c unix_socket_directories='{self.folder}' {quick}"
        log = str(self.folder / "log")
        self._call(
            "pg_ctl", "-w", "-t", str(PATIENCE), "-D", str(self.data), "-l", log, "-o", options, "start"
        )

    def stop(self, mode: str = "fast") -> None:
        self._call("pg_ctl", "-w", "-t", str(PATIENCE), "-D", str(self.data), "-m", mode, "stop")

    def _call(self, program: str, *arguments: str) -> None:
        who = {} if self.user is None else {"user": self.user}
        subprocess.run(
            [self.bin / program, *arguments],
            check=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=2 * PATIENCE,
            env={**os.environ, "LC_ALL": "C"},
            **who,
        )


@contextmanager
def server(bin: Path) -> Iterator[Server]:
    """A running server; gone without a trace afterwards."""
    # Not pytest's folder: a socket's path has to be short, and another user must get in.
    folder = Path(tempfile.mkdtemp(prefix="masklet-pg-"))
    one = Server(folder, bin)
    try:
        if one.user is not None:
            shutil.chown(folder, one.user)
        one.initialise()
        one.start()
        try:
            yield one
        finally:
            one.stop("immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
