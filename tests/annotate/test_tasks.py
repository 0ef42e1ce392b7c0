"""Who works on what: queue, roles, leases, assignment, verdicts, agreement."""

from __future__ import annotations

import threading

import pytest

from masklet.annotate import masklets, tasks, verify
from masklet.annotate.project import Project
from masklet.annotate.records import Review
from masklet.errors import ConfigError, ProjectError


@pytest.fixture
def filled(project: Project, make_video, add_masklet) -> Project:
    """Three submitted masklets of one video, of doubt 0.1, 0.9 and 0.5."""
    project.add_video(make_video())
    for doubt in (0.1, 0.9, 0.5):
        add_masklet(project, doubt=doubt)
    return project


def verdict(project: Project, person: str, masklet: int, given: str = "satisfactory", **more) -> str:
    task = tasks.claim(project, person, "verify", masklet=masklet, second=more.pop("second", False))
    assert task is not None
    reasons = () if given == "satisfactory" else ("boundary",)
    return verify.judge(project, task, given, reasons=reasons, **more).status


def test_what_the_model_doubts_most_comes_first(filled: Project) -> None:
    order = []
    while (task := tasks.claim(filled, "rita", "verify")) is not None:
        order.append(task.entry.id)
        verify.judge(filled, task, "satisfactory")
    assert order == [2, 3, 1]
    assert {e.status for e in masklets.find(filled)} == {"satisfactory"}


def test_two_people_never_hold_one_task(filled: Project) -> None:
    first, second = tasks.claim(filled, "rita", "verify"), tasks.claim(filled, "rolf", "verify")
    assert first is not None
    assert second is not None
    assert first.entry.id != second.entry.id
    again = tasks.claim(filled, "rita", "verify")
    assert again is not None
    assert again.entry.id == first.entry.id  # what one holds comes first
    with pytest.raises(ProjectError, match="held by rita"):
        tasks.claim(filled, "rolf", "verify", masklet=first.entry.id)


