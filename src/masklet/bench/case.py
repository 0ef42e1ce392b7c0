"""What is measured, and what came out: plain values that travel between processes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from masklet.errors import ConfigError

STAGES = ("decode", "preprocess", "encode", "condition", "decode_masks", "remember", "write", "rest")
"""Parts of a frame's time. `decode` runs on a thread of its own; `rest` is what no other part holds:
masks cleaned, resized and run-length coded, memories looked up, and waiting for frames."""

MASKLET, PEERS = "masklet", ("sam2", "transformers")


@dataclass(frozen=True)
class Case:
    """One configuration.

    model        a checkpoint's name or path
    engine       "torch", "openvino", or None for the default
    input_size   None: the model's own
    objects      how many are followed
    video        a file or folder of frames
    boxes        (x0, y0, x1, y1) of each object on the first frame
    frames       frames tracked; the first `warmup` of them are not counted: memory fills up
    random       random weights in the network of that name: the same speed, no accuracy
    compiled     our torch engine's verbs go through torch.compile
    """

    model: str
    video: str
    boxes: tuple[tuple[float, float, float, float], ...]
    engine: str | None = None
    device: str | None = None
    dtype: str | None = None
    input_size: int | None = None
    objects: int = 1
    frames: int = 40
    warmup: int = 16
    random: bool = False
    compiled: bool = False
    by: str = MASKLET
    """Whose code runs: `masklet`, or one of PEERS."""

    def __post_init__(self) -> None:
        if not 1 <= self.objects <= len(self.boxes):
            raise ConfigError(f"{self.objects} objects cannot be prompted; there are {len(self.boxes)} boxes")
        if not 0 <= self.warmup < self.frames - 1:
            raise ConfigError(
                f"{self.frames} frames with {self.warmup} to warm up leave nothing to measure; "
                "give more --frames or less --warmup"
            )

    def pairs_with(self, other: Case) -> bool:
        """Whether two cases differ only in whose code, engine, device and number type run them."""
        mine, theirs = (
            (c.model, c.video, c.input_size, c.objects, c.frames, c.warmup, c.random) for c in (self, other)
        )
        return mine == theirs


@dataclass(frozen=True)
class Measured:
    """What one configuration took.

    device         where it ran, in words
    input_size     S
    load           seconds from nothing to a model that can be asked
    first          seconds from opening the video to the first object's first mask
    totals         seconds of each counted frame, end to end
    stages         seconds a frame of each of STAGES, mean over the counted frames; empty for a peer
    peak_memory    bytes, the process's highest; None where the system does not tell
    iou            mean IoU with the truth over counted frames and objects; None without truth
    """

    case: Case
    device: str
    input_size: int
    load: float
    first: float
    totals: tuple[float, ...]
    stages: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int | None = None
    iou: float | None = None

    @property
    def fps(self) -> float:
        return len(self.totals) / sum(self.totals)

    def percentile(self, share: float) -> float:
        """Seconds that `share` (0 to 1) of the frames stay within (nearest rank)."""
        ordered = sorted(self.totals)
        return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    def row(self) -> dict[str, Any]:
        """The figures for JSON."""
        return {
            **{k: v for k, v in asdict(self.case).items() if k != "boxes"},
            "device": self.device,
            "input_size": self.input_size,
            "load_seconds": self.load,
            "first_mask_seconds": self.first,
            "fps": self.fps,
            "p50_seconds": self.percentile(0.5),
            "p95_seconds": self.percentile(0.95),
            "stages_seconds": dict(self.stages),
            "peak_memory_bytes": self.peak_memory,
            "mean_iou": self.iou,
        }


@dataclass(frozen=True)
class Ratio:
    """How many times as fast a configuration of ours is as a peer's, in one run."""

    ours: Measured
    peer: Measured

    @property
    def times(self) -> float:
        return self.ours.fps / self.peer.fps

    def __str__(self) -> str:
        case = self.ours.case
        return (
            f"{case.model} at {self.ours.input_size}, {case.objects} object{'s' * (case.objects > 1)}, "
            f"{self.ours.device}: {self.times:.2f} × {self.peer.case.by} ({self.peer.device})"
        )


def ratios(measured: Sequence[Measured]) -> list[Ratio]:
    """Every configuration of ours against every peer that did the same work."""
    ours = [m for m in measured if m.case.by == MASKLET]
    peers = [m for m in measured if m.case.by != MASKLET]
    return [Ratio(a, b) for a in ours for b in peers if a.case.pairs_with(b.case)]
