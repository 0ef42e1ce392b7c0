"""Files at a URI, through fsspec: a disk, S3, GCS, HTTP, … Everything is written beside and renamed."""

from __future__ import annotations

import os
import posixpath
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from masklet.errors import MaskletError, MissingExtraError, SinkError, VideoError


def located(uri: str) -> tuple[Any, str]:
    """The file system a URI is on, and the path there; raises MaskletError for one that cannot be used."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError("batches need fsspec: pip install 'masklet[ray]' or fsspec") from error
    try:
        return fsspec.core.url_to_fs(uri)
    except (ImportError, ValueError) as error:  # a protocol that is unknown, or whose package is missing
        raise MaskletError(f"cannot use {uri}: {error}") from error


def is_local(system: Any) -> bool:
    protocol = system.protocol
    return "file" in ((protocol,) if isinstance(protocol, str) else protocol)


@dataclass(frozen=True)
class Store:
    """A folder at a URI; names in it use /. Pickles, and works from any process that reaches the URI."""

    uri: str

    def at(self, name: str) -> str:
        """The URI of a name."""
        return f"{self.uri.rstrip('/')}/{name}"

    def exists(self, name: str) -> bool:
        system, path = located(self.at(name))
        return bool(system.exists(path))

    def read(self, name: str) -> bytes:
        """The whole content; raises FileNotFoundError when there is none, else SinkError."""
        system, path = located(self.at(name))
        with self._telling("read", name):
            return bytes(system.cat_file(path))

    def write(self, name: str, content: bytes) -> None:
        """Replace a file; raises SinkError, and the earlier file stays."""
        system, path = located(self.at(name))
        beside = _beside(path)
        with self._telling("write", name):
            system.makedirs(posixpath.dirname(path), exist_ok=True)
            try:
                system.pipe_file(beside, content)
                _rename(system, beside, path)
            except BaseException:
                with suppress(Exception):
                    system.rm_file(beside)
                raise

    def put(self, name: str, file: Path) -> None:
        """Bring a local file here; raises SinkError."""
        system, path = located(self.at(name))
        beside = _beside(path)
        with self._telling("write", name):
            system.makedirs(posixpath.dirname(path), exist_ok=True)
            try:
                system.put_file(str(file), beside)
                _rename(system, beside, path)
            except BaseException:
                with suppress(Exception):
                    system.rm_file(beside)
                raise

    def names(self, folder: str) -> list[str]:
        """File names in a folder, sorted; none when it is not there. Drafts are left out."""
        system, path = located(self.at(folder))
        system.invalidate_cache(path)
        try:
            with self._telling("read", folder):
                found = system.ls(path, detail=False)
        except FileNotFoundError:
            return []
        names = (posixpath.basename(str(one).rstrip("/")) for one in found)
        return sorted(name for name in names if not name.endswith(".part"))

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all in it; one that is not there is fine."""
        system, path = located(self.at(name))
        with suppress(FileNotFoundError), self._telling("remove", name):
            system.rm(path, recursive=True)

    @contextmanager
    def _telling(self, verb: str, name: str) -> Iterator[None]:
        """Turn a file system's complaints into one line; a file that is not there is the caller's matter."""
        try:
            yield
        except (FileNotFoundError, MaskletError):
            raise
        except Exception as error:  # each file system has errors of its own
            reason = (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"
            raise SinkError(f"cannot {verb} {self.at(name)}: {reason}; choose another place") from error


def _beside(path: str) -> str:
    folder, name = posixpath.split(path)
    return posixpath.join(folder, f".{name}.{secrets.token_hex(4)}.part")


def _rename(system: Any, beside: str, path: str) -> None:
    if is_local(system):
        os.replace(beside, path)
    else:
        system.mv(beside, path)


def read_text(uri: str) -> str:
    """A text file at a URI; raises MaskletError."""
    system, path = located(uri)
    try:
        return bytes(system.cat_file(path)).decode("utf-8")
    except FileNotFoundError as error:
        raise MaskletError(f"{uri} does not exist; check the path") from error
    except UnicodeDecodeError as error:
        raise MaskletError(
            f"{uri} is not text in UTF-8 ({error.reason}); give a file of JSON lines"
        ) from error
    except Exception as error:  # each file system has errors of its own
        raise MaskletError(f"cannot read {uri}: {error}; check the path") from error


@contextmanager
def fetched(uri: str) -> Iterator[Path]:
    """A video as a file or folder of this machine while the block runs; raises VideoError.

    What lies on this machine is used where it is; the rest is copied into a temporary folder, under its
    own name (saved sessions know their video by it).
    """
    try:
        system, path = located(uri)
    except MissingExtraError:
        raise
    except MaskletError as error:
        raise VideoError(str(error)) from error
    if is_local(system):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="masklet-") as folder:
        local = Path(folder) / posixpath.basename(path.rstrip("/"))
        try:
            system.get(path, str(local), recursive=bool(system.isdir(path)))
        except FileNotFoundError as error:
            raise VideoError(f"{uri} does not exist; check the path") from error
        except Exception as error:  # each file system has errors of its own
            raise VideoError(f"cannot fetch {uri}: {type(error).__name__}: {error}") from error
        yield local
