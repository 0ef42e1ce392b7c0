"""Measurements as a document and as a picture."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masklet.bench.case import STAGES, Measured, ratios

STAGE_COLOURS = ("#888888", "#b8860b", "#2a6fdb", "#d9622b", "#2e9e5b", "#8a4fc7", "#c23b6b", "#cccccc")


def document(measured: Sequence[Measured]) -> dict[str, Any]:
    """Everything, with the machine it was measured on."""
    return {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()},
        "measured": [m.row() for m in measured],
        "ratios": [
            {
                "model": r.ours.case.model,
                "input_size": r.ours.input_size,
                "objects": r.ours.case.objects,
                "ours": r.ours.device,
                "peer": r.peer.case.by,
                "peer_device": r.peer.device,
                "times": r.times,
            }
            for r in ratios(measured)
        ],
    }


def write_json(path: Path, measured: Sequence[Measured]) -> None:
    path.write_text(json.dumps(document(measured), indent=2) + "\n")


def label(m: Measured) -> str:
    """One configuration in a line."""
    who = m.case.model if m.case.by == "masklet" else f"{m.case.model} by {m.case.by}"
    return f"{who}, {m.input_size}, {m.case.objects} obj, {m.device}"


def plot(measured: Sequence[Measured]) -> str:
    """Milliseconds a frame as stacked bars, a row a configuration: an SVG that stands alone."""
    from html import escape

    left, width, row = 330, 900, 26
    height = row * len(measured) + 70
    longest = max(sum(m.totals) / len(m.totals) for m in measured)
    scale = (width - left - 120) / longest
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{height}" fill="white"/>'
    ]
    for number, m in enumerate(measured):
        y = 10 + number * row
        parts.append(f'<text x="{left - 8}" y="{y + 14}" text-anchor="end">{escape(label(m))}</text>')
        x = float(left)
        for name, seconds in _parts(m):
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{scale * seconds:.1f}" height="{row - 6}" '
                f'fill="{_colour(name)}"><title>{name} {1000 * seconds:.1f} ms</title></rect>'
            )
            x += scale * seconds
        parts.append(f'<text x="{x + 6:.1f}" y="{y + 14}">{m.fps:.1f} frames/s</text>')
    x, y = 12, height - 34
    for name in STAGES[1:]:
        shown = name.replace("_", " ")
        parts.append(f'<rect x="{x}" y="{y}" width="11" height="11" fill="{_colour(name)}"/>')
        parts.append(f'<text x="{x + 15}" y="{y + 10}">{shown}</text>')
        x += 30 + 7 * len(shown)
    note = "mean time of a frame; decoding runs beside it on a thread of its own"
    parts.append(f'<text x="12" y="{height - 8}" fill="#555">{note}</text>')
    return "".join([*parts, "</svg>\n"])


def _parts(m: Measured) -> list[tuple[str, float]]:
    if not m.stages:
        return [("rest", sum(m.totals) / len(m.totals))]
    return [(name, max(m.stages.get(name, 0.0), 0.0)) for name in STAGES if name != "decode"]


def _colour(stage: str) -> str:
    return STAGE_COLOURS[STAGES.index(stage)]
