"""Everything in a video without prompts: found on key frames, followed both ways, cleaned.

The first key frame is searched as a picture is; what survives is tracked through the whole video. On each
later key frame only what no masklet covers yet is new: it is tracked both ways too. Masklets that turn out
to be one are merged into the surer one.

Source of the method and the grids: SAM 2 paper (Ravi et al., 2024), section 5.1 and appendix, "auto
masklets": 32 × 32 points on the first frame, 16 × 16 on 2 × 2 crops, 4 × 4 on 4 × 4 crops; components and
holes below 200 pixels are cleaned. Key frames after the first are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from masklet import rle
from masklet.engine.protocol import Engine
from masklet.errors import ConfigError, DamagedVideoError
from masklet.predict.automatic import AutoMask, AutomaticOptions, cleaned_mask, segment_everything
from masklet.predict.policy import TrackingPolicy
from masklet.predict.session import Progress, VideoSession
from masklet.types import Mask
from masklet.video.protocol import FrameSource

SAMPLED = 16
"""Frames on which two masklets are compared: enough to tell one from two."""

OnStep = Callable[[str, float, int], None]
"""Called with what is done ("searching frame 30"), key frames done, in parts too, and key frames in all."""

GRIDS: dict[str, AutomaticOptions] = {
    "full": AutomaticOptions(points_per_side=32, crop_layers=2, crop_points=(16, 4)),
    "balanced": AutomaticOptions(points_per_side=24, crop_layers=1, crop_points=(8,)),
    "fast": AutomaticOptions(points_per_side=16),
}
"""Grids of clicks: the paper's (21 pictures encoded, 2,304 clicks), and cheaper ones (5, 832; 1, 256)."""


