"""Files written beside their place and put there when complete, with failures told in one line."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from masklet.errors import SinkError

REMEDIES = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "free some space or write to another disk",
    errno.EFBIG: "write to a disk that takes larger files",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder you may write to",
    errno.ENOENT: "create its folder first",
    errno.ENOTDIR: "choose another path",
    errno.EISDIR: "choose another path",
}


class Draft:
    """A file in the making: write to `path`, then `commit()` puts it at `target`, `discard()` removes it.

    Until then whatever stood at the target stays. A target that is no regular file (/dev/stdout, a
    pipe) is written directly; a link stays a link and what it points at is replaced.
    """

    def __init__(self, target: str | os.PathLike[str]) -> None:
        self.target = Path(target)
        check_parent(self.target)
        if self.target.is_dir():
            raise SinkError(f"cannot write {self.target}: it is a folder; give the name of a file in it")
        self._direct = is_direct(self.target)
        self.path = self.target
        if not self._direct:
            place = self.target.resolve()
            self.path = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
        with writing(self.target):
            self.path.open("wb").close()

    def commit(self) -> None:
        if not self._direct:
            with writing(self.target):
                os.replace(self.path, self.target.resolve())

    def discard(self) -> None:
        if not self._direct:
            with suppress(OSError):
                self.path.unlink()


@contextmanager
def drafted(target: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a Draft that is put at its target when the block is through, and removed after an error."""
    draft = Draft(target)
    try:
        with writing(draft.target):
            yield draft.path
        draft.commit()
    except BaseException:
        draft.discard()
        raise


def is_direct(target: Path) -> bool:
    """Whether to write to the target itself: it is a device or a pipe, or one of /dev's names for a file."""
    return target.exists() and (not target.is_file() or target.parent == Path("/dev"))


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turn the system's complaints into a SinkError that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        raise unwritable(target, error) from error


def unwritable(target: Path, error: OSError) -> SinkError:
    reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    remedy = REMEDIES.get(error.errno or 0, "choose another path")
    return SinkError(f"cannot write {target}: {reason}; {remedy}")


def check_parent(target: Path) -> None:
    """Raise SinkError unless the folder that is to hold the target exists."""
    if not target.parent.is_dir():
        raise SinkError(f"cannot write {target}: there is no folder {target.parent}; create it first")


def make_folder(folder: Path) -> None:
    """Make the folder itself, not its parents: a mistyped path must not grow a tree."""
    check_parent(folder)
    with writing(folder):
        if folder.exists() and not folder.is_dir():
            raise SinkError(f"cannot write into {folder}: it is a file; give the name of a folder")
        folder.mkdir(exist_ok=True)
        probe = folder / f".{secrets.token_hex(4)}.part"
        probe.touch()
        probe.unlink()
