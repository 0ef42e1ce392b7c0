"""Annotation projects: where they stand, drawing their masklets, and verification of what others drew.

The routes are plain functions: they wait for a database, and run in threads for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from masklet.annotate import masklets, progress, tasks, verify
from masklet.annotate.masklets import Kept
from masklet.annotate.records import REASONS, Entry, Task, Video
from masklet.annotate.throughput import throughput
from masklet.errors import ConfigError, MaskletError, ProjectError
from masklet.server import sittings, wire
from masklet.server.bodies import DutyBody, NewMasklet, PersonBody, SubmitBody, TaskBody, VerdictBody
from masklet.server.library import video_json
from masklet.server.pictures import encoded
from masklet.server.problems import Refusal
from masklet.server.projects import OpenProject
from masklet.server.reaching import TheStudio
from masklet.server.studio import Studio
from masklet.types import FrameMasks

router = APIRouter(prefix="/api/projects", tags=["projects"])

MOST_FRAMES, MOST_SUMMARIES = 2000, 100_000
THUMBNAIL = 180
Frame = Annotated[int, Query(ge=0)]


def _opened(key: str, studio: TheStudio) -> Iterator[OpenProject]:
    opened = studio.projects.get(key)
    try:
        yield opened
    except ProjectError as error:
        raise ProjectError(opened.told(error)) from error


TheProject = Annotated[OpenProject, Depends(_opened)]


@router.get("")
def list_projects(studio: TheStudio) -> dict[str, Any]:
    return {"projects": [_summary(opened) for opened in studio.projects.all()]}


@router.get("/{key}")
def get_project(
    opened: TheProject, studio: TheStudio, ahead: Annotated[int, Query(ge=-900, le=900)] = 0
) -> dict[str, Any]:
    """Where a project stands: videos, people, quality, work by day. `ahead`: minutes ahead of UTC.

    `model`: the project's own; `drawn_with`: the one that draws here, null until it is open.
    """
    project = opened.project
    standing = progress.standing(project)
    told = standing.to_json()
    return {
        **told,
        "key": opened.key,
        "name": opened.name,
        "model": _model(standing.model),
        "drawn_with": None if studio.model_name is None else _model(studio.model_name),
        "videos": [_video(one, standing.videos[one.name]) for one in project.videos()],
        "people": [
            {"name": name, "duties": _duties(row["role"]), **row} for name, row in told["people"].items()
        ],
        "days": [asdict(day) for day in throughput(project, ahead=60.0 * ahead)],
        "reasons": REASONS,
    }


@router.get(
    "/{key}/videos/{video_id}/thumbnail",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}}},
)
def get_thumbnail(video_id: int, opened: TheProject) -> Response:
    """The first frame, 180 pixels high."""
    video = _video_of(opened, video_id)
    with closing(opened.project.source(video)) as source:
        frame = source[0]
    data = encoded(frame, min(THUMBNAIL, frame.height), "jpeg")
    return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


# ── tasks ────────────────────────────────────────────────────────────────────────────────────────


@router.post("/{key}/tasks")
def claim(body: TaskBody, opened: TheProject, studio: TheStudio) -> dict[str, Any]:
    """Hold the next masklet that waits, or a certain one; null if none.

    To verify: what the model doubts most first. To annotate: what came back first; `session` is then the
    session in which it is drawn, the one begun earlier where there is one.
    `waiting`: how many wait for the duty, with those that somebody holds.
    """
    statuses = progress.counts(opened.project)
    waiting = sum(statuses[status] for status in tasks.WAITING[body.duty])
    task = tasks.claim(opened.project, body.person, body.duty, masklet=body.masklet, second=body.second)
    if task is None:
        return {"task": None, "waiting": waiting}
    return {"task": _taken_up(studio, opened, task), "waiting": waiting}


@router.post("/{key}/masklets", status_code=201)
def add_masklet(body: NewMasklet, opened: TheProject, studio: TheStudio) -> dict[str, Any]:
    """A new masklet of a video, held to be drawn; it goes again when it is given back undrawn."""
    project = opened.project
    tasks.allowed(project, body.person, "annotate")
    entry = masklets.add(project, _video_of(opened, body.video).name)
    try:
        task = tasks.claim(project, body.person, "annotate", masklet=entry.id)
        assert task is not None
        return {"task": _taken_up(studio, opened, task, made=True)}
    except BaseException:
        masklets.remove(project, entry.id)
        raise


@router.post("/{key}/tasks/{masklet}/renew")
def renew(masklet: int, body: DutyBody, opened: TheProject) -> dict[str, Any]:
    """A sign of life: the task is held for another half hour."""
    task = tasks.in_hand(opened.project, masklet, body.person, body.duty)
    expires = tasks.renew(opened.project, task)
    return {"expires": expires, "left": expires - opened.project.clock()}


@router.post("/{key}/tasks/{masklet}/release", status_code=204)
def release(masklet: int, body: PersonBody, opened: TheProject, studio: TheStudio) -> None:
    """Give a task back; it waits again, for anybody. What was drawn of it stays in its session."""
    sittings.stand_up(studio, opened, masklet, body.person)


@router.post("/{key}/tasks/{masklet}/submit")
def submit(masklet: int, body: SubmitBody, opened: TheProject, studio: TheStudio) -> dict[str, Any]:
    """Hand in what was drawn in a session, and let go of it. Said twice, it counts once."""
    try:
        sitting = sittings.sitting_of(studio, opened, body.session)
        if (sitting.masklet, sitting.person) != (masklet, body.person):
            whose = f"{sitting.person}'s work on masklet {sitting.masklet}"
            raise ProjectError(f"session {body.session} is {whose}; open your own")
        sittings.hand_in(studio, opened, sitting, body.seconds)
    except MaskletError:
        if not sittings.was_handed_in(opened, body.session):  # the answer to the first was lost on its way
            raise
    return {"masklet": asdict(masklets.get(opened.project, masklet))}


@router.post("/{key}/tasks/{masklet}/verdict")
def judge(masklet: int, body: VerdictBody, opened: TheProject) -> dict[str, Any]:
    """Say what a masklet is like, and let go of it. Said again after a lost answer, it counts once."""
    verify.check(body.verdict, body.reasons)
    if (said := _said(opened, masklet, body)) is not None:
        return {"masklet": asdict(said)}
    task = tasks.in_hand(opened.project, masklet, body.person, "verify")
    entry = verify.judge(
        opened.project, task, body.verdict, reasons=body.reasons, words=body.words, seconds=body.seconds
    )
    return {"masklet": asdict(entry)}


# ── masks ────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/{key}/masklets/{masklet}/masks",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def get_masks(
    masklet: int, opened: TheProject, start: Frame = 0, stop: Frame | None = None, counts: bool = True
) -> Response:
    """A masklet's masks, messages as a session's are; without `counts` only their numbers."""
    project = opened.project
    entry = masklets.get(project, masklet)
    video = project.video(entry.video)
    most = MOST_FRAMES if counts else MOST_SUMMARIES
    if stop is not None and stop - start > most:
        raise ConfigError(f"{stop - start} frames are too many at once; ask for up to {most}")
    frames = range(start, min(video.frames, start + most if stop is None else stop))
    found = masklets.masks(project, masklet, frames)
    body = b"".join(
        wire.framed(wire.pack(_on_frame(t, entry, kept), video.width, video.height, counts=counts))
        for t, kept in found.items()
    )
    return Response(body, media_type="application/octet-stream", headers={"cache-control": "no-store"})


def _on_frame(index: int, entry: Entry, kept: Kept) -> FrameMasks:
    number = entry.number
    return FrameMasks(
        index,
        {number: kept.mask},
        {} if kept.iou is None else {number: kept.iou},
        {} if kept.occlusion is None else {number: kept.occlusion},
        frozenset({number} if kept.prompted else ()),
    )


# ── as JSON ──────────────────────────────────────────────────────────────────────────────────────


def _summary(opened: OpenProject) -> dict[str, Any]:
    """What a list shows; a project whose database is away is in it, with the reason."""
    told: dict[str, Any] = {"key": opened.key, "name": opened.name, "problem": None}
    try:
        return {
            **told,
            "statuses": progress.counts(opened.project),
            "videos": len(opened.project.videos()),
            "people": len(opened.project.people()),
        }
    except ProjectError as error:
        return {**told, "statuses": {}, "videos": 0, "people": 0, "problem": opened.told(error)}


def _video(video: Video, statuses: Any) -> dict[str, Any]:
    told = asdict(video)
    del told["path"]
    return {**told, "statuses": dict(statuses)}


def _model(name_or_path: str) -> str:
    """A model's name; of a checkpoint, its file's: where it lies is this machine's affair."""
    return Path(name_or_path).name


