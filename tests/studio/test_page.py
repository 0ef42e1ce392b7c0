"""A person's way through the page, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakes import inside
from studio_hands import click, colour_at, is_open, objects, open_gallery, place, rename, saved, tracked

FRAMES = 16
ONE, TWO = inside(0, 1), inside(0, 2)


def near(colour: list[int], wanted: tuple[int, int, int], reach: int = 60) -> bool:
    return all(abs(a - b) < reach for a, b in zip(colour, wanted, strict=True))


def test_click_choose_track_correct_undo_export_and_come_back(server, person, tmp_path: Path) -> None:
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        page.wait_for_function("document.getElementById('hint').textContent.includes('Click an object')")

        # A click gives a mask and a choice of three.
        click(page, *ONE)
        objects(page, 1)
        page.wait_for_selector("#candidates:not([hidden])")
        assert page.locator("#candidates button").count() == 3
        assert page.locator('#candidates [aria-checked="true"]').count() == 1
        page.keyboard.press("3")
        page.wait_for_selector('#candidates button:nth-child(3)[aria-checked="true"]')
        saved(page)
        page.keyboard.press("1")
        saved(page)

        # A second object, renamed.
        page.keyboard.press("n")
        click(page, *TWO)
        objects(page, 2)
        rename(page, 2, "Green")
        saved(page)

        # Tracking covers the video; the lanes know it.
        page.keyboard.press("t")
        tracked(page, FRAMES)
        page.keyboard.press("End")
        last = inside(15, 1)
        page.wait_for_function("document.querySelector('.clock input').value === '15'")
        page.wait_for_selector("#veil", state="hidden")

        # A correction on the last frame is one step, undone and done again.
        click(page, *last)
        page.wait_for_function("document.querySelector('.split .primary').textContent.includes('Update')")
        page.keyboard.press("Control+z")
        page.wait_for_function("!document.querySelector('.split .primary').textContent.includes('Update')")
        page.keyboard.press("Control+Shift+z")
        page.wait_for_function("document.querySelector('.split .primary').textContent.includes('Update')")
        page.keyboard.press("Shift+T")
        tracked(page, FRAMES)

        # The masks come down as a file.
        page.keyboard.press("Control+e")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name="COCO").click()
        dialog.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            dialog.get_by_role("link", name="Download").click()
        download.value.save_as(tmp_path / "masks.json")
        told = json.loads((tmp_path / "masks.json").read_text())
        assert len(told["annotations"]) == 2
        page.keyboard.press("Escape")

        # A reload finds the work again, and so does the start page.
        page.reload(wait_until="commit")
        is_open(page)
        objects(page, 2)
        assert page.get_by_label("Name of object 2").input_value() == "Green"
        page.get_by_role("button", name="masklet: back to the start").click()
        page.get_by_role("button", name="2 objects").click()
        is_open(page)
        objects(page, 2)


def test_masks_and_effects_are_seen_on_the_stage(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "still.png")
        assert page.locator("#deck").is_hidden()
        page.keyboard.press("y")  # no preview under the pointer: it would colour what is measured
        assert near(colour_at(page, ONE[0] + 4, ONE[1] + 4), (230, 30, 30))
        click(page, *ONE)
        page.wait_for_selector("#candidates:not([hidden])")
        saved(page)
        page.keyboard.press("Escape")
        masked = colour_at(page, ONE[0] + 5, ONE[1] + 5)
        assert masked[2] > 90, "the mask's blue lies over the red square"
        page.get_by_role("tab", name="Effects").click()
        background = page.get_by_role("radiogroup", name="Background")
        background.get_by_role("radio", name="Erase").click()
        page.wait_for_selector('.segments [role=radio][aria-checked="true"]:text("Result")')
        drawn(page)
        assert near(colour_at(page, 200, 150), (0, 0, 0), 12)
        assert near(colour_at(page, ONE[0] + 4, ONE[1] + 4), (230, 30, 30))
        page.keyboard.press("Control+z")  # effects are undone like everything else
        page.wait_for_selector('[aria-label="Background"] [data-kind=none][aria-checked="true"]')
        drawn(page)
        assert near(colour_at(page, 200, 150), (120, 120, 120))
        page.keyboard.press("Control+z")
        page.wait_for_function("document.querySelectorAll('.object').length === 0")


def test_the_page_says_which_model_answers(server, person) -> None:
    with person() as page:
        page.goto(server.url, wait_until="commit")
        page.wait_for_selector(".answering:text('Model: fake, on cpu')")
        open_gallery(page, server.url, "still.png")
        page.keyboard.press("?")
        page.get_by_role("dialog").get_by_text("Model: fake, on cpu").wait_for()


def test_effects_and_look_come_along_to_another_browser(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "still.png")
        page.keyboard.press("y")
        click(page, *ONE)
        page.wait_for_selector("#candidates:not([hidden])")
        page.keyboard.press("Escape")
        opacity = page.get_by_label("Mask opacity")
        opacity.fill("0.8")  # as a drag does, in steps of which the last one counts
        page.get_by_label("Outlines").uncheck()
        page.get_by_role("tab", name="Effects").click()
        page.get_by_role("radiogroup", name="Background").get_by_role("radio", name="Erase").click()
        page.get_by_label("Background: colour", exact=True).fill("#00ff00")
        told = kept(page, lambda told: told["effects"]["background"]["colour"] == "#00ff00")
        assert told["look"] == {"opacity": 0.8, "outline": False}
        address = page.url
        keys = page.evaluate("Object.keys(localStorage)")
        assert not [key for key in keys if "effects" in key or "look" in key]
    server.stop()
    server.start()
    with person() as other, person() as third:  # browsers that have never been here
        for page in (other, third):
            page.goto(address, wait_until="commit")
            is_open(page)
            page.keyboard.press("y")
            page.keyboard.press("g")  # the result
            page.get_by_role("tab", name="Effects").click()
            page.wait_for_selector('[aria-label="Background"] [data-kind=erase][aria-checked="true"]')
            drawn(page)
            assert near(colour_at(page, 200, 150), (0, 255, 0), 12)
        assert other.get_by_label("Mask opacity").input_value() == "0.8"
        assert not other.get_by_label("Outlines").is_checked()

        # What one of them does, the other sees; and takes back.
        other.get_by_role("radiogroup", name="Background").get_by_role("radio", name="None").click()
        third.wait_for_selector('[aria-label="Background"] [data-kind=none][aria-checked="true"]')
        third.keyboard.press("Control+z")
        other.wait_for_selector('[aria-label="Background"] [data-kind=erase][aria-checked="true"]')
        drawn(other)
        assert near(colour_at(other, 200, 150), (0, 255, 0), 12)
        third.keyboard.press("Control+Shift+z")
        other.wait_for_selector('[aria-label="Background"] [data-kind=none][aria-checked="true"]')


def test_a_drag_of_an_effect_is_one_step_and_undo_waits_for_it(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "still.png")
        page.get_by_role("tab", name="Effects").click()
        page.get_by_role("radiogroup", name="Background").get_by_role("radio", name="Blur").click()
        kept(page, lambda told: told["undo"] == 1)
        strength = page.get_by_role("region", name="Background").get_by_label("Strength")
        strength.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.locator("#stage").focus()
        page.keyboard.press("Control+z")  # at once: the drag has not been sent yet
        told = kept(page, lambda told: told["redo"] == 1)
        assert (told["undo"], told["effects"]["background"]["strength"]) == (1, 0.5)
        page.keyboard.press("Control+Shift+z")
        told = kept(page, lambda told: told["redo"] == 0)
        assert (told["undo"], told["effects"]["background"]["strength"]) == (2, 0.7)


def test_a_new_work_is_shown_as_the_person_likes_it(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "still.png")
        page.get_by_label("Mask opacity").fill("0.2")
        kept(page, lambda told: told["look"]["opacity"] == 0.2)
        page.get_by_role("button", name="masklet: back to the start").click()
        page.get_by_role("button", name="squares.mp4").first.click()
        is_open(page)
        assert kept(page, lambda told: told["look"]["opacity"] == 0.2)["undo"] == 0


def kept(page: Any, is_there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What the server has of the work that is open, once it has what it should."""
    for _ in range(300):
        told = page.evaluate("fetch(`/api/sessions/${location.hash.slice(3)}`).then((one) => one.json())")
        if is_there(told):
            return told
        page.wait_for_timeout(100)
    raise AssertionError(f"the server has {told}")


