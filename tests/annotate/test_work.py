"""A person at work: prompts kept as they are given, three ways, and a process that is killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes import inside, truth
from masklet.annotate import journal, masklets, tasks, verify
from masklet.annotate.automatic import fill
from masklet.annotate.progress import effort_of, standing
from masklet.annotate.project import Project
from masklet.annotate.work import IDLE, Work
from masklet.errors import ConfigError, ProjectError, PromptError, UnknownFrameError
from masklet.predict.automatic import AutomaticOptions
from masklet.predict.automatic_video import VideoAutomaticOptions
from masklet.types import Mask


class Watch:
    """A stopwatch moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def begin(project: Project, make_video, segmenter):
    """Begin a new masklet, or go on with one: begin(phase=3, masklet=None, person="ann")."""
    project.add_video(make_video())

    def start(phase: int = 3, masklet: int | None = None, person: str = "ann", **more) -> Work:
        number = masklet if masklet is not None else masklets.add(project, "walk").id
        task = tasks.claim(project, person, "annotate", masklet=number)
        assert task is not None
        return Work(project, task, segmenter, phase=phase, **more)

    return start


def close_to(mask: Mask, t: int, object_id: int = 1) -> bool:
    return mask.iou(Mask.from_array(truth(t, object_id))) > 0.6


def test_a_click_is_stored_before_it_is_shown_and_followed(begin, project: Project) -> None:
    with begin() as work:
        shown = work.prompt(0, clicks=[inside(0, 1)])
        (stored,) = masklets.masks(project, work.task.entry.id).values()
        assert (stored.mask, stored.prompted) == (shown, True)
        assert [frame.index for frame, _ in work.propagate()] == list(range(6))
        entry = work.submit()
    found = masklets.masks(project, entry.id)
    assert all(close_to(found[t].mask, t) for t in range(6))
    assert (entry.status, entry.rounds, entry.phase) == ("submitted", 1, 3)
    assert entry.checkpoint == "fake sha256:"
    assert tasks.held(project) == {}


def test_a_refused_prompt_changes_nothing(begin, project: Project) -> None:
    with begin() as work:
        with pytest.raises(PromptError, match="outside the frame"):
            work.prompt(0, clicks=[(999, 1)])
        with pytest.raises(UnknownFrameError):
            work.prompt(99, clicks=[(1, 1)])
        assert masklets.prompts(project, work.task.entry.id) == []
        with pytest.raises(ProjectError, match="no mask yet"):
            work.submit()


@pytest.mark.parametrize("phase", [1, 2, 3])
def test_work_goes_on_where_it_was(begin, project: Project, phase: int) -> None:
    with begin(phase) as work:
        number = work.task.entry.id
        first = work.prompt(1, clicks=[inside(1, 1)])
    with begin(phase, number) as work:
        assert work.masks() == {1: first}
        later = work.prompt(4, clicks=[inside(4, 1)])
        if phase > 1:
            shown = {frame.index: masks[work.task.entry.number] for frame, masks in work.propagate()}
            assert shown[1] == first  # as the person saw it, exactly
            assert shown[4] == later
        else:
            with pytest.raises(ProjectError, match="phase 1 draws every frame"):
                work.propagate().__next__()
            assert set(work.masks()) == {1, 4}
    assert [frame for frame, _ in masklets.prompts(project, number)] == [1, 4]


def test_a_frame_can_be_taken_back(begin, project: Project) -> None:
    with begin() as work:
        work.prompt(0, clicks=[inside(0, 1)])
        work.prompt(3, clicks=[inside(3, 2)])
        work.clear(3)
        assert set(masklets.masks(project, work.task.entry.id)) == {0}
        assert [frame for frame, _ in masklets.prompts(project, work.task.entry.id)] == [0]


def test_an_object_that_is_not_there_is_said_so(begin, project: Project) -> None:
    with begin() as work:
        work.prompt(0, clicks=[inside(0, 1)])
        assert work.prompt(2, mask=Mask.empty(96, 128)).is_empty
        list(work.propagate())
        number = work.task.entry.id
    assert masklets.masks(project, number)[2].mask.is_empty
    with begin(masklet=number) as work:
        assert {f.index: m for f, m in work.propagate()}[2][1].is_empty


def test_an_automatic_masklet_is_refined(begin, project: Project, segmenter) -> None:
    search = AutomaticOptions(points_per_side=12, predicted_iou=0.8, stability=0.3)
    made = fill(project, "walk", segmenter, options=VideoAutomaticOptions(picture=search, clean=0))
    assert made
    assert all((e.origin, e.status, e.checkpoint) == ("automatic", "submitted", "fake sha256:") for e in made)
    assert fill(project, "walk", segmenter, options=VideoAutomaticOptions(picture=search, clean=0)) == ()
    entry = next(e for e in made if close_to(masklets.masks(project, e.id)[0].mask, 0))
    task = tasks.claim(project, "rita", "verify", masklet=entry.id)
    assert task is not None
    verify.judge(project, task, "unsatisfactory", reasons=["extra"])
    with begin(masklet=entry.id) as work:
        before = work.masks()[0]
        work.prompt(3, clicks=[(*inside(3, 1), True)])
        list(work.propagate())
        assert work.masks()[0] == before
        assert work.submit().rounds == 2


