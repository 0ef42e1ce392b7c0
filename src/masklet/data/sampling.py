"""Which prompts a training clip gets: SAM 2's recipe (paper, table 13; training configuration)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from masklet.errors import ConfigError

FirstPrompt = Literal["mask", "click", "box"]


@dataclass(frozen=True)
class PromptMix:
    """How prompts are drawn. Figures are SAM 2's."""

    mask: float = 0.5
    """Probability that the first prompt is the true mask."""
    click: float = 0.25
    """Probability that it is one click; a box otherwise."""
    corrected_frames: int = 2
    """Most frames after the first that are corrected; from none to this, each as likely."""
    corrections: int = 7
    """Clicks on each corrected frame, one after the other."""
    unions: float = 0.0
    """Probability, per object given as a mask, that it takes in another one which it touches."""
    second_look: bool = False
    """A first click or box is answered twice, the second time with its own answer as the prior, as in use."""

    def __post_init__(self) -> None:
        if min(self.mask, self.click) < 0 or self.mask + self.click > 1:
            raise ConfigError(
                f"mask {self.mask} and click {self.click} must be probabilities with a sum of at most 1"
            )
        for name, count in (("corrected_frames", self.corrected_frames), ("corrections", self.corrections)):
            if count < 0:
                raise ConfigError(f"{name} is {count}; give 0 or more")
        if not 0 <= self.unions <= 1:
            raise ConfigError(f"unions is {self.unions}; give a probability from 0 to 1")


@dataclass(frozen=True)
class PromptPlan:
    """The prompts of one clip.

    first               how the object is shown on frame 0: "mask", "click" or "box"
    corrected_frames    frames after the first that get correction clicks, sorted
    correction_clicks   clicks on each of them
    second_look         a click or a box on frame 0 is answered twice
    """

    first: FirstPrompt
    corrected_frames: tuple[int, ...] = ()
    correction_clicks: int = 0
    second_look: bool = False


def sample_prompt_plan(rng: np.random.Generator, *, frames: int, mix: PromptMix | None = None) -> PromptPlan:
    """Draw a plan for a clip of this many frames; a short clip has fewer frames to correct."""
    if frames < 1:
        raise ConfigError(f"frames is {frames}; give at least 1")
    mix = mix if mix is not None else PromptMix()
    chances = [mix.mask, mix.click, max(0.0, 1 - mix.mask - mix.click)]
    kinds: tuple[FirstPrompt, ...] = ("mask", "click", "box")
    first = kinds[int(rng.choice(3, p=chances))]
    count = min(int(rng.integers(mix.corrected_frames + 1)), frames - 1)
    corrected = (
        tuple(sorted(int(t) + 1 for t in rng.choice(frames - 1, count, replace=False))) if count else ()
    )
    return PromptPlan(first, corrected, mix.corrections if corrected else 0, mix.second_look)


def sample_picture_plan(rng: np.random.Generator, *, mix: PromptMix | None = None) -> PromptPlan:
    """Draw a plan for a single picture: a click or a box, then corrections, never the mask (as in SAM 2)."""
    mix = mix if mix is not None else PromptMix()
    # A mix that shows masks only says nothing of clicks and boxes: then both are as likely.
    box = max(0.0, 1 - mix.mask - mix.click)
    click = mix.click / (mix.click + box) if mix.click + box > 0 else 0.5
    first: FirstPrompt = "click" if rng.random() < click else "box"
    return PromptPlan(first, (0,) if mix.corrections else (), mix.corrections, mix.second_look)
