"""Annotating a project's masklets over HTTP: claim, draw in a session, hand in; nothing gets lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("alembic", reason="the extra `annotate` is not installed")

from fakes import FakeEngine, inside, truth
from masklet.annotate import journal, masklets, progress, schema, tasks, verify
from masklet.annotate.masklets import Kept
from masklet.annotate.project import Project
from masklet.annotate.work import Work
from masklet.predict.segmenter import Segmenter
from masklet.types import Mask
from project_kit import FRAMES, HEIGHT, WIDTH, true_masks
from studio_kit import bulk, hold, ok, problem, track, while_held

BACK = 2
"""The masklet that came back: of `walk`, object 2, found by the model."""


@pytest.fixture
def folder(birds: Path) -> Path:
    """A project with a masklet that rita sent back."""
    with Project.open(birds) as project:
        project.add_person("bob", "annotator")
        task = tasks.claim(project, "rita", "verify", masklet=BACK)
        assert task is not None
        verify.judge(project, task, "unsatisfactory", reasons=["extra"], words="the left wing")
    return birds


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    with Project.open(folder) as project:
        yield project


@pytest.fixture
def team(serving: Any, folder: Path) -> Iterator[Any]:
    with serving(projects=(folder,)) as client:
        yield at_project(client)


def at_project(client: Any) -> Any:
    client.at = f"/api/projects/{ok(client.get('/api/projects'))['projects'][0]['key']}"
    return client


def claim(team: Any, person: str = "ann", **more: Any) -> Any:
    return ok(team.post(f"{team.at}/tasks", json={"person": person, "duty": "annotate", **more}))["task"]


def click(team: Any, session: str, frame: int, object_id: int = 2, **more: Any) -> Any:
    x, y = inside(frame, object_id, WIDTH)
    body = {"object": 2, "frame": frame, "clicks": [[x, y, 1]], **more}
    return ok(team.post(f"/api/sessions/{session}/prompts", json=body))


def submit(team: Any, task: Any, **more: Any) -> Any:
    body = {"person": task["person"], "session": task["session"], **more}
    return team.post(f"{team.at}/tasks/{task['masklet']['id']}/submit", json=body)


def prompt_events(project: Project, masklet: int) -> list[tuple[Any, ...]]:
    return [
        (e.person, e.frame, e.clicks, dict(e.detail))
        for e in journal.events(project, masklet)
        if e.kind == "prompt"
    ]


def test_what_came_back_comes_first_as_it_is(team: Any, project: Project) -> None:
    added = masklets.add(project, "stills")
    answer = ok(team.post(f"{team.at}/tasks", json={"person": "ann", "duty": "annotate"}))
    task, session = answer["task"], answer["task"]["session"]
    assert answer["waiting"] == 2
    assert (task["masklet"]["id"], task["reasons"], task["words"]) == (BACK, ["extra"], "the left wing")
    state = ok(team.get(f"/api/sessions/{session}"))
    assert [(one["id"], one["name"]) for one in state["objects"]] == [(2, "Object 2")]
    assert state["sitting"]["person"] == "ann"
    assert (state["undo"], state["outdated"], state["covered"]) == (0, [], [[0, FRAMES]])
    assert [one["frame"] for one in state["prompts"]] == [0]  # the frame that somebody saw
    stored = masklets.masks(project, BACK)
    for t, shown in bulk(team, session).items():
        assert shown.masks[2] == stored[t].mask
        assert shown.iou[2] == pytest.approx(1.0 if t == 0 else stored[t].iou)
    assert claim(team)["session"] == session  # what one holds comes first
    assert claim(team, "bob")["masklet"]["id"] == added.id


def test_a_round_is_recorded_as_work_records_it(team: Any, project: Project, folder: Path) -> None:
    """The same prompts, in the studio and by `Work` on a copy of the project."""
    task = claim(team)
    for frame in (9, 9, 3):
        click(team, task["session"], frame)
    track(team, task["session"])
    entry = ok(submit(team, task, seconds=12.5))["masklet"]
    assert (entry["status"], entry["rounds"], entry["phase"]) == ("submitted", 2, 3)
    assert entry["checkpoint"] == "fake sha256:"
    assert tasks.held(project) == {}

    copy = Path(shutil.copytree(folder, folder.parent / "copy"))
    with Project.open(copy) as other:
        _back_to_the_first_round(other)
        again = tasks.claim(other, "ann", "annotate", masklet=BACK)
        assert again is not None
        with Work(other, again, Segmenter(FakeEngine())) as work:
            for frame in (9, 9, 3):
                work.prompt(frame, clicks=[inside(frame, 2, WIDTH)], seconds=0.0)
            list(work.propagate())
            work.submit(12.5)
        assert prompt_events(other, BACK) == prompt_events(project, BACK)
        assert masklets.prompts(other, BACK) == masklets.prompts(project, BACK)
        ours, theirs = masklets.masks(project, BACK), masklets.masks(other, BACK)
        assert {t: (k.mask, k.prompted) for t, k in ours.items()} == {
            t: (k.mask, k.prompted) for t, k in theirs.items()
        }
        for t in set(ours) - {0}:
            assert (ours[t].iou, ours[t].occlusion) == (theirs[t].iou, theirs[t].occlusion)
        assert masklets.get(other, BACK) == masklets.get(project, BACK)
        effort, expected = (progress.standing(one).phases[3] for one in (project, other))
        assert effort == expected
        assert (effort.edited, effort.clicks) == (2 / FRAMES, 1.5)
        assert effort.seconds == pytest.approx(12.5 / FRAMES)


def _back_to_the_first_round(project: Project) -> None:
    """Take ann's round out of a copy, so that it can be done again."""

    def write(connection: Any) -> None:
        for table in (schema.prompt, schema.mask):
            connection.execute(table.delete().where(table.c.masklet_id == BACK))
        events = schema.event.delete().where(schema.event.c.masklet_id == BACK)
        connection.execute(events.where(schema.event.c.kind.in_(("prompt", "submit"))))
        connection.execute(
            schema.masklet.update()
            .where(schema.masklet.c.id == BACK)
            .values(status="unsatisfactory", rounds=1, phase=None, checkpoint_id=None)
        )

    project.database.write(write)
    masklets.put_masks(project, BACK, true_masks(2))


