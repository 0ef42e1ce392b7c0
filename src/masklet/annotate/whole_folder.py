"""A folder that is filled whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from masklet.errors import SinkError

PART = ".masklet-part"
"""Where files wait, inside the folder, until all of them are there."""


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Gives a place to write to; what lies there at the end becomes the folder's content.

    raises   SinkError when the folder holds something already: a data set that is mixed with an older one
             has masks that nobody stands for any more
    """
    existed = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        there = sorted(path.name for path in folder.iterdir() if path.name != PART)
    except (FileExistsError, NotADirectoryError) as error:
        raise SinkError(f"{folder} is no folder; name a new one") from error
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error.strerror or error}") from error
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise SinkError(f"{folder} is not empty (it holds {there[0]}{more}); name a new folder, or empty it")
    part = folder / PART
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        part.mkdir()
    except OSError as error:
        raise SinkError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield part
        for path in part.iterdir():
            path.rename(folder / path.name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()
