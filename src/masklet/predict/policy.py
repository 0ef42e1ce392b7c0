"""How a video is tracked: the memory's rule and everything else that is a choice, not a weight."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from masklet.errors import ConfigError
from masklet.memory import MemoryPolicy


@dataclass(frozen=True)
class TrackingPolicy:
    """The defaults are ours; `TrackingPolicy.sam2()` is SAM 2's own behaviour, for comparison."""

    memory: MemoryPolicy = field(default_factory=MemoryPolicy)
    """Which frames are read."""
    exclusive: bool = True
    """A pixel belongs to one object at most: settled over all objects before they are remembered."""
    continuity: float = 0.2
    """What place and shape count, beside predicted IoU, in the choice among an object's candidates on a
    tracked frame, 0 to 1 (see `continuity`); 0 takes the best predicted IoU, as SAM 2 does."""
    foveal: bool = True
    """An object that fills little of the frame is looked for closely where it should be and roughly elsewhere
    (see `foveas`), and in the whole frame when it is not found so; False: always in the whole frame, as in
    SAM 2."""
    corrections_stay: bool = True
    """A prompt on a tracked frame makes it a prompted frame. In SAM 2 it stays a recent frame, and the
    next propagation that passes overwrites it."""
    two_sweeps: bool = True
    """Frames from an object's first prompt on are tracked forwards, those before it backwards, each
    sweep with a memory of its own: the result does not depend on the order of calls. In SAM 2 every
    propagation tracks every frame it passes and both directions share one memory, which is never
    freed."""
    refine_with_prior: bool = True
    """The previous answer on a frame goes in with new clicks (SAM 2: yes; transformers: no)."""
    refine_with_memory: bool = True
    """New clicks on a tracked frame see the picture as memory conditioned it (SAM 2). Otherwise they see the
    picture itself, with the present answer as the prior, and memory speaks only where that answer is empty:
    quicker far from the last sweep, closer to the clicks, less sure of what the object is."""
    second_look: bool = True
    """A first click or box is answered twice, the second time with the first answer as the prior (see
    `prompting.look_again`); False: once, as in SAM 2."""
    closer_look: bool = True
    """In a photo (a source of one frame) larger than the input, a small object is answered once more from a
    close-up (see `closer`); False: never, as in SAM 2. Frames of videos are always seen whole."""
    fill_holes: int = 8
    """Holes up to this area are filled in what a user sees, in pixels of a 256 × 256 grid; 0 = never."""
    remove_specks: int = 0
    """Specks up to this area are removed from what a user sees, in the same unit; 0 = never."""
    sharp_edges: bool = True
    """Edges of the masks a user sees follow the frame's colours (see `edges`); False: bilinear, as in SAM 2,
    and some milliseconds a frame and object quicker."""
    batch: int = 16
    """Most objects in one call of the engine: bounds its working memory, not the number of objects."""

    def __post_init__(self) -> None:
        for name, least in (("fill_holes", 0), ("remove_specks", 0), ("batch", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"tracking {name} is {getattr(self, name)}; it must be at least {least}")

        if not 0 <= self.continuity <= 1:
            raise ConfigError(f"tracking continuity is {self.continuity}; give a number from 0 to 1")

    def within(self, slots: int) -> TrackingPolicy:
        """The same for a model with so many temporal slots: no more of them are read."""
        if slots >= self.memory.slots:
            return self
        return replace(self, memory=replace(self.memory, slots=slots))

    def needs_memory(self, prior: np.ndarray | None) -> bool:
        """Whether clicks that refine this answer (logits, or None) see the frame through memory."""
        return self.refine_with_memory or prior is None or not bool((prior > 0).any())

    @classmethod
    def sam2(cls) -> TrackingPolicy:
        """SAM 2 as published, post-processing off."""
        return cls(
            memory=MemoryPolicy.sam2(),
            exclusive=False,
            continuity=0,
            foveal=False,
            corrections_stay=False,
            two_sweeps=False,
            second_look=False,
            closer_look=False,
            fill_holes=0,
            sharp_edges=False,
        )
