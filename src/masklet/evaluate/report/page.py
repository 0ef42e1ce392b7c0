"""The page itself: one HTML file without scripts, fonts or anything to fetch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from masklet.evaluate.document import Document, write_text
from masklet.evaluate.readers.dataset import VideoSet
from masklet.evaluate.report import charts
from masklet.evaluate.report.gallery import Failure, failures

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c2530;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.2rem}table{border-collapse:collapse;margin:.6rem 0}
td,th{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #dde3ea}
td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#44505e}
.grid{stroke:#e3e8ee}.ideal{stroke:#9aa7b5;stroke-dasharray:4 4}
.caption,.legend{color:#5a6775;font-size:.85rem}
.legend span{margin-right:1.2rem}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.failures{display:grid;grid-template-columns:repeat(auto-fill,minmax(420px,1fr));gap:1rem}
figure{margin:0}figure img{width:49%;vertical-align:top}figcaption{font-size:.85rem;color:#5a6775}
.error{color:#a4261d}details pre{overflow:auto;background:#f5f7f9;padding:.6rem}
"""

FIGURES = {
    "J&F": "percent", "J": "percent", "J_recall": "percent", "J_decay": "percent", "F": "percent",
    "F_recall": "percent", "F_decay": "percent", "G": "percent", "j_seen": "percent", "j_unseen": "percent",
    "f_seen": "percent", "f_unseen": "percent", "mIoU": "percent", "AP": "percent", "AP50": "percent",
    "AP75": "percent", "1_click": "percent", "3_clicks": "percent", "5_clicks": "percent",
    "best_of_3": "percent", "box": "percent", "occlusion_accuracy": "percent", "occlusion_auc": "number",
    "iou_calibration_error": "number", "iou_rank_correlation": "number", "fps": "number",
    "pictures_per_second": "number",
}  # fmt: skip
"""Figures of a summary that the table shows, in this order, and how."""


def write_page(path: str | Path, documents: Sequence[Document], videos: VideoSet | None = None) -> None:
    """Write the page of one result, or of several side by side; raises SinkError.

    videos   the data set, for the gallery of the first result's worst frames; None leaves it out
    """
    write_text(path, page(documents, videos))