def test_what_was_taken_back_costs_clicks_and_leaves_no_prompt(team: Any, project: Project) -> None:
    task = claim(team)
    session = task["session"]
    before = masklets.masks(project, BACK)
    click(team, session, 5)
    click(team, session, 7)
    ok(team.post(f"/api/sessions/{session}/undo"))
    click(team, session, 9)
    ok(team.post(f"/api/sessions/{session}/clear", json={"object": 2, "frame": 9}))
    ok(team.patch(f"/api/sessions/{session}/objects/2", json={"name": "wren", "hidden": True}))
    ok(submit(team, task))
    assert [frame for frame, _ in masklets.prompts(project, BACK)] == [5]
    assert [event[1] for event in prompt_events(project, BACK)] == [5, 7, 9]
    after = masklets.masks(project, BACK)
    assert after.keys() == before.keys()
    assert {t for t in after if after[t] != before[t]} == {5}
    assert masklets.get(project, BACK).category == "wren"


@pytest.mark.parametrize(("undone", "left"), [(1, [5]), (2, [5]), (3, [])])
def test_effects_are_steps_of_a_round_too_but_no_part_of_it(
    team: Any, project: Project, undone: int, left: list[int]
) -> None:
    task = claim(team)
    session = task["session"]
    click(team, session, 5)
    for _ in range(2):  # the second changes nothing, and is no step
        ok(team.put(f"/api/sessions/{session}/effects", json={"background": {"kind": "blur"}}))
    click(team, session, 7)
    for _ in range(undone):
        ok(team.post(f"/api/sessions/{session}/undo"))
    ok(submit(team, task))
    assert [frame for frame, _ in masklets.prompts(project, BACK)] == left
    assert [event[1] for event in prompt_events(project, BACK)] == [5, 7]


