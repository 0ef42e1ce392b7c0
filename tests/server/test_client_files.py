"""Files that a remote session fetches: whole, or as they were before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import ArraySource, squares
from masklet.client.session import RemoteSession
from masklet.errors import SessionError, SinkError

FETCHES: list[Callable[[RemoteSession, Path], object]] = [
    lambda session, path: session.export("coco", path),
    lambda session, path: session.save(path),
]


class Server:
    """A transport that answers with a file, or breaks off."""

    def __init__(self, breaks: bool = False) -> None:
        self.breaks, self.asked = breaks, 0

    def call(self, method: str, path: str, body: Any = None) -> dict[str, str]:
        self.asked += 1
        return {"id": "e", "state": "done"}

    def fetch(self, method: str, path: str) -> bytes:
        self.asked += 1
        if self.breaks:
            raise SessionError("the connection broke off")
        return b"new"


def session(server: Server) -> RemoteSession:
    return RemoteSession(server, {"id": "s"}, ArraySource(squares(1)))  # type: ignore[arg-type]


@pytest.mark.parametrize("fetch", FETCHES, ids=["export", "save"])
def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path: Path, fetch) -> None:
    file = tmp_path / "work"
    file.write_bytes(b"old")
    with pytest.raises(SessionError, match="broke off"):
        fetch(session(Server(breaks=True)), file)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("work", b"old")]
    fetch(session(Server()), file)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("work", b"new")]


@pytest.mark.parametrize("fetch", FETCHES, ids=["export", "save"])
def test_a_missing_folder_is_told_before_the_server_works(tmp_path: Path, fetch) -> None:
    server = Server()
    with pytest.raises(SinkError, match=r"there is no folder .*; create it first"):
        fetch(session(server), tmp_path / "none" / "work")
    assert server.asked == 0