def test_many_at_once_get_different_tasks(filled: Project) -> None:
    for k in range(6):
        filled.add_person(f"r{k}", "reviewer")
    got: list[int | None] = []
    start = threading.Barrier(6)

    def take(name: str) -> None:
        with Project.open(filled.folder, clock=filled.clock) as mine:
            start.wait(60)
            task = tasks.claim(mine, name, "verify")
            got.append(None if task is None else task.entry.id)

    threads = [threading.Thread(target=take, args=(f"r{k}",)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = [one for one in got if one is not None]
    assert sorted(taken) == [1, 2, 3]
    assert got.count(None) == 3


def test_a_lease_expires_and_somebody_else_may_go_on(filled: Project, clock) -> None:
    task = tasks.claim(filled, "rita", "verify", masklet=2, lease=60)
    assert task is not None
    assert tasks.held(filled) == {2: ("rita", clock.now + 60)}
    clock.now += 61
    assert tasks.held(filled) == {}
    assert tasks.renew(filled, task) > clock.now  # nobody took it: a coffee break costs nothing
    clock.now += tasks.LEASE + 1
    assert tasks.claim(filled, "rolf", "verify", masklet=2) is not None
    with pytest.raises(ProjectError, match="held by somebody else now"):
        verify.judge(filled, task, "satisfactory")
    assert masklets.get(filled, 2).status == "submitted"
    assert verify.reviews(filled) == ()


def test_a_task_can_be_given_back(filled: Project) -> None:
    task = tasks.claim(filled, "rita", "verify", masklet=2)
    assert task is not None
    tasks.release(filled, 2, "rolf")  # not his
    assert 2 in tasks.held(filled)
    tasks.release(filled, 2, "rita")
    assert tasks.held(filled) == {}
    with pytest.raises(ProjectError, match="not yours any more"):
        tasks.renew(filled, task)


def test_roles(filled: Project) -> None:
    with pytest.raises(ProjectError, match="ann is annotator and may not verify"):
        tasks.claim(filled, "ann", "verify")
    with pytest.raises(ProjectError, match="rita is reviewer and may not annotate"):
        tasks.claim(filled, "rita", "annotate")
    with pytest.raises(ConfigError, match="duty 'cook'"):
        tasks.claim(filled, "boss", "cook")
    assert tasks.claim(filled, "boss", "verify") is not None


def test_assignment_keeps_a_task_for_somebody(filled: Project) -> None:
    new = masklets.add(filled, "walk")
    assert tasks.assign(filled, new.id, "bob").assignee == "bob"
    assert tasks.claim(filled, "ann", "annotate") is None
    with pytest.raises(ProjectError, match="kept for bob"):
        tasks.claim(filled, "ann", "annotate", masklet=new.id)
    with pytest.raises(ProjectError, match="rita is reviewer"):
        tasks.assign(filled, new.id, "rita")
    assert tasks.claim(filled, "bob", "annotate") is not None
    tasks.release(filled, new.id, "bob")
    tasks.assign(filled, new.id, None)
    assert tasks.claim(filled, "ann", "annotate") is not None


def test_unsatisfactory_goes_back_first_and_says_why(filled: Project) -> None:
    new = masklets.add(filled, "walk", doubt=1.0)
    assert verdict(filled, "rita", 1, "unsatisfactory") == "unsatisfactory"
    task = tasks.claim(filled, "ann", "annotate")
    assert task is not None
    assert (task.entry.id, task.reasons) == (1, ("boundary",))
    other = tasks.claim(filled, "bob", "annotate")
    assert other is not None
    assert other.entry.id == new.id


def test_rejected_is_never_asked_about_again(filled: Project) -> None:
    verdict(filled, "rita", 1, "rejected")
    for duty, person in (("annotate", "ann"), ("verify", "rolf")):
        with pytest.raises(ProjectError, match="is rejected; there is nothing to"):
            tasks.claim(filled, person, duty, masklet=1)


@pytest.mark.parametrize(
    ("given", "reasons", "message"),
    [
        ("fine", (), "verdict 'fine'"),
        ("unsatisfactory", (), "unsatisfactory needs a reason"),
        ("rejected", ("ugly",), "reason 'ugly'"),
    ],
)
def test_verdicts_are_checked(filled: Project, given: str, reasons: tuple, message: str) -> None:
    task = tasks.claim(filled, "rita", "verify")
    assert task is not None
    with pytest.raises(ConfigError, match=message):
        verify.judge(filled, task, given, reasons=reasons)
    assert verify.reviews(filled) == ()


def test_who_comes_back_finds_what_is_in_hand(filled: Project, clock) -> None:
    task = tasks.claim(filled, "rita", "verify")
    assert task is not None
    assert tasks.in_hand(filled, task.entry.id, "rita", "verify") == task
    with pytest.raises(ProjectError, match="held by rita now"):
        tasks.in_hand(filled, task.entry.id, "rolf", "verify")
    with pytest.raises(ProjectError, match="may not annotate"):
        tasks.in_hand(filled, task.entry.id, "rita", "annotate")
    clock.now += 2 * tasks.LEASE
    assert tasks.in_hand(filled, task.entry.id, "rita", "verify").expires < clock.now  # and nobody took it
    tasks.release(filled, task.entry.id, "rita")
    with pytest.raises(ProjectError, match="not yours to verify any more; claim it again"):
        tasks.in_hand(filled, task.entry.id, "rita", "verify")


def test_a_second_opinion_overrules_and_is_somebody_elses(filled: Project) -> None:
    verdict(filled, "rita", 1)
    verdict(filled, "rita", 2)
    with pytest.raises(ProjectError, match="has judged it"):
        verdict(filled, "rita", 1, second=True)
    assert verdict(filled, "rolf", 1, second=True) == "satisfactory"
    assert verdict(filled, "rolf", 2, "unsatisfactory", second=True) == "unsatisfactory"
    found = verify.agreement(verify.reviews(filled))
    assert (found.pairs, found.same, found.kappa) == (2, 0.5, 0.0)
    assert [r.person for r in verify.reviews(filled, 2)] == ["rita", "rolf"]


def test_kappa_by_hand() -> None:
    def pair(n: int, a: str, b: str) -> list[Review]:
        return [Review(n, who, v, (), "", 1, 0.0) for who, v in (("a", a), ("b", b))]

    good, bad = "satisfactory", "rejected"
    given = [*pair(1, good, good), *pair(2, good, good), *pair(3, bad, bad), *pair(4, good, bad)]
    found = verify.agreement(given)
    # agreed 3/4; by chance 3/4·1/2 + 1/4·1/2 = 1/2
    assert found.same == 0.75
    assert found.kappa == pytest.approx(0.5)
    assert verify.agreement(pair(1, good, good)).kappa is None
    assert verify.agreement([]).pairs == 0


def test_how_far_two_drawings_agree(filled: Project, add_masklet) -> None:
    assert verify.mask_agreement(filled, 1, 2) == 1
    other = add_masklet(filled, object_id=2)
    assert verify.mask_agreement(filled, 1, other.id) == 0
    empty = masklets.add(filled, "walk")
    with pytest.raises(ProjectError, match="no frame in common"):
        verify.mask_agreement(filled, 1, empty.id)