def test_the_preview_builds_on_the_earlier_round_as_the_click_does(team: Any) -> None:
    session = claim(team)["session"]
    click(team, session, 5)
    ok(team.post(f"/api/sessions/{session}/undo"))
    before = ok(team.get(f"/api/sessions/{session}"))
    body = {"object": 2, "frame": 9, "clicks": [[WIDTH - 4, HEIGHT - 4, 0]]}  # nothing of the object is there
    preview = ok(team.post(f"/api/sessions/{session}/preview", json=body))
    assert preview["area"] > 0
    after = ok(team.get(f"/api/sessions/{session}"))
    assert {k: v for k, v in after.items() if k != "used"} == {k: v for k, v in before.items() if k != "used"}
    ok(team.post(f"/api/sessions/{session}/redo"))  # a preview takes no step that could be done again
    ok(team.post(f"/api/sessions/{session}/undo"))
    given = ok(team.post(f"/api/sessions/{session}/prompts", json=body))["preview"]
    assert given["mask"] == preview["mask"]


def test_brush_absence_and_pins_are_prompts_with_masks(team: Any, project: Project) -> None:
    task = claim(team)
    session = task["session"]
    drawn = Mask.from_array(truth(4, 1, HEIGHT, WIDTH))
    for frame, mask in ((4, drawn), (6, Mask.empty(HEIGHT, WIDTH))):
        rle = {"size": [HEIGHT, WIDTH], "counts": mask.counts.decode()}
        body = {"object": 2, "frame": frame, "mask": rle, "replace": True}
        ok(team.post(f"/api/sessions/{session}/prompts", json=body))
    ok(team.post(f"/api/sessions/{session}/pin", json={"object": 2, "frame": 8}))
    shown = masklets.masks(project, BACK)[8].mask
    ok(submit(team, task))
    found = [(frame, prompt.mask) for frame, prompt in masklets.prompts(project, BACK)]
    assert found == [(4, drawn), (6, Mask.empty(HEIGHT, WIDTH)), (8, shown)]
    stored = masklets.masks(project, BACK)
    assert [stored[t].prompted for t in (4, 6, 8, 9)] == [True, True, True, False]
    assert stored[6].mask.is_empty
    assert [event[2] for event in prompt_events(project, BACK)] == [0, 0, 0]


def test_a_cleared_frame_of_an_earlier_round_is_gone(team: Any, project: Project) -> None:
    task = claim(team)
    click(team, task["session"], 3)
    ok(submit(team, task))
    given = tasks.claim(project, "rita", "verify", masklet=BACK)
    assert given is not None
    verify.judge(project, given, "unsatisfactory", reasons=["lost"])
    task = claim(team)
    ok(team.post(f"/api/sessions/{task['session']}/clear", json={"object": 2, "frame": 3}))
    ok(submit(team, task))
    assert masklets.prompts(project, BACK) == []
    assert 3 not in masklets.masks(project, BACK)
    assert masklets.get(project, BACK).rounds == 3


def test_handed_in_untouched_it_stays_as_it_is(team: Any, project: Project) -> None:
    before, maker = masklets.masks(project, BACK), masklets.get(project, BACK).checkpoint
    ok(submit(team, claim(team), seconds=3))
    assert masklets.masks(project, BACK) == before
    entry = masklets.get(project, BACK)
    assert (entry.status, entry.checkpoint) == ("submitted", maker)


