"""A decoding process seen from the server: started when it is needed, asked with a time limit, ended."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from masklet.server.settings import Limits

MOST_ANSWER = 2**16
"""Bytes of one answer; pixels go another way."""


class Broken(Exception):
    """The process died of a question, took too long over it, or answered nonsense; it is gone."""


class LimitedProcess:
    """A process for one file. One thread at a time may use it.

    shared   number of the open file that pixels go through
    """

    def __init__(self, path: Path, shared: int, limits: Limits) -> None:
        self._path = path
        self._shared = shared
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._is_new = False  # it has answered nothing yet
        self._is_over = False

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        """The answer to a question; raises Broken. A process that had ended is started anew."""
        for _ in range(2):
            process = self.start()
            # A new one opens the file first, which takes as long as its first look did.
            seconds = self._limits.probe_s if self._is_new else self._limits.frame_s
            if not _sent(process, question):
                continue  # it was gone already
            line = self._answer(process, seconds)
            if line is not None:
                self._is_new = False
                return self._read(line)
            if not _retired(process):
                break
            # Nobody had asked for long: it ended by itself in the moment of the question.
        self.end()
        raise Broken("the decoder broke down")

    def interrupt(self) -> None:
        """Have the question fail that another thread may be asking, and all that follow. `end` it then."""
        self._is_over = True
        if (process := self._process) is not None:
            process.kill()

    def end(self) -> None:
        """End the process, if there is one; the next question starts another."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def start(self) -> subprocess.Popen[bytes]:
        """The process, started if it does not run, without waiting until it can answer. Raises Broken."""
        if self._process is not None and self.is_running:
            return self._process
        self.end()
        if self._is_over:
            raise Broken("it was closed")
        self._is_new = True
        command = [sys.executable, "-m", "masklet.server.decoder"]
        numbers = (self._shared, self._limits.probe_bytes, self._limits.decoder_idle_s)
        try:
            self._process = subprocess.Popen(
                [*command, str(self._path), *map(str, numbers)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(self._shared,),
                bufsize=0,
                start_new_session=True,  # Ctrl-C is for the server, which still needs frames to end well
                env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise Broken(f"no process can be started ({error.strerror or error})") from error
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> bytes | None:
        """The line that comes; None when the process ended instead. Raises Broken."""
        assert process.stdout is not None
        ends, answer = time.monotonic() + seconds, b""
        while not answer.endswith(b"\n"):
            left = ends - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                self.end()
                raise Broken(f"the decoder took longer than {seconds:g} s")
            part = process.stdout.read(MOST_ANSWER)
            if not part:
                return None
            answer += part
            if len(answer) > MOST_ANSWER:
                self.end()
                raise Broken("the decoder answered too much")
        return answer

    def _read(self, line: bytes) -> dict[str, Any]:
        try:
            told = json.loads(line)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            self.end()
            raise Broken("the decoder answered nonsense")
        return told


def _sent(process: subprocess.Popen[bytes], question: dict[str, Any]) -> bool:
    """Write a question; False when the process had ended before."""
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(question).encode() + b"\n")
    except OSError:
        return False
    return True


def _retired(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process that answers no more has ended by itself, as it does when nobody asks."""
    try:
        return process.wait(timeout=1) == 0
    except subprocess.TimeoutExpired:
        return False
