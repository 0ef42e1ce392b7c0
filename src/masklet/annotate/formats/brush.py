"""Label Studio's code for brush masks: runs of bytes in a stream of bits.

The stream: 32 bits number of bytes, 5 bits word size less one, four times 4 bits run length size less one.
Then blocks: 1 bit "a run", 2 bits which run length size, the length less one in that many bits, and one word
(a run) or as many words as the length says. The bytes are a picture's red, green, blue and opacity; opacity
is the mask. (The rle-pack code of thi.ng, as Label Studio's converter reads it.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from masklet.errors import MaskError

WORD = 8
SIZES = (4, 8, 12, 16)
"""Bits a run's length may take; four sizes, at most 16 bits."""
CHANNELS = 4


def encode_brush(array: np.ndarray) -> list[int]:
    """bool [H, W] → bytes of the code."""
    bits = [f"{array.size * CHANNELS:032b}", f"{WORD - 1:05b}", *(f"{size - 1:04b}" for size in SIZES)]
    flat = array.ravel()
    edges = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]])
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        word = f"{255 if flat[start] else 0:08b}"
        left = (stop - start) * CHANNELS
        while left:
            length = min(left, 1 << SIZES[-1])
            which = next(k for k, size in enumerate(SIZES) if length <= 1 << size)
            bits.append(f"1{which:02b}{length - 1:0{SIZES[which]}b}{word}")
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return [int(text[k : k + 8], 2) for k in range(0, len(text), 8)]


def decode_brush(code: Sequence[int], height: int, width: int) -> np.ndarray:
    """bytes of the code → bool [H, W]; raises MaskError when it is damaged or of another size."""
    try:
        text = "".join(f"{byte:08b}" for byte in bytes(code))
        total, word = int(text[:32], 2), int(text[32:37], 2) + 1
        sizes = [int(text[k : k + 4], 2) + 1 for k in range(37, 53, 4)]
        if total != height * width * CHANNELS:
            raise MaskError(f"a brush mask of {total} bytes is no picture of {width}×{height}")
        values = _values(text, 53, total, word, sizes)
    except MaskError:
        raise
    except ValueError as error:
        raise MaskError(f"the code of a brush mask is damaged ({error})") from error
    return np.asarray(values.reshape(height, width, CHANNELS)[..., CHANNELS - 1] > 127)


def _values(text: str, at: int, total: int, word: int, sizes: Sequence[int]) -> np.ndarray:
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        repeated, size = text[at] == "1" if at < len(text) else False, sizes[int(text[at + 1 : at + 3], 2)]
        at += 3
        end = min(done + int(text[at : at + size], 2) + 1, total)
        at += size
        if repeated:
            values[done:end] = int(text[at : at + word], 2)
            at += word
        else:
            values[done:end] = [int(text[k : k + word], 2) for k in range(at, at + word * (end - done), word)]
            at += word * (end - done)
        done = end
    return values