def test_submitted_twice_it_counts_once_and_the_session_goes(team: Any, project: Project) -> None:
    task = claim(team)
    click(team, task["session"], 5)
    for _ in range(2):
        assert ok(submit(team, task, seconds=4))["masklet"]["rounds"] == 2
    assert len(prompt_events(project, BACK)) == 1
    assert [e.kind for e in journal.events(project, BACK)].count("submit") == 1
    assert team.get(f"/api/sessions/{task['session']}").status_code == 404
    assert ok(team.get(team.at))["days"][-1]["submitted"] == 2  # with the one of the kit


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_server_that_goes_in_between_costs_nothing(
    serving: Any, folder: Path, project: Project, crash: bool
) -> None:
    with serving(crash=crash, projects=(folder,)) as client:
        task = claim(at_project(client))
        click(client, task["session"], 5)
        track(client, task["session"])
        click(client, task["session"], 11)
        before = bulk(client, task["session"])
        state = ok(client.get(f"/api/sessions/{task['session']}"))
    with serving(projects=(folder,)) as client:
        again = claim(at_project(client))
        assert again["session"] == task["session"]
        assert bulk(client, task["session"]) == before
        now = ok(client.get(f"/api/sessions/{task['session']}"))
        for key in ("prompts", "objects", "outdated", "covered", "revision"):
            assert now[key] == state[key]
        ok(submit(client, again))
    assert [frame for frame, _ in masklets.prompts(project, BACK)] == [5, 11]
    assert {t: k.mask for t, k in masklets.masks(project, BACK).items()} == {
        t: found.masks[2] for t, found in before.items()
    }


def test_a_server_killed_before_anything_was_drawn_begins_the_same(serving: Any, folder: Path) -> None:
    with serving(crash=True, projects=(folder,)) as client:
        task = claim(at_project(client))
    with serving(projects=(folder,)) as client:
        assert claim(at_project(client))["session"] == task["session"]
        assert len(bulk(client, task["session"])) == FRAMES


def test_a_lease_that_ran_out_costs_nothing_until_somebody_takes_the_task(team: Any) -> None:
    project = team.studio.projects.all()[0].project
    now = project.clock()
    task = claim(team)
    click(team, task["session"], 5)
    project.clock = lambda: now + tasks.LEASE + 1
    renew = {"person": "ann", "duty": "annotate"}
    assert ok(team.post(f"{team.at}/tasks/{BACK}/renew", json=renew))["left"] == tasks.LEASE
    project.clock = lambda: now + 2 * tasks.LEASE + 2
    assert claim(team, "bob")["session"] != task["session"]
    for answer in (team.post(f"{team.at}/tasks/{BACK}/renew", json=renew), submit(team, task)):
        assert "held by bob" in problem(answer, 409, "project")
    assert masklets.prompts(project, BACK) == []
    # The work is there, and goes on when bob gives the task back as it was.
    assert ok(team.get(f"/api/sessions/{task['session']}"))["prompts"]
    team.post(f"{team.at}/tasks/{BACK}/release", json={"person": "bob"})
    assert claim(team)["session"] == task["session"]
    ok(submit(team, task))
    assert [frame for frame, _ in masklets.prompts(project, BACK)] == [5]


def test_what_somebody_else_did_meanwhile_is_never_overwritten(team: Any, project: Project) -> None:
    task = claim(team)
    click(team, task["session"], 5)
    tasks.release(project, BACK, "ann")
    theirs = tasks.claim(project, "bob", "annotate", masklet=BACK)
    assert theirs is not None
    with Work(project, theirs, Segmenter(FakeEngine())) as work:
        work.prompt(7, clicks=[inside(7, 2, WIDTH)])
    tasks.release(project, BACK, "bob")
    again = claim(team)
    assert again["session"] != task["session"]
    assert "changed by somebody since" in problem(submit(team, task), 409, "project")
    assert [frame for frame, _ in masklets.prompts(project, BACK)] == [7]
    assert ok(team.get(f"/api/sessions/{task['session']}"))["prompts"]  # still there to be looked at
    ok(submit(team, again))