def test_a_task_that_somebody_else_took_is_not_written_to(begin, project: Project, clock) -> None:
    with begin() as work:
        work.prompt(0, clicks=[inside(0, 1)])
        clock.now += tasks.LEASE + 1
        with begin(masklet=work.task.entry.id, person="bob") as other:
            other.prompt(5, clicks=[inside(5, 1)])
            before = masklets.masks(project, work.task.entry.id)
            with pytest.raises(ProjectError, match="held by somebody else"):
                work.prompt(1, clicks=[inside(1, 1)])
            with pytest.raises(ProjectError, match="held by somebody else"):
                list(work.propagate())
            assert masklets.masks(project, work.task.entry.id) == before


def test_effort_is_counted(begin, project: Project) -> None:
    watch = Watch()
    with begin(stopwatch=watch) as work:
        watch.now += 4
        work.prompt(0, clicks=[inside(0, 1), (100, 90, False)])
        watch.now += 1000  # away for a while
        work.prompt(3, clicks=[inside(3, 1)])
        for _ in work.propagate():
            watch.now += 50  # the model, not the person
        watch.now += 2
        entry = work.submit()
    events = journal.events(project, entry.id)
    assert [e.seconds for e in events] == [4, IDLE, 2]
    effort = effort_of(events, {entry.id: 6})
    assert (effort.edited, effort.clicks) == (2 / 6, 1.5)
    assert effort.seconds == pytest.approx((4 + IDLE + 2) / 6)
    # One that nobody timed does not make the others look faster.
    untimed = replace(events[0], masklet=entry.id + 1, seconds=0.0)
    both = effort_of([*events, untimed], {entry.id: 6, entry.id + 1: 6})
    assert (both.seconds, both.masklets) == (effort.seconds, 2)
    found = standing(project)
    assert found.phases[3] == effort
    assert found.people["ann"]["submitted"] == 1
    assert found.statuses["submitted"] == 1


def test_nobody_verifies_their_own_work(begin, project: Project) -> None:
    with begin(person="boss") as work:
        work.prompt(0, clicks=[inside(0, 1)])
        entry = work.submit()
    assert tasks.claim(project, "boss", "verify") is None
    with pytest.raises(ProjectError, match="somebody else must verify"):
        tasks.claim(project, "boss", "verify", masklet=entry.id)
    assert tasks.claim(project, "rita", "verify") is not None


def test_wrong_calls_are_told(begin, project: Project, add_masklet, segmenter) -> None:
    with pytest.raises(ConfigError, match="phase 4"):
        begin(4)
    add_masklet(project)
    task = tasks.claim(project, "rita", "verify")
    assert task is not None
    with pytest.raises(ProjectError, match="claimed to verify"):
        Work(project, task, segmenter)


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from fakes import FakeEngine, inside
from masklet.annotate import tasks
from masklet.annotate.project import Project
from masklet.annotate.work import Work
from masklet.predict.segmenter import Segmenter

with Project.open({folder!r}) as project:
    task = tasks.claim(project, "ann", "annotate", masklet={masklet})
    with Work(project, task, Segmenter(FakeEngine(32))) as work:
        print("ready", flush=True)
        for round in range(10000):
            t = round % 6
            work.prompt(t, clicks=[inside(t, 1)])
            print("kept", flush=True)
            if t == 5:
                for _ in work.propagate():
                    pass
"""
ROUNDS = int(os.environ.get("MASKLET_KILLS", "3"))
"""Kills; each starts a process of its own, so the everyday suite makes do with few."""


def test_kill_9_at_any_moment_loses_at_most_the_click_in_flight(small: Project, make_video) -> None:
    small.add_video(make_video())
    entry = masklets.add(small, "walk")
    rng = random.Random(7)
    tests = str(Path(__file__).parent.parent)
    script = KILLED.format(tests=tests, folder=str(small.folder), masklet=entry.id)
    kept = 0
    for _ in range(ROUNDS):
        process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        # Killed after some clicks, at a moment that nobody chose.
        for _ in range(rng.randrange(1, 12)):
            kept += process.stdout.readline() == "kept\n"
        os.kill(process.pid, signal.SIGKILL)
        kept += process.stdout.read().count("kept\n")
        process.wait()
        with Project.open(small.folder) as after:
            stored = masklets.prompts(after, entry.id)
            # What was shown is stored; the one in flight may be, too.
            assert kept <= len(stored) <= kept + 1
            assert len(journal.events(after, entry.id)) == len(stored)
            masks = masklets.masks(after, entry.id)
            assert {frame for frame, _ in stored} <= set(masks)
            assert all(not one.mask.is_empty for one in masks.values())
            integrity = after.database.read(lambda c: c.exec_driver_sql("PRAGMA integrity_check").scalar())
            assert integrity == "ok"
        kept = len(stored)
