"""What a run leaves beside its weights for a person to look at: curves, samples, what was skipped."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from masklet.data.problems import Problems
    from masklet.train.measured import Sample

CURVES, SKIPPED, SAMPLES = "curves.svg", "skipped.txt", "samples"
POINTS = 200
"""Points a curve is drawn with: means over as many equal stretches of the run."""

STYLE = (
    "svg{background:#fff}text{font:11px system-ui,sans-serif;fill:#44505e}.grid{stroke:#e3e8ee}"
    ".title{font-weight:600}"
)


def draw_curves(folder: Path) -> Path | None:
    """Loss, J and occlusion accuracy of a run, from its log.jsonl → curves.svg; None without a step."""
    from masklet.evaluate.report.charts import lines

    steps = _steps(folder / "log.jsonl")
    if not steps:
        return None
    plots = []
    for name, title in (("loss", "loss"), ("region", "J"), ("occlusion_accuracy", "occlusion accuracy")):
        # Null was not measured; earlier versions wrote NaN for it.
        measured = [(step["step"], value) for step in steps if (value := step[name]) is not None]
        points = _means([(number, value) for number, value in measured if math.isfinite(value)])
        if points:
            plots.append((title, lines({title: points}, x="step", y=title, dots=False)))
    path = folder / CURVES
    _replace(path, _stacked(plots).encode())
    return path


def _steps(log: Path) -> list[dict[str, Any]]:
    if not log.exists():
        return []
    steps = []
    for line in log.read_text(encoding="utf-8").splitlines():
        try:
            steps.append(json.loads(line))
        except ValueError:
            continue  # a line that a kill cut short
    return steps


def _means(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points, each the mean of a stretch."""
    width = max(1, -(-len(points) // POINTS))
    groups = [points[k : k + width] for k in range(0, len(points), width)]
    return [(g[-1][0], sum(value for _, value in g) / len(g)) for g in groups]


def _stacked(plots: list[tuple[str, str]]) -> str:
    """Several plots below each other as one SVG file."""
    from masklet.evaluate.report.charts import HEIGHT, WIDTH

    high = HEIGHT + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high * len(plots)}" '
        f'width="{WIDTH}" height="{high * len(plots)}"><style>{STYLE}</style>'
        '<rect width="100%" height="100%" fill="#fff"/>'
    ]
    for number, (title, plot) in enumerate(plots):
        top = number * high
        parts.append(f'<text x="12" y="{top + 16}" class="title">{title}</text>')
        parts.append(plot.replace("<svg ", f'<svg y="{top + 24}" ', 1))
    return "".join([*parts, "</svg>"])


def sample_writer(folder: Path) -> Callable[[int, Sample], None]:
    """Writes samples/STEP.png: above the truth, below the answers, frames side by side."""

    def write(step: int, sample: Sample) -> None:
        from io import BytesIO

        from PIL import Image

        from masklet.data.sheets import compared

        picture = Image.fromarray(compared(sample.frames, sample.truth, sample.answers))
        content = BytesIO()
        picture.save(content, "PNG")
        (folder / SAMPLES).mkdir(exist_ok=True)
        _replace(folder / SAMPLES / f"{step:06d}.png", content.getvalue())

    return write


def note_skipped(folder: Path, problems: Problems) -> str:
    """Write skipped.txt, a line an item; returns the summary for a person, empty when nothing was skipped."""
    path = folder / SKIPPED
    if not len(problems):
        return ""
    before: Iterable[str] = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    listed = sorted({*before, *map(str, problems)})
    _replace(path, "".join(line + "\n" for line in listed).encode())
    return f"skipped {problems}; each is named in {path}"


def _replace(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_bytes(content)
    os.replace(beside, path)