def test_roles_and_people(team: Any) -> None:
    body = {"person": "rita", "duty": "annotate"}
    refused = problem(team.post(f"{team.at}/tasks", json=body), 409, "project")
    assert "rita is reviewer and may not annotate" in refused
    new = {"person": "rita", "video": 1}
    problem(team.post(f"{team.at}/masklets", json=new), 409, "project")
    task = claim(team)
    problem(submit(team, {**task, "person": "bob"}), 409, "project")
    problem(submit(team, {**task, "session": "nothing"}), 404, "missing")
    taken = {"person": "bob", "duty": "annotate", "masklet": BACK}
    assert "held by ann" in problem(team.post(f"{team.at}/tasks", json=taken), 409, "project")
    # Nobody verifies what they hold to annotate, and the other way round.
    problem(team.post(f"{team.at}/tasks/{BACK}/renew", json={"person": "ann"}), 409, "project")


def test_given_back_what_was_drawn_waits_and_what_was_not_goes(team: Any, project: Project) -> None:
    task = claim(team)
    team.post(f"{team.at}/tasks/{BACK}/release", json={"person": "ann"})
    assert tasks.held(project) == {}
    assert team.get(f"/api/sessions/{task['session']}").status_code == 404
    task = claim(team)
    click(team, task["session"], 5)
    team.post(f"{team.at}/tasks/{BACK}/release", json={"person": "ann"})
    assert tasks.held(project) == {}
    assert claim(team)["session"] == task["session"]


def test_a_new_object_of_a_video(team: Any, project: Project) -> None:
    body = {"person": "ann", "video": 2}
    task = ok(team.post(f"{team.at}/masklets", json=body))["task"]
    assert (task["masklet"]["number"], task["masklet"]["status"]) == (2, "open")
    masklet = task["masklet"]["id"]
    assert "no mask yet" in problem(submit(team, task), 409, "project")
    click(team, task["session"], 0)
    ok(team.patch(f"/api/sessions/{task['session']}/objects/2", json={"name": "mug"}))
    track(team, task["session"])
    entry = ok(submit(team, task))["masklet"]
    assert (entry["status"], entry["origin"], entry["category"]) == ("submitted", "manual", "mug")
    found = masklets.masks(project, masklet)
    assert sorted(found) == list(range(FRAMES))
    assert found[3].mask.iou(Mask.from_array(truth(3, 2, HEIGHT, WIDTH))) > 0.6
    undrawn = ok(team.post(f"{team.at}/masklets", json=body))["task"]["masklet"]["id"]
    team.post(f"{team.at}/tasks/{undrawn}/release", json={"person": "ann"})
    assert undrawn not in [one.id for one in masklets.find(project)]
    problem(team.post(f"{team.at}/masklets", json={"person": "ann", "video": 9}), 404, "missing")


def test_the_work_is_one_object(team: Any) -> None:
    session = claim(team)["session"]
    body = {"object": 1, "frame": 0, "clicks": [[9, 9, 1]]}
    assert "object 2 alone" in problem(
        team.post(f"/api/sessions/{session}/prompts", json=body), 409, "session"
    )
    problem(team.post(f"/api/sessions/{session}/objects", json={}), 409, "session")
    problem(team.delete(f"/api/sessions/{session}/objects/2"), 409, "session")


def test_it_is_not_handed_in_while_it_is_tracked(team: Any, engine: Any) -> None:
    task = claim(team)
    click(team, task["session"], 5)
    hold(engine, team, task["session"], after=3)
    answer = while_held(team, task["session"], engine, lambda: submit(team, task))
    if answer.status_code != 200:  # it may have ended before the question had its turn
        assert "tracking goes on" in problem(answer, 409, "session")


def test_a_correction_builds_on_the_mask_that_is_seen(team: Any, project: Project) -> None:
    """As in `Work`: on a frame of an earlier round a click refines what is there, and undo gives it back."""
    session = claim(team)["session"]
    before = bulk(team, session)
    click(team, session, 5)
    state = ok(team.get(f"/api/sessions/{session}"))
    assert (state["undo"], state["outdated"]) == (1, [2])
    state = ok(team.post(f"/api/sessions/{session}/undo"))["session"]
    assert (state["undo"], state["outdated"]) == (0, [])
    assert bulk(team, session) == before
    assert masklets.masks(project, BACK)[5] == Kept(before[5].masks[2], 0.9, 4.0, False)
