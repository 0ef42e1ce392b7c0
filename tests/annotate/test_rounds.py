"""A round handed in whole: all of it or nothing, once, and never over somebody else's work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fakes import truth
from masklet.annotate import journal, masklets, rounds, tasks
from masklet.annotate.masklets import Kept
from masklet.annotate.project import Project
from masklet.annotate.records import Task
from masklet.annotate.rounds import Given, Round
from masklet.errors import ProjectError
from masklet.types import Click, Mask, Prompt


@pytest.fixture
def task(project: Project, make_video) -> Task:
    project.add_video(make_video())
    number = masklets.add(project, "walk", masks={5: _kept(5)}).id
    task = tasks.claim(project, "ann", "annotate", masklet=number)
    assert task is not None
    return task


def _kept(t: int) -> Kept:
    return Kept(Mask.from_array(truth(t, 1)), 0.9, 4.0, t == 0)


DONE = Round(
    edits=((0, 1, 10.0), (0, 1, 11.0), (3, 1, 12.0)),
    prompts=(Given(0, Prompt((Click(9, 9),)), 10.0), Given(0, Prompt((Click(8, 8, False),)), 11.0)),
    cleared=frozenset({3}),
    masks={0: _kept(0), 1: _kept(1)},
    gone=frozenset({5}),
    category="dog",
)


def hand_in(project: Project, task: Task, done: Round = DONE, key: str = "k", since: int = 0):
    checkpoint = journal.checkpoint(project, "fake")
    return rounds.hand_in(project, task, done, key=key, since=since, checkpoint=checkpoint, seconds=7.0)


def test_a_round_is_written_once_and_whole(project: Project, task: Task) -> None:
    for _ in range(2):
        entry = hand_in(project, task)
        assert (entry.status, entry.rounds, entry.phase, entry.category) == ("submitted", 1, 3, "dog")
    assert entry.checkpoint == "fake sha256:"
    assert entry.doubt == pytest.approx(0.1)  # of the frame that nobody saw
    assert sorted(masklets.masks(project, entry.id)) == [0, 1]
    assert masklets.prompts(project, entry.id) == [(given.frame, given.prompt) for given in DONE.prompts]
    events = [(e.kind, e.frame, e.clicks, e.seconds) for e in journal.events(project, entry.id)]
    assert events == [("prompt", 0, 1, 0), ("prompt", 0, 1, 0), ("prompt", 3, 1, 0), ("submit", None, 0, 7)]
    assert tasks.held(project) == {}
    assert rounds.latest(project, entry.id) > 0


def test_what_somebody_did_since_is_not_overwritten(project: Project, task: Task, clock) -> None:
    before = masklets.masks(project, task.entry.id)
    clock.now += tasks.LEASE + 1
    other = tasks.claim(project, "bob", "annotate", masklet=task.entry.id)
    assert other is not None
    with pytest.raises(ProjectError, match="held by somebody else"):
        hand_in(project, task)
    journal.record(project, "prompt", masklet=task.entry.id, person=project.person("bob").id, frame=2)
    with pytest.raises(ProjectError, match="changed by somebody since you began"):
        hand_in(project, other)
    assert masklets.masks(project, task.entry.id) == before
    assert masklets.prompts(project, task.entry.id) == []


def test_nothing_to_see_is_nothing_to_hand_in(project: Project, task: Task) -> None:
    nothing = replace(DONE, masks={1: Kept(Mask.empty(96, 128))})
    with pytest.raises(ProjectError, match="no mask yet"):
        hand_in(project, task, nothing)
    assert hand_in(project, task, replace(nothing, gone=frozenset())).status == "submitted"