@dataclass(frozen=True)
class VideoAutomaticOptions:
    """How `segment_video` works."""

    picture: AutomaticOptions = field(default_factory=lambda: GRIDS["fast"])
    """The search on a key frame."""
    interval: int = 30
    """Frames from one key frame to the next; 0 = the first frame only."""
    covered: float = 0.5
    """On later key frames, a find of which masklets cover more than this share is not new; 0 to 1."""
    same: float = 0.7
    """Two masklets that overlap more than this (IoU over space and time) are one; 0 to 1."""
    clean: int = 200
    """Holes and specks of up to this many pixels are cleaned in every frame."""
    least_frames: int = 2
    """Masklets seen on fewer frames are dropped (on one frame in a video of one)."""
    least_iou: float = 0.5
    """Masklets whose mean predicted IoU is lower are dropped; 0 to 1."""
    most: int = 64
    """Most new objects from one key frame, the surest first: bounds memory and time."""

    def __post_init__(self) -> None:
        for name, least in (("interval", 0), ("clean", 0), ("least_frames", 1), ("most", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"automatic {name} is {getattr(self, name)}; it must be at least {least}")
        for name in ("covered", "same", "least_iou"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"automatic {name} is {getattr(self, name)}; it must lie between 0 and 1")


@dataclass(frozen=True)
class AutoMasklet:
    """One object found in a video.

    masks       frame → mask at the frame's size; every frame tracked has one, empty where it is not seen
    iou         frame → predicted IoU, 0 to 1
    occlusion   frame → occlusion score; > 0 is visible
    found       the find it grew from
    key         the key frame of that
    """

    masks: Mapping[int, Mask]
    iou: Mapping[int, float]
    occlusion: Mapping[int, float]
    found: AutoMask
    key: int

    @property
    def visible(self) -> list[int]:
        """Frames that show it."""
        return [t for t, mask in self.masks.items() if not mask.is_empty]

    @property
    def sureness(self) -> float:
        """Mean predicted IoU over the frames that show it, 0 to 1."""
        seen = self.visible
        return sum(self.iou[t] for t in seen) / len(seen) if seen else 0.0


def segment_video(
    engine: Engine,
    source: FrameSource,
    options: VideoAutomaticOptions | None = None,
    *,
    on_step: OnStep = lambda what, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
    on_damage: Callable[[DamagedVideoError], None] | None = None,
) -> list[AutoMasklet]:
    """All objects of a video, each followed both ways; those visible longest first.

    stopped     asked all the time; once it is True, what was followed until then is the answer
    on_damage   told each time the video breaks off; what was followed until there counts, and the search
                goes on. Without it the error is raised

    Objects may overlap: a wheel is one, and so is its car.
    """
    options = options or VideoAutomaticOptions()
    keys = key_frames(len(source), options.interval)
    masklets: list[AutoMasklet] = []

    def half(what: str, before: float, done: int, steps: int) -> None:
        """Searching and following are half a key frame's work each."""
        on_step(what, before + 0.5 * done / max(steps, 1), len(keys))

    def searching(key: int, number: int, done: int, clicks: int) -> None:
        half(f"searching frame {key}", number, done, clicks)
        _stop(stopped)

    for number, key in enumerate(keys):
        search = partial(searching, key, number)
        try:
            finds = segment_everything(engine, source[key].image, options.picture, on_step=search)
        except _Stopped:
            break
        except DamagedVideoError as error:
            _tell(error, on_damage)
            continue
        new = _new(finds, [m.masks[key] for m in masklets if key in m.masks], options)
        if not new:
            continue
        follow = partial(half, f"following {len(new)} objects from frame {key}", number + 0.5)
        followed = _followed(engine, source, key, new, options, follow, stopped, on_damage)
        masklets = _merged([*masklets, *followed], options.same)
    on_step("done", len(keys), len(keys))
    least = 1 if stopped() else min(options.least_frames, len(source))
    kept = [m for m in masklets if len(m.visible) >= least and m.sureness >= options.least_iou]
    return sorted(kept, key=lambda m: -len(m.visible))


def key_frames(length: int, interval: int) -> range:
    """0, then every `interval` frames."""
    return range(0, length, interval) if interval else range(min(length, 1))


def _new(finds: Sequence[AutoMask], known: Sequence[Mask], options: VideoAutomaticOptions) -> list[AutoMask]:
    """Finds that the known masks leave mostly uncovered, the surest first."""
    new = finds
    if known:
        height, width = known[0].height, known[0].width
        taken = Mask(rle.union([m.counts for m in known], height, width), height, width).to_array()
        new = [f for f in finds if int((f.mask.to_array() & taken).sum()) <= options.covered * f.mask.area]
    return sorted(new, key=lambda f: -f.iou * f.stability)[: options.most]


class _Stopped(Exception):
    """Ends a search from within."""


def _stop(stopped: Callable[[], bool]) -> None:
    if stopped():
        raise _Stopped


def _tell(error: DamagedVideoError, on_damage: Callable[[DamagedVideoError], None] | None) -> None:
    if on_damage is None:
        raise error
    on_damage(error)


def _followed(
    engine: Engine,
    source: FrameSource,
    key: int,
    finds: Sequence[AutoMask],
    options: VideoAutomaticOptions,
    on_step: Progress,
    stopped: Callable[[], bool],
    on_damage: Callable[[DamagedVideoError], None] | None,
) -> Iterator[AutoMasklet]:
    """Track finds of one key frame both ways, until stopped or damaged."""
    # A part and its whole are two objects here, so masks may overlap.
    policy = replace(TrackingPolicy(), exclusive=False)
    masks: list[dict[int, Mask]] = [{} for _ in finds]
    iou: list[dict[int, float]] = [{} for _ in finds]
    occlusion: list[dict[int, float]] = [{} for _ in finds]
    with VideoSession(source, engine, policy) as session:

        def step(done: int, total: int) -> None:
            on_step(done, total)
            if stopped():
                session.cancel()

        on_step(0, 1)
        for number, find in enumerate(finds, 1):
            session.prompt(key, number, mask=find.mask)
        try:
            for _ in session.propagate(on_step=step):
                pass
        except DamagedVideoError as error:
            _tell(error, on_damage)
        for t in range(len(source)):
            found = session.masks(t)
            for number in found:
                place = number - 1
                mask = found[number]
                cleaned = mask if t == key or mask.is_empty else cleaned_mask(mask, options.clean)
                masks[place][t] = cleaned
                iou[place][t] = found.iou[number]
                occlusion[place][t] = found.occlusion[number]
    for place, find in enumerate(finds):
        # On its key frame the object is as sure as the search was: a mask prompt has no opinion.
        iou[place][key] = find.iou
        yield AutoMasklet(masks[place], iou[place], occlusion[place], find, key)


def _merged(masklets: Sequence[AutoMasklet], limit: float) -> list[AutoMasklet]:
    """Of masklets that are one, the surest, in the order they were found."""
    kept: list[AutoMasklet] = []
    for one in sorted(masklets, key=lambda m: -m.sureness):
        if not any(masklet_iou(one.masks, other.masks) > limit for other in kept):
            kept.append(one)
    return [m for m in masklets if any(m is k for k in kept)]


def masklet_iou(one: Mapping[int, Mask], other: Mapping[int, Mask]) -> float:
    """IoU over space and time, on at most SAMPLED frames that both have, evenly spread.

    1 when both are empty there, 0 when they have no frame in common.
    """
    shared = sorted(one.keys() & other.keys())
    if not shared:
        return 0.0
    together, either = 0.0, 0.0
    for t in shared[:: -(-len(shared) // SAMPLED)]:
        a, b = one[t].area, other[t].area
        share = one[t].iou(other[t]) if a and b else 0.0
        # From IoU and areas: |A∩B| = (|A| + |B|) × IoU / (1 + IoU).
        both = (a + b) * share / (1 + share)
        together += both
        either += a + b - both
    return together / either if either else 1.0
