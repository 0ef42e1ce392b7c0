"""What the store holds, as values: people, videos, masklets, tasks, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Role = Literal["annotator", "reviewer", "admin"]
"""Annotators draw, reviewers judge, admins do both and assign."""
Status = Literal["open", "submitted", "satisfactory", "unsatisfactory", "rejected"]
"""open → submitted → satisfactory, unsatisfactory (back to refinement) or rejected."""
Verdict = Literal["satisfactory", "unsatisfactory", "rejected"]
Origin = Literal["manual", "automatic", "imported"]
Duty = Literal["annotate", "verify"]
"""What a task asks for."""

ROLES: tuple[str, ...] = get_args(Role)
STATUSES: tuple[str, ...] = get_args(Status)
VERDICTS: tuple[str, ...] = get_args(Verdict)
ORIGINS: tuple[str, ...] = get_args(Origin)
DUTIES: tuple[str, ...] = get_args(Duty)
PHASES = {
    1: "a mask on every frame",
    2: "masks, propagated",
    3: "clicks, with memory",
}
"""The ways to annotate, after the SAM 2 paper's data engine (Ravi et al., 2024, section 5.1)."""

REASONS = {
    "boundary": "the edge is off",
    "missing": "a part of the object is missing",
    "extra": "something else is included",
    "switched": "it jumped to another object",
    "lost": "the object is there, the mask is not",
    "absent": "the object is hidden, the mask is not",
    "not-an-object": "this is no object one could follow",
    "too-hard": "nobody could draw this",
}
"""Why a masklet is not satisfactory: what a reviewer may name, and what it means."""


@dataclass(frozen=True)
class Person:
    id: int
    name: str
    role: str


@dataclass(frozen=True)
class Video:
    """A video of the project; its frames are read where they lie.

    path      as it was imported, absolute
    rate      frames a second, or None when nobody knows
    held_out  never trained on: new models are measured on it
    """

    id: int
    name: str
    path: str
    width: int
    height: int
    frames: int
    rate: float | None
    held_out: bool


@dataclass(frozen=True)
class Entry:
    """A masklet as the store knows it, without its masks.

    number      the object's id within its video, from 1
    phase       how it was annotated (PHASES), or None
    checkpoint  the model that made its masks, as "name sha256:…", or None when a person or a file did
    doubt       0 (sure) to 1: the model's own, see `doubt_of`
    rounds      how often it has been submitted
    assignee    the person it is kept for, or None
    """

    id: int
    video: str
    number: int
    category: str
    status: str
    origin: str
    phase: int | None
    checkpoint: str | None
    doubt: float
    rounds: int
    assignee: str | None


@dataclass(frozen=True)
class Task:
    """A masklet that one person holds until the lease runs out.

    expires   seconds since 1970
    reasons   why it came back, of its last verdict
    """

    entry: Entry
    duty: Duty
    person: str
    expires: float
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Who did what, when, and how long it took.

    kind     prompt, propagate, submit, verify, import, automatic, …
    frame    that it concerned, or None
    seconds  of the person's time
    clicks   given
    at       seconds since 1970
    """

    kind: str
    person: str | None
    masklet: int | None
    frame: int | None
    seconds: float
    clicks: int
    at: float
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Review:
    """One person's verdict on one round of a masklet."""

    masklet: int
    person: str
    verdict: str
    reasons: tuple[str, ...]
    note: str
    round: int
    at: float
