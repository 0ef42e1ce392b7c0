"""What was measured, as a small table and as JSON. What was not measured is in neither."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    value   in `unit`; a text where it is no number
    count   how many measurements it stands for
    bar     what is aimed at, in words; empty when nothing is
    """

    name: str
    value: float | int | str
    unit: str = ""
    count: int | None = None
    bar: str = ""


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least this part of them do not exceed; no value is made up between two."""
    ordered = sorted(values)
    place = -int(-part * len(ordered) // 1) - 1  # rounded up, counted from 0
    return ordered[max(place, 0)]


def times(name: str, milliseconds: Sequence[float], bar: str = "") -> list[Figure]:
    """p50, p95 and the longest of some times; nothing when there are none. The bar is p95's."""
    if not milliseconds:
        return []
    parts = [("p50", quantile(milliseconds, 0.5), ""), ("p95", quantile(milliseconds, 0.95), bar)]
    parts.append(("longest", max(milliseconds), ""))
    return [Figure(f"{name}, {what}", round(v, 1), "ms", len(milliseconds), b) for what, v, b in parts]


def show(title: str, figures: Iterable[Figure], settings: Mapping[str, Any], path: Path | None) -> None:
    """Print the table; write the JSON if it is wanted."""
    figures = list(figures)
    table = Table(title=title, title_justify="left")
    for heading, justify in (("", "left"), ("measured", "right"), ("of", "right"), ("bar", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for one in figures:
        count = "" if one.count is None else str(one.count)
        table.add_row(one.name, f"{one.value} {one.unit}".strip(), count, one.bar)
    Console(width=100).print(table)
    if path is not None:
        told = {
            "title": title,
            "machine": {"processors": os.cpu_count(), "system": platform.platform()},
            "settings": dict(settings),
            "figures": [asdict(one) for one in figures],
        }
        path.write_text(json.dumps(told, indent=1, default=str) + "\n")
