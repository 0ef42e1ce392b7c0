"""Projects over HTTP: where they stand, and verification by people who never hold the same task."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("alembic", reason="the extra `annotate` is not installed")

from fakes import truth
from masklet.annotate import tasks, verify
from masklet.annotate.project import Project
from masklet.errors import ProjectError
from masklet.server.settings import Settings
from masklet.server.wire import split, unpack
from project_kit import FRAMES, HEIGHT, ORDER, WIDTH
from studio_kit import ok, problem


@pytest.fixture
def team(serving: Any, birds: Path) -> Iterator[Any]:
    """A client of a server with the project, whose address is `team.at`."""
    with serving(projects=(birds,)) as client:
        (listed,) = ok(client.get("/api/projects"))["projects"]
        client.at = f"/api/projects/{listed['key']}"
        yield client


def claim(team: Any, person: str, **more: Any) -> Any:
    return ok(team.post(f"{team.at}/tasks", json={"person": person, **more}))["task"]


def verdict(team: Any, masklet: int, person: str, given: str = "satisfactory", **more: Any) -> Any:
    body = {"person": person, "verdict": given, **more}
    return team.post(f"{team.at}/tasks/{masklet}/verdict", json=body)


def test_projects_are_listed_and_named_by_keys(team: Any, birds: Path) -> None:
    answer = team.get("/api/projects")
    (listed,) = ok(answer)["projects"]
    assert (listed["name"], listed["videos"], listed["people"], listed["problem"]) == ("birds", 2, 4, None)
    assert listed["statuses"]["submitted"] == 3
    assert str(birds.parent) not in answer.text
    for key in ("nothing", "..%2f..%2fetc", "birds"):
        assert team.get(f"/api/projects/{key}").status_code == 404
    problem(team.get("/api/projects/nothing"), 404, "missing")


def test_a_server_without_projects_lists_none(client: Any) -> None:
    assert ok(client.get("/api/projects")) == {"projects": []}


def test_a_folder_that_is_no_project_is_told_before_anything_starts(tmp_path: Path) -> None:
    from masklet.server.studio import Studio

    with pytest.raises(ProjectError, match=r"masklet annotate .*nothing init"):
        Studio(Settings(store=tmp_path / "s", projects=(tmp_path / "nothing",)), [lambda: None])


def test_a_project_s_standing(team: Any, birds: Path) -> None:
    answer = team.get(team.at, params={"ahead": 60})
    told = ok(answer)
    assert (told["name"], told["model"], told["drawn_with"]) == ("birds", "fake", "fake")
    assert {v["name"]: v["statuses"] for v in told["videos"]} == {
        "walk": {"submitted": 2},
        "stills": {"submitted": 1},
    }
    people = {one["name"]: one for one in told["people"]}
    assert people["ann"]["submitted"] == 1
    assert people["ann"]["seconds"] == 6
    assert (people["ann"]["duties"], people["boss"]["duties"]) == (["annotate"], ["annotate", "verify"])
    assert [day["submitted"] for day in told["days"]] == [0] * 13 + [1]
    assert "boundary" in told["reasons"]
    assert str(birds.parent) not in answer.text
    assert "path" not in told["videos"][0]
    picture = team.get(f"{team.at}/videos/2/thumbnail")
    assert Image.open(io.BytesIO(picture.content)).size == (240, 180)
    problem(team.get(f"{team.at}/videos/9/thumbnail"), 404, "missing")


def test_the_model_that_draws_here_is_told_beside_the_project_s_own(serving: Any, birds: Path) -> None:
    trained = birds / "models" / "round-1.safetensors"
    trained.write_bytes(b"weights")
    with Project.open(birds) as project:
        project.change_setting("model", "models/round-1.safetensors")
    with serving(projects=(birds,), model="masklet-nano") as client:
        (listed,) = ok(client.get("/api/projects"))["projects"]
        answer = client.get(f"/api/projects/{listed['key']}")
    assert (ok(answer)["model"], ok(answer)["drawn_with"]) == ("round-1.safetensors", "masklet-nano")
    assert str(birds) not in answer.text


def test_a_project_whose_database_is_away_is_listed_with_the_reason(team: Any, birds: Path) -> None:
    project = team.studio.projects.all()[0].project

    def away(_: Any) -> Any:
        raise ProjectError(f"database {project.database.shown_url}: gone, as {birds} is")

    project.database.read = away
    (listed,) = ok(team.get("/api/projects"))["projects"]
    assert listed["problem"] == "database of the project: gone, as birds is"
    assert "gone" in problem(team.get(team.at), 409, "project")


def test_tasks_come_by_doubt_and_verdicts_count(team: Any) -> None:
    for number in ORDER:
        task = claim(team, "rita")
        assert task["masklet"]["id"] == number
        assert 1700 < task["left"] <= 1800
        done = verdict(team, number, "rita", "unsatisfactory", reasons=["extra"], seconds=5, words="the cup")
        assert ok(done)["masklet"]["status"] == "unsatisfactory"
    assert claim(team, "rita") is None
    told = ok(team.get(team.at))
    assert told["statuses"]["unsatisfactory"] == 3
    assert told["days"][-1]["verdicts"] == {"unsatisfactory": 3}
    rita = next(one for one in told["people"] if one["name"] == "rita")
    assert (rita["verified"], rita["seconds"]) == (3, 15)


def test_two_people_never_hold_one_task(team: Any) -> None:
    first, second = claim(team, "rita"), claim(team, "rolf")
    assert first["masklet"]["id"] != second["masklet"]["id"]
    assert claim(team, "rita")["masklet"]["id"] == first["masklet"]["id"]  # what one holds comes first
    held = first["masklet"]["id"]
    body = {"person": "rolf", "masklet": held}
    assert "held by rita" in problem(team.post(f"{team.at}/tasks", json=body), 409, "project")
    assert "held by rita" in problem(verdict(team, held, "rolf"), 409, "project")
    for way in ("renew", "release"):
        team.post(f"{team.at}/tasks/{held}/{way}", json={"person": "rolf"})
    assert ok(team.get(team.at))["held"][str(held)]["person"] == "rita"
    assert team.post(f"{team.at}/tasks/{held}/release", json={"person": "rita"}).status_code == 204
    assert claim(team, "rolf", masklet=held)["masklet"]["id"] == held


def test_a_lease_that_ran_out_costs_nothing_until_somebody_takes_the_task(team: Any) -> None:
    project = next(iter(team.studio.projects.all())).project
    held = claim(team, "rita")["masklet"]["id"]
    now = project.clock()
    project.clock = lambda: now + tasks.LEASE + 1
    assert ok(team.get(team.at))["held"] == {}
    assert ok(team.post(f"{team.at}/tasks/{held}/renew", json={"person": "rita"}))["left"] == tasks.LEASE
    project.clock = lambda: now + 2 * tasks.LEASE + 2
    assert claim(team, "rolf")["masklet"]["id"] == held
    for answer in (
        team.post(f"{team.at}/tasks/{held}/renew", json={"person": "rita"}),
        verdict(team, held, "rita"),
    ):
        assert "held by rolf" in problem(answer, 409, "project")
    ok(verdict(team, held, "rolf"))
    assert "not yours to verify any more" in problem(verdict(team, held, "rita"), 409, "project")


def test_who_may_not_verify_is_told_why(team: Any, birds: Path) -> None:
    body = {"person": "ann"}
    assert "ann is annotator" in problem(team.post(f"{team.at}/tasks", json=body), 409, "project")
    unknown = problem(team.post(f"{team.at}/tasks", json={"person": "nobody"}), 409, "project")
    assert "nobody here is called nobody" in unknown
    assert str(birds.parent) not in unknown
    problem(team.post(f"{team.at}/tasks", json={"person": "rita", "duty": "paint"}), 422, "config")


def test_nobody_judges_what_they_hold_to_annotate(team: Any, birds: Path) -> None:
    with Project.open(birds) as project:
        given = tasks.claim(project, "rita", "verify", masklet=1)
        assert given is not None
        verify.judge(project, given, "unsatisfactory", reasons=["lost"])
        assert tasks.claim(project, "boss", "annotate", masklet=1) is not None
    assert "claim it again" in problem(verdict(team, 1, "boss"), 409, "project")


def test_a_verdict_needs_a_reason_unless_all_is_well(team: Any) -> None:
    held = claim(team, "rita")["masklet"]["id"]
    assert "needs a reason" in problem(verdict(team, held, "rita", "rejected"), 422, "config")
    problem(verdict(team, held, "rita", "rejected", reasons=["ugly"]), 422, "config")
    problem(verdict(team, held, "rita", "fine"), 422, "config")
    assert ok(team.get(team.at))["held"][str(held)]["person"] == "rita"


def test_a_verdict_said_twice_counts_once(team: Any) -> None:
    """The answer to the first was lost on its way."""
    held = claim(team, "rita")["masklet"]["id"]
    for _ in range(2):
        done = verdict(team, held, "rita", "rejected", reasons=["too-hard"])
        assert ok(done)["masklet"]["status"] == "rejected"
    assert ok(team.get(team.at))["days"][-1]["verdicts"] == {"rejected": 1}
    problem(verdict(team, held, "rita"), 409, "project")


def test_a_second_opinion_is_asked_of_somebody_else(team: Any) -> None:
    held = claim(team, "rita")["masklet"]["id"]
    ok(verdict(team, held, "rita"))
    assert claim(team, "rita", second=True) is None
    assert claim(team, "rolf", second=True)["masklet"]["id"] == held
    ok(verdict(team, held, "rolf", "unsatisfactory", reasons=["boundary"]))
    told = ok(team.get(team.at))
    assert (told["agreement"]["pairs"], told["agreement"]["same"]) == (1, 0)


@pytest.mark.parametrize("masklet", [2, 3], ids=["a file", "a folder of pictures"])
def test_masks_and_frames_of_a_task(team: Any, masklet: int) -> None:
    task = claim(team, "boss", masklet=masklet)
    video = task["video"]
    assert (video["frames"], video["width"], video["height"]) == (FRAMES, WIDTH, HEIGHT)
    picture = team.get(f"/api/videos/{video['id']}/frames/3?height=90")
    assert Image.open(io.BytesIO(picture.content)).size == (120, 90)
    answer = team.get(f"{team.at}/masklets/{masklet}/masks", params={"start": 2, "stop": 20})
    found = {m.masks.index: m.masks for m in map(unpack, split(answer.content))}
    number = task["masklet"]["number"]
    assert sorted(found) == list(range(2, FRAMES))
    assert (found[5].masks[number].to_array() == truth(5, number, HEIGHT, WIDTH)).all()
    assert found[9].iou[number] == pytest.approx(0.3)
    bare = team.get(f"{team.at}/masklets/{masklet}/masks", params={"counts": 0})
    assert len(bare.content) < len(team.get(f"{team.at}/masklets/{masklet}/masks").content)
    problem(team.get(f"{team.at}/masklets/99/masks"), 409, "project")
    problem(team.get(f"{team.at}/masklets/1/masks?start=0&stop=5000"), 422, "config")
    again = claim(team, "boss", masklet=masklet)
    assert again["video"]["id"] == video["id"]  # known by now
    file = team.get(f"/api/videos/{video['id']}/file")
    assert file.status_code == (404 if masklet == 3 else 200)


def test_a_project_s_files_stay_when_its_video_is_deleted_here(team: Any, made_birds: Path) -> None:
    video = claim(team, "rita")["video"]["id"]
    assert team.delete(f"/api/videos/{video}").status_code == 204
    assert (made_birds.parent / "walk.mp4").exists()
    assert claim(team, "rita")["video"]["id"] != video


def test_a_task_whose_video_is_gone_is_given_back(team: Any, birds: Path) -> None:
    with Project.open(birds) as project:
        from masklet.annotate import schema

        project.database.write(lambda c: c.execute(schema.video.update().values(path=str(birds / "x"))))
    message = problem(team.post(f"{team.at}/tasks", json={"person": "rita"}), 404, "missing")
    assert "walk" in message
    assert str(birds) not in message
    assert ok(team.get(team.at))["held"] == {}


def test_people_share_the_token_and_choose_their_names(serving: Any, birds: Path) -> None:
    with serving(projects=(birds,), token="geheim") as client:
        problem(client.get("/api/projects"), 401, "token")
        client.headers["authorization"] = "Bearer geheim"
        client.at = f"/api/projects/{ok(client.get('/api/projects'))['projects'][0]['key']}"
        # One holder of the token, two names; but a name gets what its role allows, nothing else.
        assert claim(client, "rita")["masklet"]["id"] != claim(client, "rolf")["masklet"]["id"]
        problem(client.post(f"{client.at}/tasks", json={"person": "ann"}), 409, "project")
        problem(client.post(f"{client.at}/people", json={"name": "eve", "role": "admin"}), 405, "config")


def test_the_description_names_the_routes(team: Any) -> None:
    told = ok(team.get("/openapi.json"))
    at = "/api/projects/{key}"
    for path in ("", "/tasks", "/tasks/{masklet}/verdict", "/masklets/{masklet}/masks"):
        assert f"{at}{path}" in told["paths"]
    assert set(told["components"]["schemas"]["VerdictBody"]["required"]) == {"person", "verdict"}
