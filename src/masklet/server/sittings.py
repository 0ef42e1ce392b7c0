"""Drawing a project's masklet in the studio: a session is the working copy, handing in writes it back.

The session is as safe as any: every change is on the disk before it is answered. The project hears of nothing
until the round is handed in, then of all of it, in one transaction.
"""

from __future__ import annotations

import contextlib

from masklet.annotate import journal, masklets, rounds, tasks
from masklet.annotate.records import Entry, Task
from masklet.annotate.rounds import Round
from masklet.errors import MaskletError, SessionError
from masklet.server.beginning import Beginning
from masklet.server.live import LiveSession
from masklet.server.problems import Refusal
from masklet.server.projects import OpenProject
from masklet.server.records import SittingRecord, VideoRecord
from masklet.server.round_log import round_of
from masklet.server.studio import Studio
from masklet.server.workspace import Workspace


def sit_down(
    studio: Studio, opened: OpenProject, task: Task, video: VideoRecord, *, made: bool = False
) -> str:
    """The session in which a task is drawn: the one begun before, or a new one; returns its id.

    made   the masklet was made for this task, and goes when nothing is drawn
    """
    project, masklet = opened.project, task.entry.id
    since = rounds.latest(project, masklet)
    for known in studio.records.sittings(opened.key, masklet, task.person):
        if known.since == since:
            return known.session
    name = name_of(task.entry)
    session = studio.new_session(video.id, f"{task.entry.video}: {name}")
    try:
        beginning = Beginning(task.entry.number, name, masklets.masks(project, masklet))
        beginning.write(studio.settings.store / "sessions" / session)
        studio.records.add_sitting(SittingRecord(session, opened.key, masklet, task.person, since, made))
    except BaseException:
        studio.delete_session(session)
        raise
    return session


def hand_in(studio: Studio, opened: OpenProject, sitting: SittingRecord, seconds: float) -> Entry:
    """Write a sitting into the project and let go of the task; the session has done its duty and goes.

    seconds  of the person's time
    raises   ProjectError when somebody else holds the masklet or changed it, SessionError while it is
             tracked; the session stays as it is then
    """
    project, masklet = opened.project, sitting.masklet
    task = tasks.in_hand(project, masklet, sitting.person, "annotate")
    live = studio.live(sitting.session)
    done = live.ask(lambda workspace: _round(studio, live, workspace)).result()
    model = studio.model_name
    assert model is not None  # it has just answered
    entry = rounds.hand_in(
        project,
        task,
        done,
        key=_key(sitting.session),
        since=sitting.since,
        checkpoint=journal.checkpoint(project, model),
        seconds=seconds,
    )
    with contextlib.suppress(MaskletError):  # left over, it is work like any other
        studio.delete_session(sitting.session)
    return entry


def was_handed_in(opened: OpenProject, session: str) -> bool:
    """Whether a session's round is in the project; the session itself is gone then."""
    return rounds.was_handed_in(opened.project, _key(session))


def stand_up(studio: Studio, opened: OpenProject, masklet: int, person: str) -> None:
    """Give a task back. What was drawn waits for the person; where nothing was, nothing is left."""
    project, records = opened.project, studio.records
    since = rounds.latest(project, masklet)
    is_held = tasks.held(project).get(masklet, ("", 0.0))[0] == person
    for sitting in records.sittings(opened.key, masklet, person):
        drawn = records.made_changes(sitting.session) or records.session(sitting.session).checkpoint
        if not is_held or drawn or sitting.since != since:
            continue
        studio.delete_session(sitting.session)
        if sitting.made and since == 0:
            masklets.remove(project, masklet)
    tasks.release(project, masklet, person)


def sitting_of(studio: Studio, opened: OpenProject, session: str) -> SittingRecord:
    """What a session is drawn for in this project; raises Refusal for one that is not."""
    found = studio.records.sitting(session)
    if found is None or found.project != opened.key:
        raise Refusal("missing", f"session {session[:40]} is no task of {opened.name}; claim one")
    return found


def name_of(entry: Entry) -> str:
    """What an object is called: its category, unless nobody said what it is."""
    named = entry.category.strip()
    return f"Object {entry.number}" if named in ("", "object") else named


def _round(studio: Studio, live: LiveSession, workspace: Workspace) -> Round:
    if live.run is not None and live.run.goes_on:
        raise SessionError("tracking goes on; wait until it is done, or cancel it")
    return round_of(workspace, studio.records.made_changes(live.id))


def _key(session: str) -> str:
    return f"sitting-{session}"
