"""The video a masklet is judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from masklet.annotate import masklets
from masklet.annotate.look import play
from masklet.annotate.project import Project
from masklet.errors import ProjectError
from masklet.video.file import VideoFile


def test_the_object_alone_keeps_its_light(small: Project, make_video, add_masklet, square, tmp_path) -> None:
    small.add_video(make_video())
    play(small, add_masklet(small).id, tmp_path / "look.mp4")
    with closing_frames(small) as before, VideoFile(tmp_path / "look.mp4") as after:
        assert len(after) == 6
        inside = square(3, 1)
        # Away from the outline and from the number in the corner.
        core = inside & np.roll(inside, 6, 0) & np.roll(inside, -6, 0)
        core &= np.roll(inside, 6, 1) & np.roll(inside, -6, 1)
        away = ~(inside | np.roll(inside, 8, 0) | np.roll(inside, -8, 0))
        away[:40] = False
        seen, shown = before[3].image.astype(int), after[3].image.astype(int)
    assert core.any()
    assert abs(shown[core].mean() - seen[core].mean()) < 12
    assert shown[away].mean() < 0.6 * seen[away].mean()
    assert np.ptp(shown[away], axis=1).mean() < 12  # grey


def closing_frames(project: Project):
    from contextlib import closing

    return closing(project.source(project.video("walk")))


def test_a_frame_nobody_looked_at_is_no_object(small: Project, make_video, add_masklet, tmp_path) -> None:
    small.add_video(make_video())
    play(small, add_masklet(small, frames=2).id, tmp_path / "look.mp4")
    with VideoFile(tmp_path / "look.mp4") as after:
        assert after[1].image.max() > after[5].image[40:].max()


def test_there_must_be_something_to_see(small: Project, make_video, tmp_path: Path) -> None:
    small.add_video(make_video())
    with pytest.raises(ProjectError, match="masklet 1 has no mask yet; prompt it first"):
        play(small, masklets.add(small, "walk").id, tmp_path / "look.mp4")
    assert not (tmp_path / "look.mp4").exists()
