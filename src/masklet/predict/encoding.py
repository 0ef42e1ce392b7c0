"""Encoding ahead: while a frame is tracked, the next one goes through the image encoder on another thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from masklet.engine.protocol import Engine, ImageFeatures
from masklet.types import Frame

Ahead = tuple[Frame, "Future[ImageFeatures] | None"]


def encoded(engine: Engine, frame: Frame) -> ImageFeatures:
    """A frame's features; of a decoded video, no more of the frame is made than the engine looks at."""
    return engine.encode_image(frame.fitted(engine.input_size))


def encoded_ahead(
    engine: Engine, frames: Iterable[Frame], is_wanted: Callable[[int], bool]
) -> Generator[Ahead, None, None]:
    """The frames, each with its features on their way: `engine.encodes_ahead` of them are begun early.

    is_wanted   whether a frame will be tracked and its features are not at hand; others come with None, as
                all do when the engine encodes nothing ahead

    A video that breaks off raises after the frames before that.
    """
    if not engine.encodes_ahead:
        for frame in frames:
            yield frame, None
        return
    waiting: deque[Ahead] = deque()
    pool = ThreadPoolExecutor(1, thread_name_prefix="masklet encoding")
    try:
        try:
            for frame in frames:
                coming = pool.submit(encoded, engine, frame) if is_wanted(frame.index) else None
                waiting.append((frame, coming))
                if len(waiting) > engine.encodes_ahead:
                    yield waiting.popleft()
        except Exception:
            yield from waiting
            raise
        yield from waiting
    finally:
        pool.shutdown(cancel_futures=True)
