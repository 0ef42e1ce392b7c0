"""A project's standing and the three ways to annotate as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from masklet.cli.screen import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from masklet.annotate.phases import PhaseFigures
    from masklet.annotate.progress import Standing


def print_standing(found: Standing) -> None:
    """Videos, people and ways, as far as there are any."""
    from masklet.annotate.records import PHASES, STATUSES

    out = console()
    out.print(f"model: {found.model}")
    videos = _table("video", *STATUSES)
    for name, counts in found.videos.items():
        videos.add_row(name, *(str(counts.get(status, 0)) for status in STATUSES))
    videos.add_row("all", *(str(found.statuses[status]) for status in STATUSES))
    out.print(videos)
    people = _table("person", "role", "submitted", "satisfactory", "verified", "minutes")
    for name, row in found.people.items():
        good = _percent(row["satisfactory"])
        minutes = f"{row['seconds'] / 60:.1f}"
        people.add_row(name, row["role"], str(row["submitted"]), good, str(row["verified"]), minutes)
    out.print(people)
    if found.phases:
        ways = _table("way", "masklets", "s / frame", "edited", "clicks")
        for phase, effort in found.phases.items():
            ways.add_row(
                f"{phase}: {PHASES[phase]}",
                str(effort.masklets),
                _number(effort.seconds),
                _percent(effort.edited),
                _number(effort.clicks),
            )
        out.print(ways)
    if found.agreement.pairs:
        kappa = _number(found.agreement.kappa)
        same = _percent(found.agreement.same)
        out.print(f"two reviewers agree: {same} of {found.agreement.pairs} pairs, kappa {kappa}")
    for masklet, (who, _) in found.held.items():
        out.print(f"masklet {masklet} is held by {who}")


def print_phases(equal: Sequence[PhaseFigures], plain: Sequence[PhaseFigures]) -> None:
    """The paper's table: at equal J&F, at one quality, and the paper's own figures."""
    from masklet.annotate.phases import PAPER
    from masklet.annotate.records import PHASES

    out = console()
    columns = ("good", "s / frame", "of 1", "edited", "clicks", "J&F", "aligned", "small", "medium", "large")
    for title, lines in (("at equal J&F", equal), ("at one quality", plain)):
        shown = _table(title, *columns)
        for line in lines:
            shown.add_row(
                f"{line.phase}: {PHASES[line.phase]}",
                f"{line.quality:.3g}",
                f"{line.seconds:.2f}",
                _percent(line.share),
                _percent(line.edited),
                _number(line.clicks),
                f"{100 * line.jf:.1f}",
                *(_percent(line.aligned[name]) for name in ("all", "small", "medium", "large")),
            )
        out.print(shown)
    for line in equal[1:]:
        if line.jf < equal[0].jf:
            out.print(f"phase {line.phase} does not reach phase 1's J&F by any standard that was tried")
        out.print(f"phase {line.phase}: at least phase 1's J&F on {line.reached} of {line.videos} videos")
    paper = _table("people, SAM 2 paper", *columns)
    for phase, row in PAPER.items():
        paper.add_row(
            f"{phase}: {PHASES[phase]}",
            "–",
            f"{row['seconds']:.1f}",
            _percent(row["seconds"] / PAPER[1]["seconds"]),
            _percent(row["edited"]),
            _number(row["clicks"]),
            "–",
            *(_percent(row.get(name)) for name in ("aligned", "small", "medium", "large")),
        )
    out.print(paper)


def _table(first: str, *others: str) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
