"""What a person does with the page, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PLACE = """([x, y]) => {
  const box = document.getElementById("stage").getBoundingClientRect();
  const [w, h] = WIDE;
  const scale = Math.min((box.width - 40) / w, (box.height - 40) / h);
  const left = box.left + (box.width - w * scale) / 2;
  const top = box.top + (box.height - h * scale) / 2;
  return [left + x * scale, top + y * scale];
}""".replace("WIDE", "[256, 192]")


def open_gallery(page: Page, url: str, name: str) -> None:
    page.goto(url, wait_until="commit")
    page.get_by_role("button", name=name).first.click()
    is_open(page)


def is_open(page: Page) -> None:
    page.wait_for_selector("body[data-phase=open]")
    page.wait_for_selector("#veil", state="hidden")


def place(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture lies on the screen, while the whole picture is shown."""
    left, top = page.evaluate(PLACE, [x, y])
    return left, top


def click(page: Page, x: float, y: float, **how: str) -> None:
    page.mouse.click(*place(page, x, y), **how)  # type: ignore[arg-type]


def colour_at(page: Page, x: float, y: float) -> list[int]:
    """What the stage shows at a pixel of the picture."""
    left, top = place(page, x, y)
    return page.evaluate(
        """([left, top]) => {
          const canvas = document.getElementById("stage");
          const box = canvas.getBoundingClientRect();
          const ratio = canvas.width / box.width;
          const at = [Math.round((left - box.left) * ratio), Math.round((top - box.top) * ratio)];
          return Array.from(canvas.getContext("2d").getImageData(...at, 1, 1).data.slice(0, 3));
        }""",
        [left, top],
    )


def one_object(page: Page, url: str, file: str, at: tuple[float, float]) -> None:
    """A gallery's file with one object on it, kept by the server; its candidates are put away."""
    open_gallery(page, url, file)
    click(page, *at)
    objects(page, 1)
    saved(page)
    page.keyboard.press("Escape")


def rename(page: Page, object: int, name: str) -> None:
    field = page.get_by_label(f"Name of object {object}")
    field.dblclick()
    field.fill(name)
    field.press("Enter")


def saved(page: Page) -> None:
    page.wait_for_selector("#saved[data-state=ok]")


def objects(page: Page, number: int) -> None:
    page.wait_for_function(f"document.querySelectorAll('.object').length === {number}")


def tracked(page: Page, frames: int) -> None:
    """Wait until the server has tracked everything as it is prompted now, and the page knows."""
    page.wait_for_function(
        """async (frames) => {
          const sid = location.hash.slice(3);
          const { covered, outdated, run } = await (await fetch(`/api/sessions/${sid}`)).json();
          const going = run && ["queued", "running", "paused"].includes(run.state);
          const whole = covered.length === 1 && covered[0][0] === 0 && covered[0][1] === frames;
          return !going && whole && outdated.length === 0;
        }""",
        arg=frames,
        polling=200,
    )
    page.wait_for_selector(".run", state="hidden")
