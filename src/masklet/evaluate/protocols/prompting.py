"""The simulated annotator in a video session: first prompts, and clicks that mend.

Where to click is decided in masklet.data.clicks, shared with training.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from masklet.data.clicks import centre_click, exact_box, telling_correction
from masklet.errors import ConfigError
from masklet.predict.session import VideoSession
from masklet.types import Mask


@dataclass(frozen=True)
class FirstPrompt:
    """What a model is given of an object on the first frame where it appears.

    kind     the true mask, its exact box, or clicks: the first in the middle of the object, each further
             one in the middle of the largest error of the answer so far
    clicks   how many, when it is clicks
    """

    kind: Literal["mask", "box", "click"]
    clicks: int = 1

    @classmethod
    def parse(cls, text: str) -> FirstPrompt:
        """mask, box, click, 3click, 5clicks, …

        raises   ConfigError for anything else
        """
        if text in ("mask", "box"):
            return cls("mask" if text == "mask" else "box")
        found = re.fullmatch(r"([1-9]\d?)?-?clicks?", text)
        if found is None:
            raise ConfigError(f"prompt {text!r} is unknown; give mask, box, click, 3click or 5click")
        return cls("click", int(found[1] or 1))

    @property
    def words(self) -> str:
        """For reports."""
        words = {"mask": "the true mask", "box": "the exact box"}
        several = "one click" if self.clicks == 1 else f"{self.clicks} clicks"
        return f"{words.get(self.kind, several)} on the first frame where each object appears"

    def __str__(self) -> str:
        return self.kind if self.kind != "click" or self.clicks == 1 else f"{self.clicks}click"

    def give(self, session: VideoSession, frame: int, object_id: int, true: Mask) -> None:
        """Prompt the session for one object."""
        if self.kind == "mask":
            session.prompt(frame, object_id, mask=true)
        elif self.kind == "box":
            session.prompt(frame, object_id, box=exact_box(true.to_array()))
        else:
            correct(session, frame, object_id, true, None, self.clicks)


def correct(
    session: VideoSession,
    frame: int,
    object_id: int,
    true: Mask,
    answer: Mask | None,
    clicks: int,
) -> int:
    """Click up to `clicks` times on one frame, each time where the answer is most wrong.

    answer    what the session shows now; None when it shows nothing, and the first click goes to the
              object's middle
    returns   how many clicks were needed; fewer when nothing is wrong any more
    """
    truth = true.to_array()
    for used in range(clicks):
        if answer is None:
            x, y = centre_click(truth)
            positive = True
        else:
            mend = telling_correction(answer.to_array(), truth)
            if mend is None:
                return used
            x, y, positive = mend.x, mend.y, mend.positive
        answer = session.prompt(frame, object_id, clicks=[(x, y, positive)]).mask
    return clicks


def iou_of(answer: Mask | None, true: Mask) -> float:
    """J of an answer; a missing one is an empty mask."""
    if answer is None:
        return float(np.float64(true.is_empty))
    return answer.iou(true)
