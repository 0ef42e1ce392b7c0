"""Results of measurements as tables on a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from masklet.cli.screen import console

if TYPE_CHECKING:
    from masklet.evaluate.compare import Comparison
    from masklet.evaluate.document import Document

NAMES = {
    "1_click": "1 click",
    "3_clicks": "3 clicks",
    "5_clicks": "5 clicks",
    "best_of_3": "1 click, best of 3",
    "box": "box",
    "mIoU": "mIoU",
    "J&F": "J&F",
    "G": "G",
    "j_seen": "J seen",
    "j_unseen": "J unseen",
    "f_seen": "F seen",
    "f_unseen": "F unseen",
    "J": "J",
    "J_recall": "J recall",
    "J_decay": "J decay",
    "F": "F",
    "F_recall": "F recall",
    "F_decay": "F decay",
    "AP": "AP",
    "AP50": "AP50",
    "AP75": "AP75",
    "occlusion_accuracy": "occlusion accuracy",
}
"""Figures shown in percent, in this order."""
PLAIN = {
    "occlusion_auc": "occlusion AUC",
    "iou_calibration_error": "predicted IoU, calibration error",
    "iou_rank_correlation": "predicted IoU, rank correlation",
    "fps": "frames a second",
    "pictures_per_second": "pictures a second",
}
"""Figures shown as they are."""
MOST_ROWS = 60
"""Sequences listed one by one; a set of thousands has its figures only."""


def print_document(document: Document) -> None:
    """The figures of a result, by sequence where they are few, with the rules they were measured by."""
    out = console()
    out.print(document.title, style="bold", markup=False)
    for rule in document.protocol:
        out.print(f"  {rule}", style="dim", markup=False, highlight=False)
    rows = [s for s in document.scores if s.objects and s.error is None]
    if rows and len(rows) <= MOST_ROWS:
        out.print(_sequences(document))
    if document.summary.get("curve"):
        out.print(_curve(document.summary["curve"]))
    out.print(_summary(document))
    for score in document.scores:
        if score.error is not None:
            out.print(f"not measured: {score.name}: {score.error}", style="red", markup=False)


def print_comparison(found: Comparison) -> None:
    """Differences with their intervals."""
    out = console()
    table = _table("B less A", "A", "B", "difference", "95 % interval", "objects", "B better in")
    for name, one in found.measures.items():
        table.add_row(
            NAMES.get(name, f"{name} clicks" if name.isdigit() else name),
            percent(one.a),
            percent(one.b),
            f"{100 * one.mean:+.2f}",
            f"{100 * one.low:+.2f} … {100 * one.high:+.2f}",
            str(one.objects),
            f"{100 * one.better:.0f} % of draws",
        )
    out.print(table)
    if 1 < len(found.sequences) <= MOST_ROWS:
        table = _table("sequence", "A", "B", "difference")
        for name, (a, b) in found.sequences.items():
            table.add_row(name, percent(a), percent(b), f"{100 * (b - a):+.1f}")
        out.print(table)
    for warning in found.warnings:
        out.print(f"note: {warning}", style="yellow", markup=False)


def failed(document: Document) -> bool:
    """Whether something could not be measured."""
    return any(score.error is not None for score in document.scores)


def percent(value: Any) -> str:
    """One decimal; – for what does not exist."""
    return f"{100 * value:.1f}" if isinstance(value, (int, float)) and math.isfinite(value) else "–"


def _sequences(document: Document) -> Any:
    table = _table("sequence", "J", "F", "J&F", "objects", "frames", "fps")
    for score in document.scores:
        if score.error is not None:
            table.add_row(score.name, "–", "–", "–", "", "", "")
            continue
        fps = f"{score.fps:.1f}" if score.fps else "–"
        cells = [percent(score.j), percent(score.f), percent(score.jf)]
        table.add_row(score.name, *cells, str(len(score.objects)), str(score.frames), fps)
    figures = document.summary
    fps = f"{figures['fps']:.1f}" if figures.get("fps") else "–"
    # A COCO result calls its J by the name it has there.
    j = figures.get("J", figures.get("mIoU"))
    table.add_section()
    table.add_row(
        "mean over objects",
        *(percent(value) for value in (j, figures.get("F"), figures.get("J&F"))),
        str(figures["objects"]),
        "",
        fps,
        style="bold",
    )
    return table


def _curve(rows: list[dict[str, Any]]) -> Any:
    table = _table("corrected frames", "J", "F", "J&F", "clicks", "annotation time")
    for row in rows:
        cells = [percent(row[key]) for key in ("J", "F", "J&F")]
        table.add_row(str(row["frames"]), *cells, f"{row['clicks']:.1f}", f"{row['seconds']:.0f} s")
    return table


def _summary(document: Document) -> Any:
    table = _table("mean", "")
    for key, name in NAMES.items():
        if document.summary.get(key) is not None:
            table.add_row(name, percent(document.summary[key]))
    for key, name in PLAIN.items():
        value = document.summary.get(key)
        if value is not None and math.isfinite(value):
            table.add_row(name, f"{value:.3g}")
    table.add_row("objects", str(document.summary["objects"]))
    if document.summary.get("failed"):
        table.add_row("not measured", str(document.summary["failed"]))
    return table


def _table(first: str, *others: str) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
