"""What to try for objects that are small as the model sees them, which it loses sooner."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from masklet.model.registry import DEFAULT

if TYPE_CHECKING:
    from masklet.predict.session import VideoSession
    from masklet.types import Mask

SMALL = 64
"""Side in pixels of the model's input, of a square as large as the object, below which it is told: four
places of the grid that memory is kept on."""


def advice(session: VideoSession, model: str) -> str | None:
    """One line for the smallest object, on its first prompted frame; None where all are large enough, or
    nothing finer comes with the package.

    model   the name it was asked for by
    """
    engine = session.engine
    firsts = {i: min(frames) for i, frames in session.prompts.items()}
    shown = {t: session.masks(t) for t in set(firsts.values())}
    sides = {i: _side(shown[t][i], engine.input_size) for i, t in firsts.items()}
    small = {i: side for i, side in sides.items() if 0 < side < SMALL}
    remedy = _remedy(model, engine.name, engine.input_size) if small else None
    if remedy is None:
        return None
    object_id = min(small, key=lambda i: small[i])
    others = f" and {len(small) - 1} more" if len(small) > 1 else ""
    return (
        f"object {object_id}{others}: small as the model sees it, {small[object_id]:.0f} of "
        f"{engine.input_size} pixels wide; {remedy} follows it more surely, but slower"
    )


def _side(mask: Mask, input_size: int) -> float:
    """Side of a square as large as the mask, in pixels of the model's input."""
    return input_size * math.sqrt(mask.area / (mask.width * mask.height))


def _remedy(model: str, network: str, input_size: int) -> str | None:
    """What to add to the command: a larger input that the package has graphs for, or the larger model."""
    from masklet.engine.openvino_topology import packed_sizes

    sizes = packed_sizes(network)
    if sizes and sizes[-1] > input_size:
        return f"--input-size {sizes[-1]}"
    return f"--model {DEFAULT}" if sizes and model != DEFAULT else None
