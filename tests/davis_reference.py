"""J and F the slow and plain way, frame by frame, as DAVIS defines them; and how much faster ours are.

    python tests/davis_reference.py [frames]

Nothing of masklet's metrics is used in the reference.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np


def plain_region(prediction: np.ndarray, truth: np.ndarray) -> float:
    """J of two bool masks."""
    either = (prediction | truth).sum()
    return 1.0 if either == 0 else float((prediction & truth).sum() / either)


def plain_outline(mask: np.ndarray) -> np.ndarray:
    """Pixels unlike their right, lower or lower-right neighbour; the frame's end is no edge of an object."""
    found = np.zeros_like(mask)
    found[:-1, :-1] = (
        (mask[:-1, :-1] != mask[:-1, 1:])
        | (mask[:-1, :-1] != mask[1:, :-1])
        | (mask[:-1, :-1] != mask[1:, 1:])
    )
    found[-1, :-1] = mask[-1, :-1] != mask[-1, 1:]
    found[:-1, -1] = mask[:-1, -1] != mask[1:, -1]
    return found


def by_opencv(outline: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """Dilation as the official evaluation of DAVIS 2017 does it."""
    import cv2

    return np.asarray(cv2.dilate(outline.astype(np.uint8), disc.astype(np.uint8)) > 0)


def by_scipy(outline: np.ndarray, disc: np.ndarray) -> np.ndarray:
    """Dilation as evaluators without OpenCV do it."""
    from scipy import ndimage

    return np.asarray(ndimage.binary_dilation(outline, disc))


def plain_contour(
    prediction: np.ndarray,
    truth: np.ndarray,
    dilate: Callable[[np.ndarray, np.ndarray], np.ndarray] = by_opencv,
) -> float:
    """F of two bool masks: both outlines dilated over the whole frame by a disc of 0.8 % of the diagonal."""
    radius = math.ceil(0.008 * math.hypot(*truth.shape))
    steps = np.arange(-radius, radius + 1)
    disc = steps[:, None] ** 2 + steps[None, :] ** 2 <= radius**2
    one, two = plain_outline(prediction), plain_outline(truth)
    if not one.any() or not two.any():
        return float(not one.any() and not two.any())
    near_one, near_two = dilate(one, disc), dilate(two, disc)
    precision, recall = (one & near_two).sum() / one.sum(), (two & near_one).sum() / two.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def blobs(count: int, height: int = 480, width: int = 854) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Predictions and truths: large ragged shapes that move, the former a bit off."""
    from scipy import ndimage

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    rough = ndimage.gaussian_filter(rng.normal(size=(height, width)), 6) * 3
    down = ((y - height / 2) / (0.3 * height)) ** 2
    centres = [width * (0.3 + 0.4 * t / count) for t in range(count)]
    true = [down + ((x - centre) / (0.15 * width)) ** 2 + rough < 1 for centre in centres]
    return [np.roll(mask, (3, 5), (0, 1)) for mask in true], true


def measure(frames: int) -> dict[str, float]:
    """CPU seconds for J and F of all frames, each way, and the largest difference between any two of them."""
    import cv2

    from masklet.evaluate.metrics import region_and_contour
    from masklet.types import Mask

    cv2.setNumThreads(1)  # every way on one core
    found, true = blobs(frames)
    ours, theirs = ([Mask.from_array(mask) for mask in masks] for masks in (found, true))

    def plain(dilate: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[tuple[float, float]]:
        return [(plain_region(a, b), plain_contour(a, b, dilate)) for a, b in zip(found, true, strict=True)]

    def quick() -> list[tuple[float, float]]:
        return [region_and_contour(a, b) for a, b in zip(ours, theirs, strict=True)]

    seconds, values = {}, {}
    ways = {"ours": quick, "loop, OpenCV": lambda: plain(by_opencv), "loop, SciPy": lambda: plain(by_scipy)}
    for name, way in ways.items():
        begin = time.process_time()
        values[name] = way()
        seconds[name] = time.process_time() - begin
    every = np.array(list(values.values()))
    return {**seconds, "largest difference": float(np.ptp(every, axis=0).max())}


def measure_together(frames: int) -> tuple[float, float]:
    """Seconds by the clock for all frames: masklet in a process for every core, the loop in one."""
    import cv2

    from masklet.types import Mask

    cv2.setNumThreads(1)
    found, true = blobs(frames)
    pairs = [(Mask.from_array(a), Mask.from_array(b)) for a, b in zip(found, true, strict=True)]
    cores = os.cpu_count() or 1
    # Twenty times over: handing the masks out counts, starting the processes does not.
    parts = [(pairs * 20)[n::cores] for n in range(cores)]
    with ProcessPoolExecutor(cores) as pool:
        list(pool.map(_compared, [part[:2] for part in parts]))
        begin = time.perf_counter()
        list(pool.map(_compared, parts))
        together = (time.perf_counter() - begin) / 20
    begin = time.perf_counter()
    for a, b in zip(found, true, strict=True):
        plain_region(a, b), plain_contour(a, b)
    return together, time.perf_counter() - begin


def _compared(pairs: list[Any]) -> list[tuple[float, float]]:
    from masklet.evaluate.metrics import region_and_contour

    return [region_and_contour(a, b) for a, b in pairs]


def main(arguments: Sequence[str]) -> None:
    frames = int(arguments[0]) if arguments else 40
    together, alone = measure_together(frames)
    print(
        f"every core: ours {1000 * together / frames:.2f} ms a frame, "
        f"the OpenCV loop on one {1000 * alone / frames:.2f}, {alone / together:.1f} ×"
    )
    found = measure(frames)
    difference = found.pop("largest difference")
    for name, seconds in found.items():
        print(f"{name:14} {1000 * seconds / frames:7.2f} ms a frame   {seconds / found['ours']:5.1f} ×")
    print(f"largest difference {difference:.1e}")


if __name__ == "__main__":
    main(sys.argv[1:])