def page(documents: Sequence[Document], videos: VideoSet | None = None) -> str:
    """The page as text."""
    documents = _told_apart(documents)
    first = documents[0]
    title = " · ".join(d.title for d in documents)
    parts = [f"<h1>{escape(title)}</h1>", _protocols(documents), _figures(documents)]
    parts += _plots(documents)
    if videos is not None:
        parts.append(_gallery(failures(first.scores, videos), first.title if len(documents) > 1 else ""))
    parts += [_errors(first), _origin(documents)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _told_apart(documents: Sequence[Document]) -> list[Document]:
    """The same, no two with one title: what they are plotted by and named by in tables."""
    titles = [d.title for d in documents]
    sides, weights = [_side(d) for d in documents], [_weights(d) for d in documents]
    for said in (sides, weights, [str(k + 1) for k in range(len(documents))]):
        if len(set(titles)) == len(titles):
            break
        titles = [f"{title}, {one}" if one else title for title, one in zip(titles, said, strict=True)]
    return [replace(d, title=title) for d, title in zip(documents, titles, strict=True)]


def _side(document: Document) -> str:
    side = (document.origin.get("engine") or {}).get("input_size")
    return f"seen at {side}" if side else ""


def _weights(document: Document) -> str:
    model = document.config.get("model")
    files = model.get("files") if isinstance(model, Mapping) else None
    return "weights " + " ".join(one["sha256"][:7] for one in files) if files else ""


def _protocols(documents: Sequence[Document]) -> str:
    """The rules, once where all results have the same."""
    alike = len({tuple(d.protocol) for d in documents}) == 1
    parts = []
    for document in documents[:1] if alike else documents:
        rules = "".join(f"<li>{escape(rule)}</li>" for rule in document.protocol)
        parts.append(("" if alike else f"<h3>{escape(document.title)}</h3>") + f"<ul>{rules}</ul>")
    return f"<h2>Protocol</h2>{''.join(parts)}"


def _figures(documents: Sequence[Document]) -> str:
    names = [name for name in FIGURES if any(d.summary.get(name) is not None for d in documents)]
    head = "".join(f"<th>{escape(d.title)}</th>" for d in documents)
    rows = [
        f"<tr><td>{escape(name.replace('_', ' '))}</td>"
        + "".join(f"<td>{_shown(d.summary.get(name), FIGURES[name])}</td>" for d in documents)
        + "</tr>"
        for name in names
    ]
    return f"<h2>Figures</h2><table><tr><th></th>{head}</tr>{''.join(rows)}</table>"


def _shown(value: Any, how: str) -> str:
    if not isinstance(value, (int, float)) or value != value:
        return "–"
    return f"{100 * value:.1f}" if how == "percent" else f"{value:.3g}"


def _plots(documents: Sequence[Document]) -> list[str]:
    parts = []
    first = documents[0]
    if any(score.objects for score in first.scores) and len(first.scores) <= 200:
        parts.append("<h2>Sequences</h2>" + _sequence_bars(documents))
    curves = {d.title: d.summary["curve"] for d in documents if d.summary.get("curve")}
    if curves:
        for key, label in (("clicks", "clicks an object"), ("seconds", "annotation time an object, seconds")):
            points = {
                name: [(row[key], 100 * row["J&F"]) for row in rows if row["J&F"] is not None]
                for name, rows in curves.items()
            }
            parts.append(f"<h2>J&amp;F against {escape(label)}</h2>" + charts.lines(points, x=label, y="J&F"))
    if first.kind == "images":
        counts = {d.title: _click_points(d.summary) for d in documents}
        parts.append("<h2>IoU against clicks</h2>" + charts.lines(counts, x="clicks", y="mean IoU"))
    speed = {
        d.title: [(float(d.summary["fps"]), 100 * float(d.summary["J&F"]))]
        for d in documents
        if d.summary.get("fps") and d.summary.get("J&F") is not None
    }
    if len(speed) > 1:
        plot = charts.lines(speed, x="frames a second, decoding included", y="J&F", join=False)
        parts.append("<h2>Speed and accuracy</h2>" + plot)
    for document in documents:
        bins = document.summary.get("iou_bins")
        if not bins:
            continue
        points = {
            "masks": [(g, t) for g, t in zip(bins["predicted"], bins["true"], strict=True) if g is not None]
        }
        plot = charts.lines(points, x="predicted IoU", y="true IoU", diagonal=True)
        whose = _of(document.title if len(documents) > 1 else "")
        parts.append(f"<h2>Is predicted IoU right?{whose}</h2>{plot}")
    return parts


def _of(whose: str) -> str:
    return f" ({escape(whose)})" if whose else ""


def _sequence_bars(documents: Sequence[Document]) -> str:
    if len(documents) == 1:
        rows = {s.name: (s.j, s.f) if s.error is None else (float("nan"),) * 2 for s in documents[0].scores}
        return charts.bars(rows, ("J", "F"), unit="percent, mean over the sequence's objects")
    values: dict[str, list[float]] = {s.name: [] for s in documents[0].scores}
    for document in documents:
        found = {s.name: s.jf for s in document.scores if s.error is None}
        for name, row in values.items():
            row.append(found.get(name, float("nan")))
    return charts.bars(values, [d.title for d in documents], unit="J&F in percent")


def _click_points(summary: Mapping[str, Any]) -> list[tuple[float, float]]:
    # A figure that does not exist is NaN in memory and null in a file.
    named = [(int(k.split("_")[0]), v) for k, v in summary.items() if "_click" in k and v is not None]
    return [(float(count), 100 * float(value)) for count, value in sorted(named)]


def _gallery(found: Sequence[Failure], whose: str) -> str:
    """Pictures of one result; `whose` says which where there are several."""
    if not found:
        return ""
    cards = [
        f'<figure><img alt="ours" src="data:image/jpeg;base64,{one.ours}"> '
        f'<img alt="truth" src="data:image/jpeg;base64,{one.true}">'
        f"<figcaption>{escape(one.sequence)} frame {escape(one.frame)}, object {one.object_id}: "
        f"J {100 * one.j:.1f}, F {100 * one.f:.1f}</figcaption></figure>"
        for one in found
    ]
    return (
        f"<h2>Worst frames{_of(whose)}</h2>"
        '<p class="caption">Each object\'s worst frame: ours in red, the truth in green.</p>'
        f'<div class="failures">{"".join(cards)}</div>'
    )


def _errors(document: Document) -> str:
    rows = [
        f'<li class="error">{escape(s.name)}: {escape(s.error)}</li>'
        for s in document.scores
        if s.error is not None
    ]
    return f"<h2>Not measured</h2><ul>{''.join(rows)}</ul>" if rows else ""


def _origin(documents: Sequence[Document]) -> str:
    parts = [
        f"<details><summary>{escape(d.title)}</summary><pre>"
        f"{escape(json.dumps({'config': d.config, 'origin': d.origin}, indent=2))}</pre></details>"
        for d in documents
    ]
    return f"<h2>Where the figures come from</h2>{''.join(parts)}"
