"""Writing annotation files whole, and reading the tables they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from masklet.errors import DataError
from masklet.evaluate.document import write_text


def write_json(path: Path, content: Any) -> None:
    """Beside and renamed; raises SinkError."""
    write_text(path, json.dumps(content))


def read_json_file(path: Path) -> Any:
    """raises   DataError naming the file"""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path} is not JSON: {error}") from error
