"""Work by day: what was handed in and judged, as the asker's calendar has it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from masklet.annotate import journal, progress, tasks, verify
from masklet.annotate.project import Project
from masklet.annotate.throughput import throughput

EVENING = datetime(2026, 3, 1, 22, 30, tzinfo=timezone.utc).timestamp()


@pytest.fixture
def worked(project: Project, make_video, add_masklet, clock) -> Project:
    """Late on 1 March: one masklet handed in, two judged; a month before another was handed in."""
    project.add_video(make_video())
    clock.now = EVENING - 30 * 86400
    first = add_masklet(project).id
    journal.record(project, "submit", masklet=first, person=project.person("ann").id)
    clock.now = EVENING
    second = add_masklet(project).id
    journal.record(project, "submit", masklet=second, person=project.person("ann").id)
    for masklet, verdict, reasons in ((first, "satisfactory", ()), (second, "rejected", ("lost",))):
        task = tasks.claim(project, "rita", "verify", masklet=masklet)
        assert task is not None
        verify.judge(project, task, verdict, reasons=reasons)
    clock.now = EVENING + 2 * 86400
    return project


def test_days_are_whole_and_in_order(worked: Project) -> None:
    days = throughput(worked, days=4)
    assert [day.day for day in days] == ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]
    assert [day.submitted for day in days] == [0, 1, 0, 0]
    assert [dict(day.verdicts) for day in days] == [{}, {"satisfactory": 1, "rejected": 1}, {}, {}]


def test_midnight_is_the_asker_s(worked: Project) -> None:
    """22:30 in London is the next day in Berlin, and the same one in New York."""
    for ahead, date in ((3600 * 2, "2026-03-02"), (-3600 * 5, "2026-03-01")):
        assert [day.day for day in throughput(worked, ahead=ahead) if day.submitted] == [date]


def test_counts_are_those_of_the_standing(worked: Project) -> None:
    assert progress.counts(worked) == progress.standing(worked).statuses
    assert progress.counts(worked)["satisfactory"] == 1
