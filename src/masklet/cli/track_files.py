"""What `masklet track` writes: the video, its masks, the cut-out; and what of it is looked at beforehand."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from masklet.errors import ConfigError

if TYPE_CHECKING:
    from masklet.predict.session import VideoSession
    from masklet.types import Prompt
    from masklet.video.effects import Look
    from masklet.video.protocol import MaskSink


@dataclass(frozen=True)
class TrackFiles:
    """What is written: a video, with effects where there is a look; masks; a cut-out."""

    output: Path | None
    look: Look | None
    masks: Path | None
    cutout: Path | None


def opened(session: VideoSession, start: int, files: TrackFiles) -> MaskSink:
    """All outputs as one; they get every frame, in the order of time from `start` on."""
    from masklet.video.in_order import InOrder
    from masklet.video.sink import Several

    return InOrder(Several(_sinks(session, files)), session.source, start=start)


def _sinks(session: VideoSession, files: TrackFiles) -> list[MaskSink]:
    """The outputs asked for; when one cannot be opened, the others leave nothing behind."""
    from masklet.video.cutout import CutOut
    from masklet.video.effect_video import EffectVideo
    from masklet.video.json_masks import CocoJson
    from masklet.video.overlay_video import OverlayVideo
    from masklet.video.palette import PalettePng
    from masklet.video.protocol import sample_aspect_of

    sinks: list[MaskSink] = []
    if files.masks is not None and _is_folder(files.masks):
        sinks.append(PalettePng(files.masks))
    elif files.masks is not None:
        sinks.append(CocoJson(files.masks, name=session.source.name, length=len(session.source)))
    tick, aspect = getattr(session.source, "time_base", None), sample_aspect_of(session.source)
    if files.output is not None and files.look is not None:
        sinks.append(EffectVideo(files.output, files.look, time_base=tick, sample_aspect=aspect))
    elif files.output is not None:
        prompts = _by_frame(session.prompts)
        sinks.append(OverlayVideo(files.output, prompts=prompts, time_base=tick, sample_aspect=aspect))
    if files.cutout is not None:
        sinks.append(CutOut(files.cutout, sample_aspect=aspect))
    return sinks


def _by_frame(prompts: Mapping[int, Mapping[int, Prompt]]) -> dict[int, dict[int, Prompt]]:
    """Object → frame → prompt turned into frame → object → prompt."""
    turned: dict[int, dict[int, Prompt]] = {}
    for object_id, frames in prompts.items():
        for frame, prompt in frames.items():
            turned.setdefault(frame, {})[object_id] = prompt
    return turned


def check_ids(ids: Iterable[int], masks: Path | None) -> None:
    """Raise for an object that does not fit the PNGs asked for, before any work is done."""
    from masklet.video.palette import MOST_ID

    if _is_folder(masks) and (large := [i for i in ids if i > MOST_ID]):
        raise ConfigError(
            f"object {large[0]} does not fit PNGs, whose ids are 1 to {MOST_ID}; give it a smaller --object, "
            "or write --masks OUT.JSON"
        )


def _is_folder(masks: Path | None) -> bool:
    """Whether --masks asks for a folder of PNGs."""
    return masks is not None and masks.suffix.lower() != ".json"


def tell_of_others(masks: Path | None, frames: range) -> None:
    """Warn of PNGs in the folder that this run will not replace, as it would a file."""
    from masklet.video.palette import frame_png

    if masks is None or not _is_folder(masks):
        return
    written = {frame_png(index) for index in frames}
    others = sorted(f.name for f in masks.glob("*.png") if f.name not in written)
    if others:
        print(
            f"{masks} holds {len(others)} other PNGs ({others[0]} …), which stay; remove them unless they "
            "belong to these masks",
            file=sys.stderr,
        )
