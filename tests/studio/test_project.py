"""A project in the studio, annotating it and its review screen: in a real browser, by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("alembic", reason="the extra `annotate` is not installed")

from fakes import COLOURS, inside
from masklet.annotate import masklets, schema, tasks, verify
from masklet.annotate.progress import standing
from masklet.annotate.project import Project
from project_kit import FRAMES, HEIGHT, ORDER, WIDTH
from studio_hands import click, is_open, rename, saved, tracked
from studio_hands import colour_at as stage_colour
from studio_kit import until


@pytest.fixture
def options(birds: Path) -> dict[str, Any]:
    return {"projects": (birds,)}


def open_project(page: Any, url: str, name: str = "") -> None:
    page.goto(url, wait_until="commit")
    page.get_by_role("button", name="birds").click()
    page.wait_for_selector(".project-head h1")
    if name:
        page.get_by_label("Who are you").select_option(name)


def review(page: Any, url: str, name: str = "rita") -> None:
    open_project(page, url, name)
    page.get_by_role("button", name="Review next").click()
    shown(page)


def shown(page: Any, masklet: int = ORDER[0]) -> None:
    """Wait until a masklet lies before the reviewer, with its picture."""
    about = {1: ("Object 1", "walk"), 2: ("Object 2", "walk"), 3: ("Object 1", "stills")}[masklet]
    page.wait_for_function(
        "([title, video]) => document.querySelector('.about-task h1')?.textContent === title"
        " && document.querySelector('.about-task p').textContent.includes(video)"
        " && document.querySelector('.review .veil').hidden",
        arg=list(about),
    )


def held(birds: Path) -> dict[int, str]:
    with Project.open(birds) as project:
        return {masklet: name for masklet, (name, _) in tasks.held(project).items()}


def colour_at(page: Any, x: float, y: float) -> list[int]:
    """What the review screen shows at a pixel of the video."""
    return page.evaluate(
        """([x, y, w, h]) => {
          const canvas = document.getElementById("review-picture");
          const scale = Math.min((canvas.width - 28) / w, (canvas.height - 28) / h);
          const [left, top] = [(canvas.width - w * scale) / 2, (canvas.height - h * scale) / 2];
          const at = [left + x * scale, top + y * scale].map(Math.round);
          return Array.from(canvas.getContext("2d").getImageData(...at, 1, 1).data.slice(0, 3));
        }""",
        [x, y, WIDTH, HEIGHT],
    )


def test_the_page_names_the_model_that_draws_here(server, person, birds: Path) -> None:
    with person() as page:
        open_project(page, server.url)
        assert page.locator("#made-with").inner_text() == "Masklets are made with fake"
        with Project.open(birds) as project:
            project.change_setting("model", "masklet-tiny")
        open_project(page, server.url)
        told = page.locator("#made-with").inner_text()
        assert told == "Masklets are drawn here with fake; the project's own model is masklet-tiny"


def test_a_project_is_seen_and_reviewed_to_the_end_by_keyboard(server, person, birds: Path) -> None:
    with person() as page:
        open_project(page, server.url)
        assert page.get_by_role("img", name="3 to review").first.is_visible()
        assert page.get_by_role("button", name="Review next").is_disabled()
        assert page.locator(".video-row").all_inner_texts()[0].startswith("walk")
        row = page.get_by_role("row", name="ann")
        assert row.get_by_role("cell").all_inner_texts() == ["annotator", "1", "–", "6 s", "–"]
        page.get_by_label("Who are you").select_option("ann")
        assert page.get_by_text("ann is annotator; reviewing takes a reviewer or an admin.").is_visible()
        page.get_by_label("Who are you").select_option("rita")
        page.reload(wait_until="commit")  # this browser remembers who is here
        page.get_by_role("button", name="Review next").click()

        shown(page, ORDER[0])
        assert held(birds) == {2: "rita"}
        page.keyboard.press("s")
        shown(page, ORDER[1])
        page.keyboard.press("u")
        page.keyboard.press("Enter")
        assert "at least one reason" in page.get_by_role("alert").inner_text()
        page.keyboard.press("3")
        page.keyboard.press("5")
        page.keyboard.press("w")
        page.keyboard.type("the left wing")
        page.keyboard.press("Enter")
        shown(page, ORDER[2])
        page.keyboard.press("r")
        page.keyboard.press("8")
        page.keyboard.press("Enter")

        page.locator(".notice", has_text="Nothing else waits. You judged 3 masklets.").wait_for()
        page.wait_for_function("location.hash.match(/^#p\\/\\w+$/)")
        page.get_by_role("img", name="1 satisfactory, 1 to refine, 1 rejected").first.wait_for()
    with Project.open(birds) as project:
        first, second, third = verify.reviews(project)
        assert (first.masklet, first.verdict, first.reasons) == (2, "satisfactory", ())
        assert (second.masklet, second.reasons, second.note) == (3, ("extra", "lost"), "the left wing")
        assert (third.masklet, third.verdict, third.reasons) == (1, "rejected", ("too-hard",))


def test_a_masklet_plays_at_twice_the_speed_and_is_looked_at(server, person) -> None:
    with person() as page:
        review(page, server.url)
        assert page.get_by_role("radio", name="2×").get_attribute("aria-checked") == "true"
        assert page.get_by_role("button", name="Pause").is_visible()
        # It goes round: the playhead comes back to where it was.
        playhead = "Number(document.querySelector('.review [role=slider]').getAttribute('aria-valuenow'))"
        page.wait_for_function(f"{playhead} > 8")
        page.wait_for_function(f"{playhead} < 6")
        page.keyboard.press(" ")
        page.keyboard.press("Home")
        page.keyboard.press("d")
        page.wait_for_function(f"{playhead} === 9")
        page.keyboard.press("ArrowLeft")
        page.wait_for_function(f"{playhead} === 8")
        x, y = inside(8, 2, WIDTH)
        page.keyboard.press("m")  # cut out
        page.keyboard.press("m")  # outline
        page.keyboard.press("m")  # the picture alone
        page.wait_for_selector('[data-look=none][aria-checked="true"]')
        until(lambda: colour_at(page, x, y)[1] > 180)
        page.keyboard.press("m")
        until(lambda: colour_at(page, x, y)[0] > 90 and colour_at(page, x, y)[1] < 180)
        page.keyboard.press("4")
        page.wait_for_selector('[data-speed="4"][aria-checked="true"]')
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keys")
        assert sheet.get_by_text("Next frame the model doubts").is_visible()
        assert sheet.get_by_text("Brush").count() == 0


@pytest.mark.parametrize("width", [320, 390])
def test_verdicts_and_reasons_have_room_on_a_phone(server, person, width: int) -> None:
    cramped = """() => {
      const wide = [...document.querySelectorAll(".verdict, .verdict span, .reason")];
      const all = [...document.querySelector(".review-panel").children];
      const parts = all.filter((one) => one.checkVisibility());
      const box = (one) => one.getBoundingClientRect();
      const covered = parts.slice(1).filter((one, place) => box(one).top < box(parts[place]).bottom);
      const over = wide.filter((one) => one.scrollWidth > one.clientWidth + 1);
      return [...over, ...covered].map((one) => one.className);
    }"""
    with person(viewport={"width": width, "height": 844}, has_touch=True, is_mobile=True) as page:
        review(page, server.url)
        assert page.evaluate(cramped) == []
        page.get_by_role("button", name="Unsatisfactory").tap()
        page.get_by_role("group", name="What is wrong?").wait_for()
        assert page.evaluate(cramped) == []


def test_a_key_that_is_held_down_judges_one_masklet(server, person, birds: Path) -> None:
    with person() as page:
        review(page, server.url)
        page.keyboard.down("s")
        shown(page, ORDER[1])
        for _ in range(5):
            page.keyboard.down("s")  # what a keyboard sends while the key stays down
        page.keyboard.up("s")
        page.keyboard.press("u")
        page.get_by_role("group", name="What is wrong?").wait_for()
        assert held(birds) == {3: "rita"}


def test_two_reviewers_get_different_masklets_and_leaving_gives_back(server, person, birds: Path) -> None:
    with person() as first:
        with person() as second:
            review(first, server.url)
            open_project(second, server.url, "rolf")
            second.get_by_role("button", name="Review next").click()
            shown(second, ORDER[1])
            assert held(birds) == {2: "rita", 3: "rolf"}
            first.keyboard.press("Escape")
            first.get_by_role("button", name="Review next").wait_for()
            until(lambda: held(birds) == {3: "rolf"})
            second.close(run_before_unload=True)
            until(lambda: held(birds) == {})
        first.go_back()
        shown(first, ORDER[0])
        first.get_by_role("button", name="birds").click()
        first.get_by_role("button", name="Review next").wait_for()


def test_a_task_that_somebody_else_took_is_told_and_nothing_is_overwritten(
    server, person, birds: Path
) -> None:
    with person() as page:
        review(page, server.url)
        with Project.open(birds) as project:
            rolf = project.person("rolf").id
            project.database.write(lambda c: c.execute(schema.lease.update().values(person_id=rolf)) and None)
        page.keyboard.press("s")
        page.get_by_text("Masklet 2 is held by rolf now").wait_for()
        with Project.open(birds) as project:
            assert masklets.get(project, 2).status == "submitted"
        page.keyboard.press("Enter")  # takes the next one
        shown(page, ORDER[1])


def test_a_lease_that_ran_out_is_taken_up_again_without_a_word(server, person, birds: Path) -> None:
    with person() as page:
        review(page, server.url)
        with Project.open(birds) as project:
            project.database.write(lambda c: c.execute(schema.lease.delete()) and None)
        page.keyboard.press("s")
        shown(page, ORDER[1])
        with Project.open(birds) as project:
            assert masklets.get(project, 2).status == "satisfactory"


def test_a_lease_is_renewed_while_somebody_is_at_work_and_not_when_they_are_away(
    server, person, birds: Path
) -> None:
    def left(project: Project) -> float:
        ((_, until_when),) = tasks.held(project).values()
        return until_when - project.clock()

    with person() as page, Project.open(birds) as project:
        page.clock.install()
        review(page, server.url)
        nearly_over = schema.lease.update().values(expires=project.clock() + 100)
        project.database.write(lambda c: c.execute(nearly_over) and None)
        page.clock.fast_forward(61_000)
        until(lambda: left(project) > 1000)
        # Away for longer than a coffee: the lease runs out, and somebody else may go on.
        page.clock.fast_forward(1_000_000)
        project.database.write(lambda c: c.execute(nearly_over) and None)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.clock.fast_forward(61_000)
        page.keyboard.press("?")
        page.get_by_role("dialog", name="Keys").wait_for()
        assert left(project) < 100
        assert not [url for url in asked if url.endswith("/renew")]


def test_a_verdict_outlives_a_lost_server(server, person, birds: Path) -> None:
    with person() as page:
        review(page, server.url)
        server.stop()
        page.keyboard.press("s")
        page.wait_for_function("document.getElementById('saved').textContent.includes('1 step is kept')")
        server.start()
        shown(page, ORDER[1])
        with Project.open(birds) as project:
            assert [one.masklet for one in verify.reviews(project)] == [2]


def test_second_opinions_are_asked_for_apart(server, person, birds: Path) -> None:
    with Project.open(birds) as project:
        task = tasks.claim(project, "rolf", "verify", masklet=1)
        assert task is not None
        verify.judge(project, task, "satisfactory")
    with person() as page:
        open_project(page, server.url, "rita")
        page.get_by_role("button", name="Second opinion").click()
        shown(page, 1)
        page.get_by_role("switch", name="Second opinions").click()
        shown(page, ORDER[0])
        page.keyboard.press("t")
        shown(page, 1)
        page.keyboard.press("s")
        page.locator(".notice", has_text="No second opinion is wanted now. You judged 1 masklet.").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_have_names_and_text_has_contrast(server, person, scheme: str) -> None:
    with person(color_scheme=scheme) as page:
        looks = Path(__file__).with_name("access.js").read_text()
        open_project(page, server.url, "boss")
        page.get_by_role("row", name="boss").wait_for()
        project = page.evaluate(looks)
        page.get_by_role("button", name="Review next").click()
        shown(page)
        page.keyboard.press("u")
        page.get_by_role("group", name="What is wrong?").wait_for()
        for told in (project, page.evaluate(looks)):
            assert told["nameless"] == []
            assert told["faint"] == []
            assert told["seen"] > 30


def test_it_keeps_to_the_security_policy(server, person) -> None:
    with person(bypass_csp=False) as page:
        complaints: list[str] = []
        page.on("console", lambda line: line.type == "error" and complaints.append(line.text))
        open_project(page, server.url, "rita")
        page.get_by_role("button", name="Review next").click()
        page.get_by_text("Object 2").first.wait_for()
        page.get_by_role("button", name="Pause").wait_for()
        assert complaints == []


def test_an_address_that_names_no_project_leads_to_the_start(server, person) -> None:
    with person() as page:
        page.goto(f"{server.url}#p/nothing", wait_until="commit")
        page.get_by_role("alert").wait_for()
        assert "there is no project nothing" in page.get_by_role("alert").inner_text()
        assert page.get_by_role("button", name="birds").is_visible()


# ── annotating ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def sent_back(birds: Path) -> int:
    """A masklet that rita sent back; all others are verified."""
    with Project.open(birds) as project:
        for masklet, verdict in ((1, "satisfactory"), (2, "unsatisfactory"), (3, "satisfactory")):
            task = tasks.claim(project, "rita", "verify", masklet=masklet)
            assert task is not None
            reasons = ["extra"] if verdict == "unsatisfactory" else []
            verify.judge(project, task, verdict, reasons=reasons, words="the left wing" if reasons else "")
    return 2


def annotate(page: Any, url: str, name: str = "ann") -> None:
    open_project(page, url, name)
    page.get_by_role("button", name="Annotate next").click()
    drawing(page)


def drawing(page: Any, of: str = "Object 2 of walk") -> None:
    """Wait until a task is drawn in the studio."""
    page.locator(".strip b", has_text=of).wait_for()
    is_open(page)


def test_what_came_back_is_drawn_and_reviewed(server, person, birds: Path, sent_back: int) -> None:
    with person() as page:
        open_project(page, server.url, "rita")
        assert page.get_by_role("button", name="Annotate next").count() == 0
        page.get_by_label("Who are you").select_option("ann")
        button = page.get_by_role("button", name="Annotate next")
        assert button.inner_text().split() == ["Annotate", "next", "1"]
        button.click()
        drawing(page)
        strip = page.get_by_role("region", name="Task")
        assert "birds" in strip.inner_text()
        assert "It came back: extra “the left wing”" in strip.inner_text()
        assert held(birds) == {2: "ann"}
        assert page.locator(".object").count() == 1
        assert not page.get_by_role("button", name="New object").is_visible()
        x, y = inside(0, 2, WIDTH)
        until(lambda: stage_colour(page, x, y) != list(COLOURS[2]))  # its mask is shown

        page.keyboard.press("End")
        page.wait_for_selector("#veil", state="hidden")
        click(page, *inside(FRAMES - 1, 2, WIDTH))
        saved(page)
        page.keyboard.press("Control+Enter")
        page.get_by_text("older than your last click").wait_for()
        page.keyboard.press("t")
        tracked(page, FRAMES)
        page.keyboard.press("Control+Enter")
        page.locator(".notice", has_text="Nothing else waits. You handed in 1 masklet.").wait_for()
        page.get_by_role("img", name="2 satisfactory, 1 to review").first.wait_for()

        page.get_by_label("Who are you").select_option("rita")
        page.get_by_role("button", name="Review next").click()
        shown(page, 2)
        assert "Round 2" in page.locator(".about-task").inner_text()
    with Project.open(birds) as project:
        entry = masklets.get(project, sent_back)
        assert (entry.status, entry.phase, entry.checkpoint) == ("submitted", 3, "fake sha256:")
        found = masklets.masks(project, sent_back)
        assert found[FRAMES - 1].prompted
        assert not found[FRAMES - 1].mask.is_empty
        (effort,) = standing(project).phases.values()
        assert effort.edited == 1 / FRAMES
        assert effort.seconds


def test_a_reload_and_a_lost_server_cost_nothing(server, person, birds: Path, sent_back: int) -> None:
    with person() as page:
        annotate(page, server.url)
        click(page, *inside(0, 2, WIDTH))
        saved(page)
        page.reload(wait_until="commit")
        drawing(page)
        assert held(birds) == {2: "ann"}
        page.keyboard.press("t")
        tracked(page, FRAMES)
        server.stop()
        page.keyboard.press("Control+Enter")
        page.wait_for_function("document.getElementById('saved').textContent.includes('1 step is kept')")
        server.start()
        page.locator(".notice", has_text="Nothing else waits").wait_for()
    with Project.open(birds) as project:
        assert masklets.get(project, sent_back).rounds == 2
        assert [frame for frame, _ in masklets.prompts(project, sent_back)] == [0]


def test_a_task_that_somebody_else_took_stays_open_and_is_told(
    server, person, birds: Path, sent_back: int
) -> None:
    with person() as page:
        annotate(page, server.url)
        click(page, *inside(0, 2, WIDTH))
        saved(page)
        with Project.open(birds) as project:
            boss = project.person("boss").id
            project.database.write(lambda c: c.execute(schema.lease.update().values(person_id=boss)) and None)
        page.keyboard.press("Control+Enter")
        page.keyboard.press("Control+Enter")
        page.get_by_text("Masklet 2 is held by boss now").wait_for()
        assert page.locator(".object").count() == 1
        with Project.open(birds) as project:
            assert masklets.prompts(project, sent_back) == []
            tasks.release(project, sent_back, "boss")
        page.get_by_role("button", name="Try again").click()
        page.get_by_role("button", name="Give back").wait_for()
        page.keyboard.press("Control+Enter")
        page.keyboard.press("Control+Enter")
        page.locator(".notice", has_text="Nothing else waits").wait_for()


def test_work_of_somebody_else_is_opened_without_taking_their_task(
    server, person, birds: Path, sent_back: int
) -> None:
    with person() as page:
        annotate(page, server.url)
        click(page, *inside(0, 2, WIDTH))
        saved(page)
        page.get_by_role("button", name="birds").click()  # leaving keeps the task
        page.get_by_label("Who are you").select_option("boss")
        assert held(birds) == {2: "ann"}
        page.get_by_role("button", name="Projects").click()
        page.get_by_role("button", name="walk: Object 2").first.click()
        page.get_by_text("This is ann's work, and you are boss.").wait_for()
        assert page.get_by_role("button", name="Submit").count() == 0
        assert held(birds) == {2: "ann"}


def test_a_new_object_is_named_drawn_and_one_is_given_back(server, person, birds: Path) -> None:
    with person() as page:
        open_project(page, server.url, "ann")
        page.get_by_role("button", name="New object on stills").click()
        drawing(page, "Object 2 of stills")
        page.get_by_role("button", name="Give back").click()
        page.locator(".notice", has_text="Given back.").wait_for()
        page.get_by_role("button", name="New object on stills").click()
        drawing(page, "Object 2 of stills")
        page.keyboard.press("Control+Enter")
        page.get_by_text("There is no mask yet").wait_for()
        click(page, *inside(0, 2, WIDTH))
        saved(page)
        rename(page, 2, "mug")
        page.locator(".strip b", has_text="mug of stills").wait_for()
        page.keyboard.press("t")
        tracked(page, FRAMES)
        page.get_by_role("button", name="Submit").click()
        page.locator(".notice", has_text="You handed in 1 masklet.").wait_for()
    with Project.open(birds) as project:
        (made,) = [one for one in masklets.find(project) if one.origin == "manual"]
        assert (made.category, made.status, made.number) == ("mug", "submitted", 2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_strip_has_names_and_contrast(server, person, sent_back: int, scheme: str) -> None:
    with person(color_scheme=scheme) as page:
        looks = Path(__file__).with_name("access.js").read_text()
        annotate(page, server.url)
        told = page.evaluate(looks)
        assert told["nameless"] == []
        assert told["faint"] == []
