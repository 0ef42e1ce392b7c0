"""Three kinds of plot as inline SVG: bars, lines, points. Text and axes only, no script, no font."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

COLOURS = ("#2a6fdb", "#d9622b", "#2e9e5b", "#8a4fc7", "#b8860b", "#c23b6b")
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 44

Series = Mapping[str, Sequence[tuple[float, float]]]
"""Label → points (x, y)."""


def bars(values: Mapping[str, Sequence[float]], labels: Sequence[str], *, unit: str) -> str:
    """Horizontal bars from 0 to 1, printed as percent: one row a name, one bar a label."""
    thick, gap, left = 14, 10, 190
    row = thick * len(labels) + gap
    height = row * len(values) + 34
    parts = [_open(WIDTH, height)]
    span = WIDTH - left - 56
    for tick in (0, 25, 50, 75, 100):
        x = left + span * tick / 100
        parts.append(f'<line x1="{x:.1f}" y1="4" x2="{x:.1f}" y2="{height - 28}" class="grid"/>')
        parts.append(_text(x, height - 12, f"{tick}", "middle"))
    for number, (name, row_values) in enumerate(values.items()):
        y = 6 + number * row
        parts.append(_text(left - 8, y + row / 2 - gap / 2 + 4, name, "end"))
        for place, value in enumerate(row_values):
            top = y + place * thick
            if not math.isfinite(value):
                parts.append(_text(left + 4, top + 10, "not measured", "start"))
                continue
            colour = COLOURS[place % len(COLOURS)]
            tip = escape(f"{name} {labels[place]} {100 * value:.2f}")
            parts.append(
                f'<rect x="{left}" y="{top}" width="{max(span * value, 0.5):.1f}" height="{thick - 3}" '
                f'fill="{colour}"><title>{tip}</title></rect>'
            )
            parts.append(_text(left + span * value + 5, top + 10, f"{100 * value:.1f}", "start"))
    return "".join([*parts, "</svg>", _legend(labels) if len(labels) > 1 else "", _caption(unit)])


def lines(
    series: Series, *, x: str, y: str, join: bool = True, diagonal: bool = False, dots: bool = True
) -> str:
    """Curves, or points with their label beside them when `join` is False; y may be any range.

    dots   mark every point of a curve; too much for hundreds of them
    """
    points = [point for values in series.values() for point in values if all(map(math.isfinite, point))]
    if not points:
        return "<p>nothing to plot</p>"
    x_ticks = _ticks([p[0] for p in points] + ([0.0, 1.0] if diagonal else []), from_zero=not diagonal)
    y_ticks = _ticks([p[1] for p in points] + ([0.0, 1.0] if diagonal else []))
    place_x = _scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
    place_y = _scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [_open(WIDTH, HEIGHT)]
    for tick in x_ticks:
        at = place_x(tick)
        parts.append(f'<line x1="{at:.1f}" y1="{TOP}" x2="{at:.1f}" y2="{HEIGHT - BOTTOM}" class="grid"/>')
        parts.append(_text(at, HEIGHT - BOTTOM + 16, f"{tick:g}", "middle"))
    for tick in y_ticks:
        at = place_y(tick)
        parts.append(f'<line x1="{LEFT}" y1="{at:.1f}" x2="{WIDTH - RIGHT}" y2="{at:.1f}" class="grid"/>')
        parts.append(_text(LEFT - 6, at + 4, f"{tick:g}", "end"))
    if diagonal:
        ends = f'x1="{place_x(0):.1f}" y1="{place_y(0):.1f}" x2="{place_x(1):.1f}" y2="{place_y(1):.1f}"'
        parts.append(f'<line {ends} class="ideal"/>')
    for number, (label, values) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        good = [(place_x(a), place_y(b)) for a, b in values if math.isfinite(a) and math.isfinite(b)]
        if join and len(good) > 1:
            path = " ".join(f"{a:.1f},{b:.1f}" for a, b in good)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if dots or len(good) == 1:
            parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in good]
        if not join:
            parts += [_label_beside(a, b, label) for a, b in good]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(f'<g transform="rotate(-90 12 {middle:.0f})">{_text(12, middle, y, "middle")}</g>')
    return "".join([*parts, "</svg>", _legend(list(series)) if join and len(series) > 1 else ""])


def _label_beside(x: float, y: float, label: str) -> str:
    if x > WIDTH * 0.6:
        return _text(x - 8, y + 4, label, "end")
    return _text(x + 8, y + 4, label, "start")


def _ticks(values: Sequence[float], *, from_zero: bool = False) -> list[float]:
    """Round numbers around the values: about five, steps of 1, 2 or 5 times a power of ten."""
    low, high = min([*values, 0.0] if from_zero else values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    step = 10.0 ** math.floor(math.log10((high - low) / 4))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (step * m) <= 6)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _open(width: int, height: int) -> str:
    return f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(labels: Sequence[str]) -> str:
    marks = [
        f'<span><i style="background:{COLOURS[k % len(COLOURS)]}"></i>{escape(label)}</span>'
        for k, label in enumerate(labels)
    ]
    return f'<p class="legend">{"".join(marks)}</p>'


def _caption(text: str) -> str:
    return f'<p class="caption">{escape(text)}</p>'