def drawn(page: Any) -> None:
    page.wait_for_function(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
    )


def test_a_lost_server_loses_no_click(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        click(page, *ONE)
        objects(page, 1)
        saved(page)
        page.wait_for_selector("#candidates:not([hidden])")
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        server.stop()
        page.wait_for_selector("#saved[data-state=lost]")
        click(page, *TWO)
        page.wait_for_function("document.getElementById('saved').textContent.includes('1 step is kept')")
        server.start()
        objects(page, 2)
        saved(page)
        assert page.locator(".object").count() == 2


def test_two_people_see_each_other_s_work(server, person) -> None:
    with person() as first, person() as second:
        open_gallery(first, server.url, "squares.mp4")
        second.goto(first.url, wait_until="commit")
        is_open(second)
        click(first, *ONE)
        objects(second, 1)
        second.keyboard.press("n")
        click(second, *TWO)
        objects(first, 2)
        first.keyboard.press("t")
        tracked(first, FRAMES)
        tracked(second, FRAMES)


def test_masks_are_acknowledged_several_at_a_time(server, person) -> None:
    came: list[bool] = []
    acknowledged: list[int] = []

    def sent(text: Any) -> None:
        told = json.loads(text)
        if told["type"] == "ack":
            acknowledged.append(told["sequence"])

    with person() as page:
        page.on("websocket", lambda socket: socket.on("framesent", sent))
        page.on(
            "websocket",
            lambda socket: socket.on("framereceived", lambda m: came.append(isinstance(m, bytes))),
        )
        open_gallery(page, server.url, "squares.mp4")
        click(page, *ONE)
        objects(page, 1)
        saved(page)
        page.keyboard.press("t")
        tracked(page, FRAMES)
        page.wait_for_timeout(200)
        assert sum(came) >= FRAMES - 1
        assert acknowledged == list(range(4, sum(came) + 1, 4))


def test_everything_goes_without_a_mouse(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keys")
        assert sheet.get_by_text("Next doubtful frame").is_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("s")
        page.keyboard.press("Enter")  # the cross-hair appears in the middle
        left, top = place(page, *ONE)
        middle = place(page, 128, 96)
        for key, way in (("ArrowLeft", middle[0] - left), ("ArrowUp", middle[1] - top)):
            for _ in range(round(way / 8)):
                page.keyboard.press(key)
        page.keyboard.press("Enter")
        objects(page, 1)
        saved(page)
        page.keyboard.press("Escape")
        page.keyboard.press("ArrowRight")
        page.wait_for_function("document.querySelector('.clock input').value === '1'")


def test_brush_box_and_touch(server, person) -> None:
    with person(viewport={"width": 1024, "height": 768}, has_touch=True) as page:
        open_gallery(page, server.url, "still.png")
        page.touchscreen.tap(*place(page, *ONE))
        objects(page, 1)
        saved(page)
        page.keyboard.press("Escape")
        page.keyboard.press("n")
        page.keyboard.press("b")
        page.mouse.move(*place(page, TWO[0] - 12, TWO[1] - 12))
        page.mouse.down()
        page.mouse.move(*place(page, TWO[0] + 12, TWO[1] + 12), steps=4)
        page.mouse.up()
        objects(page, 2)
        page.wait_for_function("document.querySelector('[data-object=\"2\"] .about').textContent === 'box'")
        saved(page)
        page.keyboard.press("p")
        page.mouse.move(*place(page, 150, 150))
        page.mouse.down()
        page.mouse.move(*place(page, 200, 150), steps=4)
        page.mouse.up()
        page.wait_for_function("document.querySelector('[data-object=\"2\"] .about').textContent === 'mask'")
        saved(page)
        shown = colour_at(page, 180, 150)
        assert not near(shown, (120, 120, 120), 25), "the stroke is part of the mask"


def test_a_refused_file_is_told_in_one_line(server, person, tmp_path: Path) -> None:
    (tmp_path / "song.mp4").write_bytes(b"no video at all" * 100)
    with person() as page:
        page.goto(server.url, wait_until="commit")
        with page.expect_file_chooser() as chooser:
            page.click("#choose-file")
        chooser.value.set_files(tmp_path / "song.mp4")
        problem = page.get_by_role("alert")
        problem.wait_for()
        assert "song.mp4" in problem.inner_text()
        assert page.get_by_role("button", name="Choose a file").is_visible()


def test_the_page_keeps_to_its_security_policy_and_asks_nobody_else(server, person) -> None:
    with person(bypass_csp=False) as page:
        complaints: list[str] = []
        asked: set[str] = set()
        page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
        page.on("request", lambda request: asked.add(request.url.split("/")[2]))
        page.goto(server.url, wait_until="commit")
        page.get_by_role("button", name="still.png").first.click()
        page.wait_for_selector("body[data-phase=open]")
        page.wait_for_selector("#veil", state="hidden")
        click(page, *ONE)
        page.wait_for_selector("#candidates:not([hidden])")
        assert complaints == []
        assert asked == {server.url.split("/")[2]}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_names_and_text_has_contrast(server, person, scheme: str) -> None:
    with person(color_scheme=scheme) as page:
        open_gallery(page, server.url, "squares.mp4")
        click(page, *ONE)
        objects(page, 1)
        told = page.evaluate(Path(__file__).with_name("access.js").read_text())
        assert told["nameless"] == []
        assert told["faint"] == []
        assert told["seen"] > 20
