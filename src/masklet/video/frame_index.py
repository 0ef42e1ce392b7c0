"""Which frames a video file holds: found by reading its packets, without decoding them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from masklet.video.decoding import decode_all, opened

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

# Containers whose header counts the pictures exactly, so that fewer packets mean a cut-off file.
# (AVI counts dropped frames too; Matroska and MPEG-TS count nothing.)
COUNTING_CONTAINERS = {"mp4", "mov", "3gp", "m4a"}

# Codecs with packets that give no picture, so that packets cannot be counted as frames.
HIDDEN_FRAME_CODECS = {"vp8"}

# Codecs that reorder pictures; AVI has no room for the time at which to show them.
REORDERING_CODECS = {"h264", "hevc"}


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """The frames of one file in the order they are shown.

    pts         int64 [N] ascending, presentation times in ticks of `time_base`
    keyframes   int64 [K] ascending, presentation times at which decoding can begin
    time_base   seconds a tick
    seekable    False where the file gives no usable times: frames are then found by counting from
                the start, and `pts` are the times that counting gave
    promised    frames the header promises, where it counts them
    damage      how the file breaks off, in words; None for a whole file
    """

    pts: np.ndarray
    keyframes: np.ndarray
    time_base: Fraction
    seekable: bool
    promised: int | None = None
    damage: str | None = None

    def __len__(self) -> int:
        return len(self.pts)

    def time(self, number: int) -> Fraction:
        """Seconds from the first frame, exact."""
        return (int(self.pts[number]) - int(self.pts[0])) * self.time_base

    def keyframe_before(self, number: int) -> int:
        """Position in `keyframes` of the last one at or before this frame."""
        return max(int(np.searchsorted(self.keyframes, self.pts[number], side="right")) - 1, 0)


def scan(path: Path) -> FrameIndex:
    """Find every frame of a file: reads it once, and decodes only where its packets tell too little."""
    with opened(path) as (container, stream):
        packets, failure = _packets(container, stream)
        counting = bool(COUNTING_CONTAINERS & set(container.format.name.split(",")))
        promised = stream.frames if counting and stream.frames else None
        if not _have_times(packets) or _packets_mislead(container, stream):
            return _count_by_decoding(path, promised)
        return _index_packets(packets, failure, stream, promised)


@dataclass(frozen=True)
class _Packet:
    pts: int | None
    dts: int | None
    duration: int
    is_keyframe: bool
    is_discard: bool
    is_corrupt: bool


def _packets(container: InputContainer, stream: VideoStream) -> tuple[list[_Packet], str | None]:
    import av

    found: list[_Packet] = []
    failure = None
    try:
        for p in container.demux(stream):
            if p.size:
                found.append(
                    _Packet(p.pts, p.dts, p.duration or 0, p.is_keyframe, p.is_discard, p.is_corrupt)
                )
    except (av.FFmpegError, OSError) as error:
        failure = error.strerror or str(error)
    while found and found[-1].is_corrupt:  # the last packet of a cut-off file is cut off itself
        found.pop()
        failure = failure or "the last packet is cut off"
    return found, failure


def _have_times(packets: list[_Packet]) -> bool:
    times = [p.pts for p in packets]
    return None not in times and len(set(times)) == len(times)


def _packets_mislead(container: InputContainer, stream: VideoStream) -> bool:
    codec = stream.codec_context.codec.name
    return codec in HIDDEN_FRAME_CODECS or (container.format.name == "avi" and codec in REORDERING_CODECS)


def _index_packets(
    packets: list[_Packet], failure: str | None, stream: VideoStream, promised: int | None
) -> FrameIndex:
    begin = next((i for i, p in enumerate(packets) if p.is_keyframe), 0)
    keys = [p for p in packets if p.is_keyframe] or packets[:1]
    first = _ticks(keys[0]) if keys else 0
    # Pictures that come before the first keyframe, in the file or on the screen, cannot be decoded;
    # those an edit list cuts away (discard) are decoded and not shown.
    shown = [p for p in packets[begin:] if not p.is_discard and _ticks(p) >= first]
    pts = np.array(sorted(_ticks(p) for p in shown), dtype=np.int64)
    assert stream.time_base is not None
    missing = (promised or 0) - len(packets)
    if missing > 0:
        failure = f"its header promises {promised} frames and {len(packets)} are there"
    elif failure is None:
        failure = _ends_early(stream, pts)
    if failure is not None:
        pts = pts[: _contiguous(pts, packets)]
    return FrameIndex(
        pts=pts,
        keyframes=np.array(sorted({_ticks(p) for p in keys}), dtype=np.int64),
        time_base=stream.time_base,
        seekable=True,
        promised=promised - (len(packets) - len(shown)) if promised else None,
        damage=failure,
    )


def _contiguous(pts: np.ndarray, packets: list[_Packet]) -> int:
    """How many frames of a cut-off file follow each other without a gap.

    Pictures are stored in decoding order, so the cut may take a picture and leave a later one. A
    missing picture is decoded after all that were found and never shown before it is decoded:
    whatever is shown up to the last decoding time is surely complete. Beyond it, pictures count
    as long as they keep the same distance.
    """
    decoded = [p.dts for p in packets if p.dts is not None]
    if not decoded or len(pts) < 3:
        return len(pts)
    count = int(np.searchsorted(pts, decoded[-1], side="right"))
    gap = int(np.median(np.diff(pts)))
    while 0 < count < len(pts) and pts[count] - pts[count - 1] <= gap * 5 // 4:
        count += 1
    return count


def _ends_early(stream: VideoStream, pts: np.ndarray) -> str | None:
    """Compare where the frames end with the duration the header gives, for containers that don't count."""
    expected = _declared_seconds(stream)
    if expected is None or len(pts) < 2 or stream.time_base is None:
        return None
    gap = Fraction(int(pts[-1] - pts[0]), len(pts) - 1) * stream.time_base
    end = int(pts[-1] - pts[0]) * stream.time_base + gap
    # Half a second of tolerance: the last frame may be shown for long, and headers are rounded.
    if expected - end <= max(Fraction(1, 2), 3 * gap):
        return None
    return f"its header promises {float(expected):.2f} s and its frames end at {float(end):.2f} s"


def _declared_seconds(stream: VideoStream) -> Fraction | None:
    tag = stream.metadata.get("DURATION", "")  # Matroska and WebM: HH:MM:SS.fraction
    try:
        hours, minutes, seconds = tag.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds.rstrip("\0"))
    except ValueError:
        return None


def _count_by_decoding(path: Path, promised: int | None) -> FrameIndex:
    """The slow way: decode everything once. For raw streams, old AVI files, hidden frames."""
    with opened(path) as (container, stream):
        rate = Fraction(stream.guessed_rate or stream.average_rate or 25)
        time_base = stream.time_base or 1 / rate
        times = [frame.pts for frame in decode_all(container, stream)]
        known = [t for t in times if t is not None]
        if len(known) < len(times) or any(b <= a for a, b in pairwise(known)):
            known, time_base = list(range(len(times))), 1 / rate
        pts = np.array(known, dtype=np.int64)
        damage = _ends_early(stream, pts)
    return FrameIndex(pts, pts[:1], time_base, seekable=False, promised=promised, damage=damage)


def _ticks(packet: _Packet) -> int:
    assert packet.pts is not None
    return packet.pts
