"""Where a project stands: progress, quality, and how the three ways of annotating compare on real work."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from masklet.annotate import journal, masklets, schema, tasks, verify
from masklet.annotate.project import Project
from masklet.annotate.records import PHASES, STATUSES, Event
from masklet.annotate.verify import Agreement


@dataclass(frozen=True)
class Effort:
    """What a masklet or many of them cost the people who drew them.

    masklets            how many
    edited              share of their videos' frames that somebody clicked or drew on, 0 to 1
    clicks              a clicked frame
    seconds             a frame of video, over the masklets whose time was taken; None without any
    """

    masklets: int
    edited: float
    clicks: float | None
    seconds: float | None


@dataclass(frozen=True)
class Standing:
    """Everything the status page shows.

    statuses   status → masklets
    videos     name → status → masklets
    people     name → {"submitted", "verified", "seconds", "satisfactory"}; the last is the share of their
               judged rounds that were, None before any
    phases     phase → effort
    """

    model: str
    statuses: Mapping[str, int]
    videos: Mapping[str, Mapping[str, int]]
    people: Mapping[str, Mapping[str, Any]]
    phases: Mapping[int, Effort]
    agreement: Agreement
    held: Mapping[int, tuple[str, float]]

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "statuses": dict(self.statuses),
            "videos": {name: dict(found) for name, found in self.videos.items()},
            "people": {name: dict(found) for name, found in self.people.items()},
            "phases": {phase: {"way": PHASES[phase], **asdict(e)} for phase, e in self.phases.items()},
            "agreement": asdict(self.agreement),
            "held": {key: {"person": who, "until": until} for key, (who, until) in self.held.items()},
        }


def standing(project: Project) -> Standing:
    """Look at the whole project."""
    entries = masklets.find(project)
    events = journal.events(project)
    reviews = verify.reviews(project)
    statuses = Counter(entry.status for entry in entries)
    videos: dict[str, Counter[str]] = {video.name: Counter() for video in project.videos()}
    for entry in entries:
        videos[entry.video][entry.status] += 1
    return Standing(
        model=project.model,
        statuses={status: statuses[status] for status in STATUSES},
        videos=videos,
        people=_people(project, events),
        phases=_phases(project, events),
        agreement=verify.agreement(reviews),
        held=tasks.held(project),
    )


def counts(project: Project) -> dict[str, int]:
    """Status → masklets, without looking at what happened: quick, for lists of projects."""
    table = schema.masklet
    query = sa.select(table.c.status, sa.func.count().label("many")).group_by(table.c.status)
    found = {row.status: int(row.many) for row in project.database.read(lambda c: c.execute(query).all())}
    return {status: found.get(status, 0) for status in STATUSES}


def effort_of(events: tuple[Event, ...] | list[Event], frames: Mapping[int, int]) -> Effort:
    """What masklets cost, from their events.

    frames   masklet → frames of its video, for the masklets that count
    """
    clicks = 0
    seconds = 0.0
    timed: set[int] = set()
    touched: set[tuple[int, int]] = set()
    clicked: set[tuple[int, int]] = set()
    for event in events:
        if event.masklet is None or event.masklet not in frames:
            continue
        if event.kind not in ("prompt", "submit"):
            continue
        seconds += event.seconds
        clicks += event.clicks
        if event.seconds:
            timed.add(event.masklet)
        if event.kind == "prompt" and event.frame is not None:
            touched.add((event.masklet, event.frame))
            if event.clicks:
                clicked.add((event.masklet, event.frame))
    total = sum(frames.values())
    return Effort(
        masklets=len(frames),
        edited=len(touched) / total if total else 0.0,
        clicks=clicks / len(clicked) if clicked else None,
        seconds=seconds / sum(frames[one] for one in timed) if timed else None,
    )


def _phases(project: Project, events: tuple[Event, ...]) -> dict[int, Effort]:
    lengths = {video.name: video.frames for video in project.videos()}
    by_phase: dict[int, dict[int, int]] = defaultdict(dict)
    worked = {event.masklet for event in events if event.kind == "prompt"}
    for entry in masklets.find(project):
        if entry.phase is not None and entry.id in worked:
            by_phase[entry.phase][entry.id] = lengths[entry.video]
    return {phase: effort_of(events, by_phase[phase]) for phase in sorted(by_phase)}


def _people(project: Project, events: tuple[Event, ...]) -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {
        person.name: {
            "role": person.role,
            "submitted": 0,
            "verified": 0,
            "seconds": 0.0,
            "satisfactory": None,
        }
        for person in project.people()
    }
    drew: dict[int, str] = {}
    judged: dict[str, list[bool]] = defaultdict(list)
    for event in events:
        if event.person is None or event.masklet is None:
            continue
        row = rows[event.person]
        row["seconds"] += event.seconds
        if event.kind == "submit":
            row["submitted"] += 1
            drew[event.masklet] = event.person
        elif event.kind == "verify":
            row["verified"] += 1
            if event.masklet in drew:
                judged[drew[event.masklet]].append(event.detail.get("verdict") == "satisfactory")
    for name, found in judged.items():
        rows[name]["satisfactory"] = sum(found) / len(found)
    return rows
