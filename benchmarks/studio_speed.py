"""How fast the studio is for the person before it: clicks and tracking in a real Chromium.

    python benchmarks/studio_speed.py --model masklet-nano --video clip.mp4 --json studio.json

Starts `masklet serve` with the video (720p; made up if none is given) and drives the page by mouse and keys.

First click      On `--frames` (25) frames far from each other. The frame is on the screen and was looked at
                 for `--think` (1) seconds; the pointer comes from elsewhere and presses at once, which is
                 the hardest case: a pointer that rests on the picture has had the frame encoded before.
Further click    `--clicks` (50) in all on those same frames, after the same pause each.
Tracking         One object of a new session from frame 0, for `--seconds` (20) or to the end of the video:
                 masks that came to the page, and frames drawn with picture and mask, a second.

A click's time runs from the press of the button to the canvas painted with the new mask. Clicks whose mask is
empty draw nothing; they are counted and not timed. Needs Chromium on the PATH and the extra `dev`.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

import clips
from figures import Figure, show, times
from served import Help, add_options, served

PATIENCE_MS = 120_000
EMPTY_AFTER_MS = 1500
"""How long after its answer a mask may be drawn before it counts as empty."""

STAGE = """() => {
  const { left, top, width, height } = document.getElementById("stage").getBoundingClientRect();
  return [left, top, width, height];
}"""

SHOWN = "(frame) => measured.pictures.some((one) => one.frame === frame)"

CLICKED = """async ([drawn, answers, patience]) => {
  const { measured } = window;
  while (measured.drawn.length === drawn) {
    if (measured.answers > answers) {
      await new Promise((go) => setTimeout(go, patience));
      break;
    }
    await new Promise((go) => setTimeout(go, 5));
  }
  return measured.drawn.length === drawn ? null : measured.drawn[drawn].at - measured.pressed;
}"""


@dataclass(frozen=True)
class Clicks:
    """Milliseconds of clicks, and how many gave an empty mask."""

    first: tuple[float, ...]
    further: tuple[float, ...]
    empty: int


@dataclass(frozen=True)
class Tracking:
    """Frames with when they came and were drawn in the page, in seconds after the key was pressed."""

    arrived: tuple[float, ...]
    drawn: tuple[float, ...]


class Person:
    """Somebody before the page of a server whose gallery holds one video."""

    def __init__(self, page: Page, url: str, think: float) -> None:
        self._page = page
        self._url = url
        self._think = think
        self._width, self._height, self.frames = 0, 0, 0

    def begin(self) -> None:
        """Open the video anew: a session without any prompts."""
        page = self._page
        page.goto(self._url, wait_until="commit")
        with page.expect_response(lambda r: r.url.endswith("/open")) as answer:
            page.locator("section:has(h2:text-is('Gallery')) button.open").first.click()
        video = answer.value.json()
        self._width, self._height, self.frames = video["width"], video["height"], video["frames"]
        page.wait_for_selector("body[data-phase=open]")
        page.wait_for_selector("#veil", state="hidden")
        page.wait_for_function("measured.pictures.length > 0")

    def go_to(self, frame: int) -> None:
        """Type a frame's number, and look at it when it is there."""
        field = self._page.locator(".clock input")
        field.fill(str(frame))
        field.press("Enter")
        self._page.wait_for_function(SHOWN, arg=frame)
        field.blur()
        self.look()

    def look(self) -> None:
        self._page.wait_for_timeout(self._think * 1000)

    def click(self, x: float, y: float) -> float | None:
        """Click at a part (0 … 1) of the picture; milliseconds until the mask was drawn, None if empty."""
        page = self._page
        before = page.evaluate("[measured.drawn.length, measured.answers]")
        page.mouse.click(*self._on_screen(x, y))
        taken = page.evaluate(CLICKED, [*before, EMPTY_AFTER_MS])
        page.wait_for_selector("#saved[data-state=ok]")
        return taken

    def track(self, seconds: float) -> Tracking:
        """Track with the T key; Esc ends it when the time is over."""
        page = self._page
        start = page.evaluate("[performance.now(), measured.arrived.length, measured.drawn.length]")
        page.keyboard.press("t")
        page.wait_for_function("(before) => measured.arrived.length > before", arg=start[1])
        ended = page.locator(".run[hidden]")
        for _ in range(math.ceil(seconds * 2)):  # seldom: looking takes time that the page would have
            page.wait_for_timeout(500)
            if ended.count():
                break
        found = page.evaluate("[measured.arrived, measured.drawn]")
        page.keyboard.press("Escape")
        page.wait_for_selector(".run", state="hidden")
        came, drawn = (notes[skip:] for notes, skip in zip(found, start[1:], strict=True))
        return Tracking(_first_times(came, start[0]), _first_times(drawn, start[0]))

    def _on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a part of the picture lies while the whole is shown; 20 pixels stay free around it."""
        left, top, width, height = self._page.evaluate(STAGE)
        scale = min((width - 40) / self._width, (height - 40) / self._height)
        return (
            left + width / 2 + (x - 0.5) * self._width * scale,
            top + height / 2 + (y - 0.5) * self._height * scale,
        )


def _first_times(notes: Sequence[dict[str, Any]], start: float) -> tuple[float, ...]:
    """When each frame was noted first, in order."""
    found: dict[int, float] = {}
    for one in notes:
        found.setdefault(one["frame"], (one["at"] - start) / 1000)
    return tuple(sorted(found.values()))


def click_through(person: Person, frames: int, clicks: int) -> Clicks:
    """First clicks on frames all over the video, out of order, with the further ones dealt out among them."""
    luck = random.Random(0)
    count = min(frames, person.frames - 1)
    places = [1 + round(k * (person.frames - 2) / max(count - 1, 1)) for k in range(count)]
    places = list(dict.fromkeys(places))
    luck.shuffle(places)
    first: list[float | None] = []
    further: list[float | None] = []
    for number, frame in enumerate(places):
        person.go_to(frame)
        x, y = luck.uniform(0.35, 0.65), luck.uniform(0.35, 0.65)
        first.append(person.click(x, y))
        share = clicks * (number + 1) // len(places) - clicks * number // len(places)
        for k in range(share):
            person.look()
            turn = 2 * math.pi * k / max(share, 3)  # far enough from the others' markers not to grab them
            further.append(person.click(x + 0.1 * math.cos(turn), y + 0.14 * math.sin(turn)))
    timed = [tuple(t for t in values if t is not None) for values in (first, further)]
    return Clicks(timed[0], timed[1], len(first) + len(further) - len(timed[0]) - len(timed[1]))


def rate(moments: Sequence[float]) -> float | None:
    """Frames a second between the first and the last; None with fewer than two."""
    if len(moments) < 2:
        return None
    return round((len(moments) - 1) / (moments[-1] - moments[0]), 2)


def tracking_figures(tracking: Tracking) -> Iterator[Figure]:
    kinds = (("masks that came", tracking.arrived, ""), ("frames drawn", tracking.drawn, ">= 15 a second"))
    for name, moments, bar in kinds:
        if (a_second := rate(moments)) is not None:
            yield Figure(f"tracking, {name}", a_second, "a second", len(moments), bar)
    if tracking.drawn:
        yield Figure("tracking, from the key to the first frame drawn", round(tracking.drawn[0] * 1000), "ms")


def chromium() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    return found or sys.exit("there is no Chromium on this machine (apt-get install chromium)")


@contextmanager
def opened_page(browser: Browser) -> Iterator[Page]:
    # Waiting for a condition is an eval, which the page's security policy forbids, as it should.
    context = browser.new_context(viewport={"width": 1280, "height": 720}, bypass_csp=True)
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(path=Path(__file__).with_name("watch_page.js"))
    yield context.new_page()
    context.close()


def measure(url: str, options: argparse.Namespace) -> list[Figure]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"], timeout=PATIENCE_MS
        )
        with opened_page(browser) as page:
            person = Person(page, url, options.think)
            person.begin()
            clicks = click_through(person, options.frames, options.clicks)
            person.begin()
            person.look()
            person.click(0.5, 0.5)
            person.look()
            tracking = person.track(options.seconds)
        browser.close()
    figures = times("first click on a frame", clicks.first, "< 400 ms")
    figures += times("further click", clicks.further, "< 120 ms")
    if clicks.empty:
        figures.append(Figure("clicks with an empty mask, not timed", clicks.empty))
    return [*figures, *tracking_figures(tracking)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    add_options(parser)
    parser.add_argument("--video", type=Path, metavar="FILE", help="a 720p video; made up if not given")
    parser.add_argument("--frames", type=int, default=25, help="frames clicked on first")
    parser.add_argument("--clicks", type=int, default=50, help="further clicks")
    parser.add_argument("--think", type=float, default=1.0, help="seconds before a click")
    parser.add_argument("--seconds", type=float, default=20, help="of tracking at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="masklet-gallery-") as folder:
        if options.video is None:
            clip = clips.write(Path(folder) / "discs.mp4", clips.discs(1280, 720, 400), 1280, 720)
        else:
            clip = Path(folder) / options.video.name
            shutil.copyfile(options.video, clip)
        with served(options, ["--gallery", folder]) as server:
            figures = measure(server.url, options)
    show("The studio in Chromium", figures, vars(options), options.json)


if __name__ == "__main__":
    main()
