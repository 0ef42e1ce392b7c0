"""Where the files of a data set are: in a folder, or packed in a zip."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from masklet.errors import DataError


class Place(Protocol):
    """Files by name, read one at a time. Can be sent to a process."""

    def names(self) -> frozenset[str]: ...

    def reader(self, name: str) -> Callable[[], bytes]:
        """Gives the file's bytes when called; OSError when they are not to be had."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on disk; one that is not there is empty."""

    path: Path

    def names(self) -> frozenset[str]:
        return frozenset(one.name for one in self.path.iterdir()) if self.path.is_dir() else frozenset()

    def reader(self, name: str) -> Callable[[], bytes]:
        return (self.path / name).read_bytes


@dataclass(frozen=True)
class Packed:
    """A folder inside a zip. Each process opens the zip for itself."""

    file: Path
    inside: str
    """Ends with a slash, or is empty."""

    def names(self) -> frozenset[str]:
        found = (n.removeprefix(self.inside) for n in self._zip.namelist() if n.startswith(self.inside))
        return frozenset(name for name in found if name and "/" not in name)

    def reader(self, name: str) -> Callable[[], bytes]:
        return partial(self._read, name)

    def _read(self, name: str) -> bytes:
        try:
            return self._zip.read(self.inside + name)
        except KeyError as error:
            raise FileNotFoundError(f"no {name} in {self.file}:{self.inside}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise OSError(f"{self.file} is damaged: {error}") from error

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self.file)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.file} cannot be read as a shard: {error}; pack the data again") from error

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file, "inside": self.inside}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
