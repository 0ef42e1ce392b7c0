"""Small things a person would stumble over: focus, the space bar, thumbnails, narrow screens, deleting."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeEngine, inside
from studio_hands import click, is_open, objects, one_object, open_gallery, place, saved, tracked
from studio_kit import until

ONE = inside(0, 1)
THUMBNAIL = "document.querySelector('[data-object=\"1\"] .thumb canvas')"
PLAYED = "document.querySelector('.clock input').value !== '0'"


def test_a_thumbnail_shows_the_object_as_it_is_now(server, person) -> None:
    with person() as page:
        one_object(page, server.url, "still.png", ONE)
        page.wait_for_function(f"{THUMBNAIL}.dataset.mark")
        before = page.evaluate(f"{THUMBNAIL}.toDataURL()")
        page.keyboard.press("p")
        page.mouse.move(*place(page, 150, 150))
        page.mouse.down()
        page.mouse.move(*place(page, 200, 150), steps=4)
        page.mouse.up()
        page.wait_for_function(f"(before) => {THUMBNAIL}.toDataURL() !== before", arg=before)
        saved(page)
        page.keyboard.press("Control+z")
        page.wait_for_function(f"(before) => {THUMBNAIL}.toDataURL() === before", arg=before)
        page.reload(wait_until="commit")
        is_open(page)
        page.wait_for_function(f"(before) => {THUMBNAIL}?.toDataURL() === before", arg=before)


def test_a_thumbnail_comes_while_tracking_goes_on(server, person, monkeypatch: pytest.MonkeyPatch) -> None:
    going = """async () => {
      const { run } = await (await fetch(`/api/sessions/${location.hash.slice(3)}`)).json();
      return run?.state === "running";
    }"""
    enough = threading.Event()
    remember = FakeEngine.remember

    def slowly(*arguments: Any, **named: Any) -> Any:
        enough.wait(1)  # the server answers between two frames
        return remember(*arguments, **named)

    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        click(page, *ONE)
        objects(page, 1)
        saved(page)
        monkeypatch.setattr(FakeEngine, "remember", slowly)
        page.keyboard.press("t")
        page.wait_for_function(going)
        page.reload(wait_until="commit")
        is_open(page)
        page.wait_for_function(f"{THUMBNAIL}?.dataset.mark")
        assert page.evaluate(going)
        enough.set()
        tracked(page, 16)


def test_a_click_leaves_the_keys_to_the_page(server, person) -> None:
    with person() as page:
        one_object(page, server.url, "squares.mp4", ONE)
        assert page.evaluate("document.activeElement === document.body")
        page.keyboard.press("Tab")  # from here the picture is one of the places that Tab comes to
        page.keyboard.press("s")
        assert page.evaluate("document.activeElement.id") == "stage"


NAMED = "(name) => document.querySelector('[data-object=\"1\"] .name').value === name"


def test_a_name_lets_keys_through_until_it_is_edited(server, person) -> None:
    with person() as page:
        one_object(page, server.url, "squares.mp4", ONE)
        page.keyboard.press("Escape")
        name = page.get_by_label("Name of object 1")
        before = name.input_value()
        name.click()
        page.wait_for_selector('.object[aria-current="true"]')
        page.keyboard.press("l")
        page.wait_for_selector(".object.locked")
        name.dblclick()
        page.get_by_text("is locked").wait_for()
        page.keyboard.press("l")
        page.wait_for_selector(".object:not(.locked)")
        page.keyboard.press("x")
        page.wait_for_selector('[data-command=take][aria-pressed="true"]')
        assert name.input_value() == before

        page.keyboard.press("F2")
        page.wait_for_function("document.activeElement.matches('.name:read-write')")
        page.keyboard.type("cl")
        page.keyboard.press("Escape")  # takes it back, and no more than that
        page.wait_for_function(NAMED, arg=before)
        page.wait_for_selector('.object[aria-current="true"]')
        page.keyboard.press("F2")
        page.wait_for_function("document.activeElement.matches('.name:read-write')")
        page.keyboard.type("bee")
        page.keyboard.press("Enter")
        saved(page)
        page.wait_for_function("document.activeElement === document.body")
        name.focus()
        page.keyboard.press("Enter")
        page.keyboard.type("wasp")
        page.locator("#stage").click(position={"x": 5, "y": 300})
        page.wait_for_function("document.activeElement === document.body")
        saved(page)
        page.reload(wait_until="commit")
        is_open(page)
        objects(page, 1)
        page.wait_for_function(NAMED, arg="wasp")


def test_a_name_is_edited_by_touch(server, person) -> None:
    with person(viewport={"width": 1024, "height": 768}, has_touch=True) as page:
        open_gallery(page, server.url, "still.png")
        page.touchscreen.tap(*place(page, *ONE))
        objects(page, 1)
        saved(page)
        box = page.get_by_label("Name of object 1").bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.touchscreen.tap(*middle)
        assert page.locator(".name:read-only").count() == 1
        page.wait_for_timeout(500)  # longer than between the taps of a double tap
        page.touchscreen.tap(*middle)
        page.touchscreen.tap(*middle)
        page.wait_for_function("document.activeElement.matches('.name:read-write')")
        page.keyboard.type("bee")
        page.keyboard.press("Enter")
        saved(page)
        assert page.get_by_label("Name of object 1").input_value() == "bee"


def test_the_frame_box_goes_where_it_can_and_lets_go_of_the_keys(server, person) -> None:
    shown = """(wanted) => document.querySelector(".clock input").value === wanted
      && document.querySelector("#deck .scrub").getAttribute("aria-valuenow") === wanted"""
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        box = page.get_by_label("Frame", exact=True)
        typing = (("9999", "15"), ("", "15"), ("-5", "0"), ("12.7", "13"), ("e", "13"), ("3", "3"))
        for typed, wanted in typing:
            box.fill("")
            box.press_sequentially(typed)
            box.press("Enter")
            page.wait_for_function(shown, arg=wanted)
            assert page.evaluate("document.activeElement === document.body")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(shown, arg="4")


def test_space_held_moves_the_picture_and_pressed_alone_plays(server, person) -> None:
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        page.keyboard.down(" ")
        x, y = place(page, *ONE)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 40, y + 30, steps=3)
        page.mouse.up()
        page.keyboard.up(" ")
        assert not page.evaluate(PLAYED)
        assert page.locator(".object").count() == 0
        page.keyboard.press("c")
        page.mouse.click(x + 40, y + 30)  # where the object is now
        objects(page, 1)
        saved(page)
        page.keyboard.press("Escape")
        page.keyboard.press(" ")
        page.wait_for_function(PLAYED)


def test_an_object_that_comes_back_stands_where_it_stood(server, person) -> None:
    listed = "Array.from(document.querySelectorAll('.object'), (row) => row.dataset.object).join()"
    with person() as page:
        open_gallery(page, server.url, "squares.mp4")
        for number, at in enumerate((ONE, inside(0, 2), (200, 150)), 1):
            page.keyboard.press("n")
            click(page, *at)
            objects(page, number)
            saved(page)
            page.keyboard.press("Escape")
        page.keyboard.press("ArrowUp")
        page.wait_for_selector('[data-object="2"][aria-current="true"]')
        page.keyboard.press("Delete")
        page.wait_for_function(f"{listed} === '1,3'")
        page.evaluate("document.querySelector('[data-object=\"3\"] .thumb').focus()")
        page.keyboard.press("Control+z")
        page.wait_for_function(f"{listed} === '1,2,3'")
        assert page.evaluate("document.activeElement.closest('.object').dataset.object") == "3"


PATIENT = """const real = setTimeout;
setTimeout = (run, after, ...rest) => real(run, after >= 5000 ? 1e9 : after, ...rest);"""


def test_the_undo_of_a_deletion_is_offered_while_it_is_what_came_last(server, person) -> None:
    with person() as page:
        page.add_init_script(PATIENT)  # no toast goes by its time
        open_gallery(page, server.url, "squares.mp4")
        for number in (1, 2):
            page.keyboard.press("n")
            click(page, *inside(0, number))
            objects(page, number)
            saved(page)
            page.keyboard.press("Escape")
        toast = page.locator(".toast", has_text="is deleted.")
        page.keyboard.press("Delete")
        toast.get_by_role("button", name="Undo").click()
        objects(page, 2)
        page.keyboard.press("ArrowUp")
        for then in ("Control+z", "h"):
            page.keyboard.press("Delete")
            toast.wait_for()
            objects(page, 1)
            page.keyboard.press("ArrowUp")
            page.keyboard.press(then)
            toast.wait_for(state="detached")
            objects(page, 2 if then == "Control+z" else 1)
            page.keyboard.press("ArrowDown")


def test_what_was_said_of_a_screen_goes_with_it(server, person) -> None:
    with person() as page:
        page.add_init_script(PATIENT)
        open_gallery(page, server.url, "squares.mp4")
        page.keyboard.press("t")
        toast = page.locator(".toast", has_text="Select something first")
        toast.wait_for()
        page.get_by_role("button", name="masklet: back to the start").click()
        page.wait_for_selector("body[data-phase=home]")
        toast.wait_for(state="detached")


@pytest.mark.parametrize("width", [390, 1280])
def test_what_is_said_covers_neither_hint_nor_candidates(server, person, width: int) -> None:
    apart = """([one, other]) => {
      const [a, b] = [one, other].map((name) => document.querySelector(name).getBoundingClientRect());
      return a.height > 0 && b.height > 0 && (a.bottom <= b.top || b.bottom <= a.top || a.right <= b.left);
    }"""
    with person(viewport={"width": width, "height": 844}) as page:
        page.add_init_script(PATIENT)
        open_gallery(page, server.url, "squares.mp4")
        page.keyboard.press("t")
        page.wait_for_selector(".toast")
        for other in ("#hint", "#stage-top", "#panel"):
            assert page.evaluate(apart, [".toast", other]), other
        click(page, 200, 150)
        page.wait_for_selector("#candidates:not([hidden])")
        assert page.evaluate(apart, [".toast", "#candidates"])


def test_a_narrow_screen_shows_objects_and_a_lost_connection(server, person) -> None:
    with person(viewport={"width": 700, "height": 900}) as page:
        open_gallery(page, server.url, "squares.mp4")
        click(page, *inside(0, 2))
        objects(page, 1)
        seen = """() => {
          const box = document.querySelector(".object").getBoundingClientRect();
          const top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
          return Boolean(top?.closest(".object"));
        }"""
        page.wait_for_function(seen)
        saved_state = page.locator("#saved")
        assert saved_state.is_hidden()
        server.stop()
        page.wait_for_selector("#saved[data-state=lost]")
        assert saved_state.is_visible()
        server.start()
        page.wait_for_selector("#saved[data-state=ok]", state="attached")


@pytest.mark.parametrize("width", [320, 360, 390, 414])
def test_everything_above_the_picture_is_in_reach_on_a_phone(server, person, width: int) -> None:
    outside = """() => [...document.querySelectorAll("#bar :is(button, input, .saved), .stage-top button")]
      .filter((one) => one.checkVisibility())
      .filter((one) => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth)
      .map((one) => one.ariaLabel ?? one.id)"""
    with person(viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True) as page:
        open_gallery(page, server.url, "squares.mp4")
        assert page.evaluate("[innerWidth, document.documentElement.scrollWidth]") == [width, width]
        assert page.evaluate(outside) == []
        assert page.get_by_label("Name of this work").bounding_box()["width"] > 40
        server.stop()
        page.wait_for_selector("#saved[data-state=lost]")
        assert page.evaluate(outside) == []
        page.get_by_role("button", name="Export").tap()
        page.get_by_role("dialog", name="Export").wait_for()


def test_an_export_says_what_it_is_while_it_waits(server, person) -> None:
    waiting = {"id": "e", "format": "coco", "state": "queued", "done": 0, "total": 0, "name": None}
    with person() as page:
        one_object(page, server.url, "still.png", ONE)

        def answer(route: Any) -> None:
            route.fulfill(status=202, json=waiting) if route.request.method == "POST" else route.continue_()

        page.route("**/exports", answer)
        page.keyboard.press("Control+e")
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("radio", name="COCO").click()
        dialog.get_by_role("button", name="Export").click()
        row = dialog.locator(".job")
        row.wait_for()
        assert row.inner_text().split("\n") == ["COCO / YouTube-VIS", "Waiting"]


def test_deleting_the_last_work_on_an_upload_deletes_the_file(server, person, gallery: Path) -> None:
    with person() as page:
        page.goto(server.url, wait_until="commit")
        with page.expect_file_chooser() as chooser:
            page.click("#choose-file")
        chooser.value.set_files(gallery / "still.png")
        is_open(page)
        page.get_by_role("button", name="masklet: back to the start").click()
        page.get_by_role("button", name="Delete still.png").click()
        dialog = page.get_by_role("dialog")
        assert "uploaded photo" in dialog.inner_text()
        dialog.get_by_role("button", name="Cancel").click()
        assert list((server.store / "videos").iterdir())
        page.get_by_role("button", name="Delete still.png").click()
        dialog.get_by_role("button", name="Delete").click()
        page.wait_for_function("!document.querySelector('.card .forget')")
        until(lambda: not list((server.store / "videos").iterdir()))


def test_candidates_come_by_size_and_the_one_that_is_shown_is_taken(server, person) -> None:
    area = """async () => {
      const masks = await (await fetch(`/api/sessions/${location.hash.slice(3)}/frames/0/masks`)).json();
      const { size, counts } = masks.masks[1].mask;
      const { bytesOfText, extent, runsOf } = await import("/core/rle.js");
      return extent(runsOf(bytesOfText(counts)), size[0]).area;
    }"""
    with person() as page:
        open_gallery(page, server.url, "still.png")
        click(page, *ONE)
        page.wait_for_selector("#candidates:not([hidden])")
        areas = []
        for key in "123":
            page.keyboard.press(key)
            page.wait_for_selector(f'#candidates button:nth-child({key})[aria-checked="true"]')
            saved(page)
            areas.append(page.evaluate(area))
        assert areas == sorted(areas)
        assert areas[0] < areas[-1]
