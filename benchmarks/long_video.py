"""Whether memory stays flat: what a process holds after a minute of 720p video, and after an hour.

    python benchmarks/long_video.py --model masklet-nano --rate 5 --json hour.json

Makes a video of `--minutes` (60) at `--rate` frames a second by looping eight seconds of `--video`, or of
made-up pictures, and follows one object through it: as a stream, which forgets what it has shown, or with
`--session` as a session, which keeps every mask so that any frame can be corrected. Told is the resident
memory of the process in MB (10^6 bytes). Linux only, because it reads /proc.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import clips
import masklet
from figures import Figure, show
from masklet.video.source import open_source
from memory_of import resident

WIDTH, HEIGHT = 1280, 720
MB = 1e6


def hour(folder: Path, video: Path | None, minutes: float, rate: int) -> Path:
    """The video that is followed."""
    frames = rate * clips.SECONDS_LOOPED
    if video is None:
        images = clips.discs(WIDTH, HEIGHT, frames)
    else:
        images = clips.pictures_of(video, WIDTH, HEIGHT, frames)
    clip = clips.write(folder / "clip.mp4", images, WIDTH, HEIGHT, rate)
    return clips.looped(folder / "long.mp4", clip, minutes)


def as_stream(model: masklet.Segmenter, path: Path, click: tuple[float, float]) -> Iterator[bool]:
    """Whether the object is seen, frame by frame."""
    source = open_source(path)
    with model.stream() as stream:
        stream.prompt(1, clicks=[click])
        for frame in source.read(0, len(source)):
            yield not stream.step(frame).masks[1].is_empty
    source.close()


def as_session(model: masklet.Segmenter, path: Path, click: tuple[float, float]) -> Iterator[bool]:
    with model.video(path) as session:
        session.prompt(0, 1, clicks=[click])
        for _, masks in session.propagate("forward"):
            yield not masks.masks[1].is_empty


def measure(seen: Iterator[bool], rate: int) -> list[Figure]:
    """Memory after a minute of video and after all of it."""
    first = most = visible = frames = 0
    started = time.perf_counter()
    for frames, is_seen in enumerate(seen, 1):
        visible += is_seen
        now = resident(os.getpid())
        most = max(most, now)
        if frames == 60 * rate:
            first = most
    seconds = time.perf_counter() - started
    return [
        Figure("frames", frames),
        Figure("frames on which the object was seen", visible),
        Figure("most memory in the first minute", round(first / MB, 1), "MB"),
        Figure("most memory in all", round(most / MB, 1), "MB"),
        Figure("more than in the first minute", round(100 * (most / first - 1), 1), "%", bar="< 5 %"),
        Figure("frames a second", round(frames / seconds, 2)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="masklet-nano", help="what is measured")
    parser.add_argument("--engine", help="torch or openvino")
    parser.add_argument("--input-size", type=int, help="side that pictures are resized to")
    parser.add_argument("--minutes", type=float, default=60, help="length of the video; more than 1")
    parser.add_argument("--rate", type=int, default=clips.RATE, help="its frames a second")
    parser.add_argument("--video", type=Path, metavar="FILE", help="what is looped; made up if not given")
    parser.add_argument(
        "--click", type=float, nargs=2, default=(WIDTH / 2, HEIGHT / 2), help="on the object, first frame"
    )
    parser.add_argument("--session", action="store_true", help="a session instead of a stream")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if options.minutes <= 1:
        parser.error(f"--minutes {options.minutes} must be more than 1: the first minute is the measure")
    with tempfile.TemporaryDirectory() as folder:
        path = hour(Path(folder), options.video, options.minutes, options.rate)
        model = masklet.load(options.model, engine=options.engine, input_size=options.input_size)
        follow = as_session if options.session else as_stream
        figures = measure(follow(model, path, tuple(options.click)), options.rate)
    settings = {name: value for name, value in vars(options).items() if name != "json"}
    show(f"{options.minutes:g} minutes of 720p, {options.model}", figures, settings, options.json)


if __name__ == "__main__":
    main()