def _duties(role: str) -> list[str]:
    return [duty for duty, roles in tasks.MAY.items() if role in roles]


def _video_of(opened: OpenProject, video_id: int) -> Video:
    for video in opened.project.videos():
        if video.id == video_id:
            return video
    raise Refusal("missing", f"{opened.name} has no video {video_id}")


def _taken_up(studio: Studio, opened: OpenProject, task: Task, *, made: bool = False) -> dict[str, Any]:
    """A claimed task with what its work needs; given back when it can't be had."""
    try:
        record = studio.projects.record(opened, opened.project.video(task.entry.video))
        told = {**_task(opened, task), "video": video_json(record)}
        if task.duty == "annotate":
            told["session"] = sittings.sit_down(studio, opened, task, record, made=made)
        return told
    except BaseException:
        tasks.release(opened.project, task.entry.id, task.person)  # nobody can look at it now
        raise


def _task(opened: OpenProject, task: Task) -> dict[str, Any]:
    told = asdict(task)
    said = verify.reviews(opened.project, task.entry.id)
    return {
        "masklet": told["entry"],
        "duty": task.duty,
        "person": task.person,
        "reasons": list(task.reasons),
        "words": said[-1].note if said else "",
        "expires": task.expires,
        "left": task.expires - opened.project.clock(),
    }


def _said(opened: OpenProject, masklet: int, body: VerdictBody) -> Entry | None:
    """The masklet, when this person has given it this very verdict on its present round."""
    entry = masklets.get(opened.project, masklet)
    for review in verify.reviews(opened.project, masklet):
        same = (review.person, review.round, review.verdict) == (body.person, entry.rounds, body.verdict)
        if same and set(review.reasons) == set(body.reasons):
            return entry
    return None
