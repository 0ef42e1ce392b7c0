"""The process that decodes one file: bound, asked line by line, and free to die of what it reads.

`python -m masklet.server.decoder PATH FILE BYTES IDLE`: FILE is the number of an open file, the shared memory
that pixels go through, BYTES its own address space. It ends when its parent does, and when nobody has asked
for IDLE seconds.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from masklet.errors import DamagedVideoError, MaskletError
from masklet.server.bounds import bind
from masklet.server.frame_passing import put
from masklet.types import Frame
from masklet.video.protocol import FrameSource, sample_aspect_of
from masklet.video.source import open_source


class Decoder:
    """Answers questions about one file.

    shared   number of the open file whose memory takes pixels; it has its size before the first of them
    """

    def __init__(self, path: Path, shared: int) -> None:
        self._path = path
        self._shared = shared
        self._readers: dict[int, Iterator[Frame]] = {}

    def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What to answer; errors of the file are answers too."""
        for reader in question["left"]:
            self._readers.pop(reader, None)
        try:
            return self._answer(question)
        except MaskletError as error:
            return {"error": str(error), "damaged": isinstance(error, DamagedVideoError)}
        except MemoryError:
            return {"error": f"{self._path} needs too much memory to decode", "damaged": False}

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        what = question["do"]
        if what == "about":
            return self._about()
        if what == "times":
            times = np.asarray(getattr(self._source, "times", ()), np.float64)
            self._memory[: times.nbytes] = times.tobytes()
            return {"count": len(times)}
        if what == "frame":
            return put(self._source[question["index"]], self._memory, question["side"])
        if what == "next":
            return self._next(question)
        raise ValueError(f"{what!r} is no question")

    def _about(self) -> dict[str, Any]:
        source = self._source
        base, rate = getattr(source, "time_base", None), source.rate
        return {
            "width": source.width,
            "height": source.height,
            "frames": len(source),
            "rate_exact": None if rate is None else str(rate),
            "time_base": None if base is None else str(base),
            "sample_aspect": str(sample_aspect_of(source)),
        }

    def _next(self, question: dict[str, Any]) -> dict[str, Any]:
        """One frame more of a reader; one that is not known begins where the question says."""
        reader = question["reader"]
        if reader not in self._readers:
            self._readers[reader] = self._source.read(question["start"], question["stop"], question["step"])
        try:
            return put(next(self._readers[reader]), self._memory, question["side"])
        except StopIteration:
            return {"end": True}

    @cached_property
    def _source(self) -> FrameSource:
        return open_source(self._path)

    @cached_property
    def _memory(self) -> memoryview:
        try:
            return memoryview(mmap.mmap(self._shared, os.fstat(self._shared).st_size))
        except OSError as error:
            raise MemoryError from error


def _main(path: str, shared: str, most_bytes: str, idle_s: str) -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no answer
    bind(int(most_bytes))
    decoder = Decoder(Path(path), int(shared))
    while select.select([0], [], [], float(idle_s))[0] and (line := sys.stdin.buffer.readline()):
        answers.write(json.dumps(decoder.answer(json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _main(*sys.argv[1:])
