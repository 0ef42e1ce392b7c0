"""Prompts on the command line: what belongs where."""

from __future__ import annotations

from pathlib import Path

import pytest

from masklet.cli.prompts import PlacedPrompt, parse_box, parse_click, placed_prompts
from masklet.errors import ConfigError, PromptError
from masklet.types import Box, Click, Prompt


def events(line: str) -> list[tuple[str, str]]:
    """`click 1,2 object 2` as the parser would report it."""
    words = line.split()
    names = {"object": "object_id"}
    return [(names.get(kind, kind), text) for kind, text in zip(words[::2], words[1::2], strict=True)]


def places(line: str) -> list[tuple[int, int | None, int]]:
    """(frame, object, number of clicks) of each prompt."""
    return [
        (p.frame, p.object_id, len(p.prompt.clicks) if p.prompt else -1) for p in placed_prompts(events(line))
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("click 1,2", [(0, 1, 1)]),
        ("click 1,2 click 3,4,-", [(0, 1, 2)]),
        ("frame 12 click 1,2", [(12, 1, 1)]),
        ("click 1,2 frame 12", [(12, 1, 1)]),
        ("click 1,2 frame 12 object 2 click 5,6", [(12, 1, 1), (12, 2, 1)]),
        ("click 1,2 object 2 click 5,6", [(0, 1, 1), (0, 2, 1)]),
        ("frame 3 object 1 click 1,2 object 2 click 5,6", [(3, 1, 1), (3, 2, 1)]),
        ("object 2 click 5,6 frame 7 click 1,2", [(0, 2, 1), (7, 2, 1)]),
        ("click 1,2 object 2 click 5,6 frame 9", [(0, 1, 1), (9, 2, 1)]),
        ("object 2 frame 4 click 5,6 object 1 frame 0 click 1,2", [(4, 2, 1), (0, 1, 1)]),
        ("frame 1 click 1,2 frame 5 object 2 click 5,6", [(1, 1, 1), (5, 2, 1)]),
        ("object 1 click 1,2 object 2 click 3,4 object 1 click 5,6", [(0, 1, 2), (0, 2, 1)]),
        ("frame 4 mask m.png", [(4, None, -1)]),
        ("mask m.png frame 4", [(4, None, -1)]),
        ("object 3 mask m.png", [(0, 3, -1)]),
    ],
)
def test_frames_and_objects_hold_for_the_prompts_beside_them(line: str, expected: list) -> None:
    assert places(line) == expected


def test_clicks_and_a_box_of_one_object_are_one_prompt() -> None:
    assert placed_prompts(events("click 1,2 box 0,0,9,9 click 3,4,-")) == [
        PlacedPrompt(0, 1, Prompt((Click(1, 2), Click(3, 4, False)), Box(0, 0, 9, 9)))
    ]
    assert placed_prompts(events("mask a/b.png")) == [PlacedPrompt(0, None, None, Path("a/b.png"))]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("click 1,2 object 2", "--object 2 has no --click, --box or --mask after it"),
        ("frame 3 click 1,2 frame 5", "--frame 5 has no --click, --box or --mask beside it"),
        ("frame 3", "--frame 3 has no --click"),
        ("frame x click 1,2", "--frame 'x' must be a whole number"),
        ("frame -1 click 1,2", "--frame -1 must be at least 0"),
        ("object 0 click 1,2", "--object 0 must be at least 1"),
    ],
)
def test_an_option_that_belongs_to_nothing(line: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        placed_prompts(events(line))


def test_two_boxes_for_one_object() -> None:
    with pytest.raises(PromptError, match="object 1 has 2 boxes on frame 0"):
        placed_prompts(events("box 1,2,3,4 box 5,6,7,8"))


def test_clicks() -> None:
    assert parse_click("500,375") == Click(500, 375)
    assert parse_click("30.5, 40 ,-") == Click(30.5, 40, False)
    assert parse_click("1,2,+") == Click(1, 2)


@pytest.mark.parametrize("text", ["", "1", "1,2,3", "1,2,-,-", "a,2", "1;2", "1,,2", "nan,1", "inf,0"])
def test_bad_clicks(text: str) -> None:
    with pytest.raises(PromptError):
        parse_click(text)


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "5,2,3,4", "1,2,nan,4"])
def test_bad_boxes(text: str) -> None:
    with pytest.raises(PromptError):
        parse_box(text)


def test_a_box() -> None:
    assert parse_box("1,2,300,400") == Box(1, 2, 300, 400)
