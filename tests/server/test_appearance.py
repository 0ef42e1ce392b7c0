"""Effects and the look of masks: kept with the session, whoever opens it; effects are steps to undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fakes import inside
from studio_kit import click, hold, new_session, ok, problem, run_of, track

NONE = {"kind": "none", "strength": 0.5, "colour": None, "colour2": None}
BLUR = {**NONE, "kind": "blur", "strength": 0.8}
RED = {**NONE, "kind": "erase", "colour": "#ff0000"}
PLAIN = {"background": NONE, "object": NONE, "objects": {}}
BLURRED = {**PLAIN, "background": BLUR}
OWN = {**BLURRED, "objects": {"2": RED}}


@pytest.fixture
def session(client, clip) -> str:
    session = new_session(client, clip)
    for number in (1, 2):
        click(client, session, 0, inside(0, number), number)
    return session


def state(client: Any, session: str) -> dict[str, Any]:
    return ok(client.get(f"/api/sessions/{session}"))


def put(client: Any, session: str, effects: dict[str, Any]) -> Any:
    return client.put(f"/api/sessions/{session}/effects", json=effects)


def step(client: Any, session: str, verb: str) -> dict[str, Any]:
    return ok(client.post(f"/api/sessions/{session}/{verb}"))["session"]


def test_effects_are_steps_among_the_others(client, session) -> None:
    assert state(client, session)["effects"] == PLAIN
    assert ok(put(client, session, {"background": {"kind": "blur", "strength": 0.8}}))["effects"] == BLURRED
    told = ok(put(client, session, OWN))
    assert (told["effects"], told["undo"]) == (OWN, 4)
    assert ok(put(client, session, OWN))["undo"] == 4, "what changes nothing is no step"
    assert step(client, session, "undo")["effects"] == BLURRED
    click(client, session, 3, inside(3, 1))
    assert step(client, session, "undo")["effects"] == BLURRED, "the click came last"
    back = step(client, session, "undo")
    assert (back["effects"], len(back["prompts"])) == (PLAIN, 2)
    again = step(client, session, "redo")
    assert (again["effects"], again["redo"]) == (BLURRED, 1)
    assert len(step(client, session, "redo")["prompts"]) == 3


def test_an_object_that_goes_takes_its_effect_along_and_brings_it_back(client, session) -> None:
    ok(put(client, session, OWN))
    assert ok(client.delete(f"/api/sessions/{session}/objects/2"))["effects"] == BLURRED
    assert step(client, session, "undo")["effects"] == OWN


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_effects_and_look_survive_a_restart(serving, clip, crash: bool) -> None:
    with serving(crash=crash) as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 2), 2)
        ok(put(client, session, BLURRED))
        track(client, session)  # a checkpoint; what follows is in the log alone after a crash
        ok(put(client, session, OWN))
        ok(client.patch(f"/api/sessions/{session}", json={"look": {"opacity": 0.2}}))
    with serving() as client:
        told = state(client, session)
        assert told["effects"] == OWN
        assert told["look"] == {"opacity": 0.2, "outline": True}
        if crash:
            assert step(client, session, "undo")["effects"] == BLURRED


def test_work_saved_before_effects_were_kept_has_none(serving, clip) -> None:
    with serving() as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 1))
    with serving() as client:
        records = client.studio.records
        kept = records.session(session)
        older = {name: value for name, value in kept.checkpoint.items() if name != "effects"}
        records.checkpoint(session, older, kept.summary)
        assert state(client, session)["effects"] == PLAIN


def test_the_look_is_kept_and_is_no_step(client, session) -> None:
    before = state(client, session)
    assert before["look"] == {"opacity": 0.45, "outline": True}
    told = ok(client.patch(f"/api/sessions/{session}", json={"look": {"outline": False}}))
    assert told["look"] == {"opacity": 0.45, "outline": False}
    assert (told["undo"], told["revision"], told["name"]) == (2, before["revision"], before["name"])
    told = ok(client.patch(f"/api/sessions/{session}", json={"look": {"opacity": 0.9}, "name": "new"}))
    assert told["look"] == {"opacity": 0.9, "outline": False}
    assert told["name"] == "new"


def test_whoever_watches_is_told(client, session) -> None:
    with client.websocket_connect(f"ws://localhost/api/sessions/{session}/stream") as socket:
        assert socket.receive_json()["session"]["effects"] == PLAIN
        ok(put(client, session, BLURRED))
        assert socket.receive_json()["session"]["effects"] == BLURRED
        ok(client.patch(f"/api/sessions/{session}", json={"look": {"opacity": 1}}))
        assert socket.receive_json()["session"]["look"]["opacity"] == 1


def test_effects_leave_a_run_and_its_masks_alone(client, session, engine) -> None:
    hold(engine, client, session, after=2)
    # Nothing of this waits for the frame that is held: it is queued, and the run goes on after it.
    live = client.studio.known(session)
    asked = [
        live.change({"kind": "effects", "effects": OWN}),
        live.change({"kind": "undo"}),
    ]
    engine.gate.release(1000)
    engine.gate = None
    assert [one.result(60)[0].frames for one in asked] == [frozenset(), frozenset()]
    assert asked[1].result()[1]["effects"] == PLAIN
    run = run_of(client, session)
    assert run["state"] in ("queued", "running", "done"), run


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"background": {"kind": "sparkle"}}, "sparkle"),
        ({"background": {"kind": "blur", "strength": 1.5}}, "strength"),
        ({"object": {"kind": "colour", "colour": "red"}}, "colour"),
        ({"objects": {"two": RED}}, "two"),
        ({"objects": {"0": RED}}, "0"),
        ({"objects": {str(i): RED for i in range(1, 1200)}}, "1000"),
        ({"foreground": RED}, "foreground"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(client, session, body: dict[str, Any], word: str) -> None:
    before = state(client, session)
    assert word in problem(put(client, session, body), 422, "config")
    assert state(client, session)["revision"] == before["revision"]


def test_effects_of_objects_that_are_not_there_are_refused(client, session) -> None:
    assert "no object 7" in problem(put(client, session, {"objects": {"7": RED}}), 404, "object")
    told = state(client, session)
    assert (told["effects"], told["undo"]) == (PLAIN, 2)


@pytest.mark.parametrize("look", [{"opacity": 1.1}, {"opacity": "much"}, {"outline": "maybe"}, {"hue": 1}])
def test_a_look_that_cannot_be_is_refused_in_one_line(client, session, look: dict[str, Any]) -> None:
    problem(client.patch(f"/api/sessions/{session}", json={"look": look}), 422, "config")
    assert state(client, session)["look"] == {"opacity": 0.45, "outline": True}


def test_carried_work_takes_its_effects_along(serving, clip, tmp_path: Path) -> None:
    with serving(store=tmp_path / "one") as client:
        session = new_session(client, clip)
        click(client, session, 0, inside(0, 2), 2)
        ok(put(client, session, OWN))
        work = client.get(f"/api/sessions/{session}/file").content
    with serving(store=tmp_path / "two") as client:
        video = state(client, new_session(client, clip))["video"]["id"]
        told = ok(client.post("/api/sessions/restore", params={"video": video}, content=work))
        assert told["effects"] == OWN
