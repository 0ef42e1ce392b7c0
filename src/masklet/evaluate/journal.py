"""Results written as they come: a line of JSON each, so that a killed run goes on where it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from masklet.errors import DataError, SinkError


class Journal:
    """An append-only file of rows by name; the first line says which configuration they belong to.

    path     of the file; it is made with the first row
    config   plain JSON values: what the results depend on
    raises   DataError when the file holds results of another configuration
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.config = json.loads(json.dumps(config))
        self.rows: dict[str, dict[str, Any]] = {}
        """Rows read from an earlier run, by name."""
        if self.path.is_file():
            self._read()

    def _read(self) -> None:
        lines = self.path.read_text(encoding="utf-8").split("\n")
        rows = []
        for number, line in enumerate(lines):
            try:
                rows.append(json.loads(line))
            except ValueError:
                # A killed run may leave half a line at the end, and only there.
                if any(rest.strip() for rest in lines[number + 1 :]):
                    raise DataError(f"{self.path} is damaged at line {number + 1}; remove it") from None
        if not rows:
            self.path.unlink()
            return
        old = rows[0].get("config") if isinstance(rows[0], dict) else None
        if old != self.config:
            raise DataError(
                f"{self.path} holds results of other settings ({_difference(old, self.config)}); "
                "remove it or write to another file"
            )
        self.rows = {row["name"]: row["result"] for row in rows[1:]}
        # Written anew without a torn line, so that what is appended starts on a line of its own.
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        beside.replace(self.path)

    def add(self, name: str, result: Mapping[str, Any]) -> None:
        """Append one row and let it reach the disk."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("a", encoding="utf-8") as file:
                if new:
                    file.write(json.dumps({"config": self.config}) + "\n")
                file.write(json.dumps({"name": name, "result": result}) + "\n")
        except OSError as error:
            raise SinkError(f"{self.path} cannot be written: {error.strerror or error}") from error


def fingerprint(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits that stand for a configuration."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:12]


def _difference(old: Any, new: Any) -> str:
    if not isinstance(old, dict):
        return "no settings on its first line"
    keys = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {old.get(key)} there, {new.get(key)} now" for key in keys[:3])
