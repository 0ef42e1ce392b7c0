"""Frames for the page: decoded once for all who need them, and not for those who have gone."""

from __future__ import annotations

import asyncio
import io
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from fakes import ArraySource, inside, squares
from masklet.server.pictures import encoded
from masklet.server.shared_frames import RecentFrames, SharedFrames
from masklet.types import Frame
from masklet.video.file import VideoFile
from studio_kit import click, new_session, ok, track


class Counting(ArraySource):
    """Notes which frames were made by index."""

    def __init__(self, frames: int = 6) -> None:
        super().__init__(squares(frames))
        self.made: list[int] = []

    def __getitem__(self, index: int) -> Frame:
        self.made.append(index)
        return super().__getitem__(index)


def test_what_one_has_decoded_no_other_decodes_again() -> None:
    recent = RecentFrames()
    first, second = Counting(), Counting()
    page, session = SharedFrames(first, "v", recent), SharedFrames(second, "v", recent)
    assert page[3] is session[3]
    for _ in session.read(4, 6):
        pass
    assert page[5].index == 5
    assert (first.made, second.made) == ([3], [4, 5])
    other = SharedFrames(Counting(), "w", recent)
    assert other[3] is not page[3]
    recent.forget("v")
    assert page[3] is not None
    assert first.made == [3, 3]


def test_only_the_last_frames_that_fit_are_kept() -> None:
    recent = RecentFrames(most_bytes=2 * 4 * 4 * 5)
    frames = [Frame(t, Fraction(t), np.zeros((4, 4, 3), np.uint8)) for t in range(3)]
    recent.put("v", frames[0])
    recent.put("v", frames[1])
    assert recent.get("v", 0) is frames[0]
    recent.put("v", frames[2])
    assert [recent.get("v", t) for t in range(3)] == [frames[0], None, frames[2]]
    recent.put(
        "v", Frame(9, Fraction(9), np.zeros((64, 64, 3), np.uint8))
    )  # larger than all there is room for
    assert recent.get("v", 9) is None


def test_pictures_have_an_even_width_and_are_never_wider_than_the_frame() -> None:
    def size(height: int, width: int, wanted: int) -> tuple[int, int]:
        frame = Frame(0, Fraction(0), np.zeros((height, width, 3), np.uint8))
        return Image.open(io.BytesIO(encoded(frame, wanted, "jpeg"))).size

    assert size(720, 1280, 480) == (854, 480)
    assert size(720, 1280, 360) == (640, 360)
    assert size(400, 1, 90) == (1, 90)


def test_a_click_on_a_frame_that_is_shown_decodes_nothing(client, clip, monkeypatch) -> None:
    session = new_session(client, clip)
    video = ok(client.get(f"/api/sessions/{session}"))["video"]["id"]
    client.get(f"/api/videos/{video}/frames/7")
    decoded: list[int] = []
    usual = VideoFile.__getitem__
    monkeypatch.setattr(VideoFile, "__getitem__", lambda self, t: decoded.append(t) or usual(self, t))
    click(client, session, 7, inside(7, 1))
    assert decoded == []
    track(client, session)
    client.get(f"/api/videos/{video}/frames/11")
    assert decoded == []


def test_a_picture_is_not_made_for_a_client_that_has_gone() -> None:
    from masklet.server.routes_videos import get_frame

    async def gone() -> bool:
        return True

    def never(*_: Any) -> bytes:
        raise AssertionError("the picture was made")

    async def ask() -> Any:
        request = SimpleNamespace(headers={}, is_disconnected=gone)
        studio = SimpleNamespace(pictures=SimpleNamespace(turns=asyncio.Semaphore(1), frame=never))
        return await get_frame("v", 0, request, studio, None, "jpeg")  # type: ignore[arg-type]

    assert asyncio.run(ask()).status_code == 499
