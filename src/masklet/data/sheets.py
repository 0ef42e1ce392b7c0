"""Contact sheets: clips as one picture, to look at."""

from __future__ import annotations

import numpy as np

from masklet.data.clips import Clip

COLOURS = ((255, 64, 64), (64, 160, 255), (64, 230, 96), (255, 200, 40), (220, 90, 255))
"""Outline colours of objects 0, 1, 2, …, RGB."""


def contact_sheet(clip: Clip, *, plain: bool = True) -> np.ndarray:
    """The frames side by side with the objects tinted and outlined; below them, the bare frames.

    plain     False leaves the bare frames out
    returns   uint8 [2 S, T S, 3], or [S, T S, 3]
    """
    marked = [_marked(frame, masks) for frame, masks in zip(clip.frames, clip.masks, strict=True)]
    rows = [np.concatenate(marked, axis=1)]
    if plain:
        rows.append(np.concatenate(list(clip.frames), axis=1))
    return np.concatenate(rows, axis=0)


def compared(frames: np.ndarray, truth: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """Frames side by side: above with the true masks, below with the answers.

    frames           uint8 [T, S, S, 3]
    truth, answers   bool [T, O, s, s], s a divisor of S
    returns          uint8 [2 S, T S, 3]
    """
    scale = frames.shape[1] // truth.shape[-1]
    rows = []
    for masks in (truth, answers):
        large = masks.repeat(scale, axis=-2).repeat(scale, axis=-1)
        marked = [_marked(frame, one) for frame, one in zip(frames, large, strict=True)]
        rows.append(np.concatenate(marked, axis=1))
    return np.concatenate(rows, axis=0)


def _marked(frame: np.ndarray, masks: np.ndarray) -> np.ndarray:
    result = frame.astype(np.float32)
    for number, mask in enumerate(masks):
        colour = np.array(COLOURS[number % len(COLOURS)], np.float32)
        result[mask] = 0.72 * result[mask] + 0.28 * colour
        padded = np.pad(mask, 1)
        inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
        result[mask & ~inner] = colour
    return result.astype(np.uint8)
