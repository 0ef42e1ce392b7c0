"""Results as Markdown tables, in a section of a page whose other text is somebody's own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masklet.errors import DataError
from masklet.evaluate.document import Document, write_text
from masklet.evaluate.runs import Run, Subject
from masklet.video.draft import check_parent

BEGIN = "<!-- results: written by `masklet evaluate table`, from here -->"
END = "<!-- results: to here; write above or below -->"
MOST_SEQUENCES = 8
"""Data sets of more are shown by their means only."""

Found = Sequence[tuple[Run, Subject, Document | str]]
"""What was measured, and its result or why there is none."""

Column = tuple[str, str, bool]
"""Heading, key of the summary, whether it is shown in percent."""

VIDEOS: tuple[Column, ...] = (
    ("J&F", "J&F", True), ("J", "J", True), ("F", "F", True), ("J recall", "J_recall", True),
    ("J decay", "J_decay", True), ("occlusion accuracy", "occlusion_accuracy", True),
    ("frames a second", "fps", False), ("objects", "objects", False),
)  # fmt: skip
LEAVING: tuple[Column, ...] = (("occlusion AUC", "occlusion_auc", False),)
"""Besides, of videos in which objects are away on some frames."""
IMAGES: tuple[Column, ...] = (
    ("1 click", "1_click", True), ("best of 3", "best_of_3", True), ("3 clicks", "3_clicks", True),
    ("5 clicks", "5_clicks", True), ("box", "box", True),
    ("calibration error", "iou_calibration_error", True),
    ("pictures a second", "pictures_per_second", False), ("objects", "objects", False),
)  # fmt: skip


def check_page(path: Path) -> None:
    """Raise before hours of work what would keep `write_section` from writing."""
    check_parent(path)
    if path.exists():
        _parts(path)


def write_section(path: Path, found: Found, listed: Sequence[Run] = ()) -> None:
    """Write the tables between the two comments of a page; a page that is not there is made.

    listed   all runs of the page, in its order: tables of those that were not found stay as they are
    raises   DataError when the page has not both comments, SinkError when it cannot be written
    """
    before, tables, after = _parts(path) if path.exists() else ("# Results\n\n", "", "\n")
    earlier = _by_heading(tables)
    parts = []
    for run in dict.fromkeys([*listed, *(run for run, _, _ in found)]):
        rows = [(subject, result) for other, subject, result in found if other == run]
        if rows:
            parts.append(_table(run, rows))
        elif run.heading in earlier:
            parts.append(earlier[run.heading])
    tables = "\n\n".join(parts)
    write_text(path, f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}".rstrip("\n"))


def _parts(path: Path) -> tuple[str, str, str]:
    """What stands before the two comments, between them and after."""
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise DataError(f"{path} has no place for the tables; put these two lines into it: {BEGIN} and {END}")
    before, rest = text.split(BEGIN)
    tables, after = rest.split(END)
    return before, tables, after


def _by_heading(tables: str) -> dict[str, str]:
    """The tables of a page, each with its heading, by that."""
    pieces = f"\n{tables}".split("\n## ")[1:]
    return {piece.partition("\n")[0]: f"## {piece}".rstrip("\n") for piece in pieces}


def _table(run: Run, rows: Sequence[tuple[Subject, Document | str]]) -> str:
    good = [(subject, one) for subject, one in rows if isinstance(one, Document)]
    lines = [f"## {run.heading}", ""]
    if good:
        first = good[0][1]
        lines += [
            f"{'. '.join(_sentence(rule) for rule in first.protocol)}. Data: {first.config['data']}.",
            "",
        ]
        head, cells = _columns(first)
        lines += _grid(["model", "engine", "side", *head], [[*_who(s, d), *cells(d)] for s, d in good])
        lines += _by_sequence(good)
    failed = [f"- {subject}: not measured: {one}" for subject, one in rows if isinstance(one, str)]
    failed += [
        f"- {subject}: {score.name} not measured: {score.error}"
        for subject, one in good
        for score in one.scores
        if score.error is not None
    ]
    lines += [*failed, ""] if failed else []
    lines += [line for subject, one in good for line in _origin(subject, one)]
    return "\n".join(lines).rstrip("\n")


def _columns(document: Document) -> tuple[list[str], Any]:
    """Headings, and what fills them from a document of this kind."""
    if document.kind == "interactive":
        numbers = [row["frames"] for row in document.summary["curve"]]
        head = [f"J&F, {number} frame{'s' if number > 1 else ''}" for number in numbers]

        def cells(one: Document) -> list[str]:
            last = one.summary["curve"][-1]
            values = [_shown(row["J&F"], True) for row in one.summary["curve"]]
            return [*values, f"{last['clicks']:.1f}", f"{last['seconds']:.0f} s", str(one.summary["objects"])]

        return [*head, "clicks in the end", "annotation time in the end", "objects"], cells
    chosen = IMAGES if document.kind == "images" else VIDEOS
    if document.summary.get("absent_frames"):
        chosen = (*chosen, *LEAVING)
    return [name for name, _, _ in chosen], lambda one: [
        _shown(one.summary.get(key), percent) for _, key, percent in chosen
    ]


def _who(subject: Subject, document: Document) -> list[str]:
    engine = document.origin.get("engine") or {}
    where = f"{subject.engine}, {engine.get('device', '–')}" if subject.engine else engine.get("device", "–")
    return [f"`{Subject(subject.model).slug}`", where, str(engine.get("input_size", "–"))]


def _by_sequence(good: Sequence[tuple[Subject, Document]]) -> list[str]:
    names = [score.name for score in good[0][1].scores]
    if good[0][1].kind == "images" or not 1 < len(names) <= MOST_SEQUENCES:
        return []
    rows = []
    for subject, document in good:
        by_name = {s.name: s.jf for s in document.scores if s.error is None}
        rows.append([f"`{subject.slug}`", *(_shown(by_name.get(name), True) for name in names)])
    return ["J&F by sequence:", "", *_grid(["model", *names], rows)]


def _origin(subject: Subject, document: Document) -> list[str]:
    origin = document.origin
    machine = origin.get("machine") or {}
    files = (document.config.get("model") or {}).get("files") or []
    weights = ", ".join(f"{one['file']} {one['sha256'][:12]}" for one in files) or "unknown weights"
    commit = (origin.get("commit") or "no commit")[:12]
    cores = machine.get("cores", "–")
    changed = "+changes" if str(origin.get("commit")).endswith("+changes") else ""
    return [
        "",
        f"<sub>`{subject.slug}`: {str(origin.get('started', '–'))[:10]}, commit {commit}{changed}, "
        f"{machine.get('processor', '–')}, {cores} {'core' if cores == 1 else 'cores'}; {weights}</sub>",
    ]


def _grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"

    return [line(head), "|---|" + "---:|" * (len(head) - 1), *(line(row) for row in rows), ""]


def _shown(value: Any, percent: bool) -> str:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return "–"
    if percent:
        return f"{100 * value:.1f}"
    return str(value) if isinstance(value, int) else f"{value:.3g}"


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
