"""How much memory a long video costs the server: it is uploaded, opened, and shown from its middle.

    python benchmarks/upload_memory.py --model masklet-nano --json upload.json

Makes a 1080p video of `--minutes` (30) by looping eight seconds of `--video`, or of made-up pictures; starts
`masklet serve`; notes the resident memory of the server with the model open; then sends the file, opens a
session on it and fetches the frame in the middle. Told is the peak of the server and of every process it
starts beyond what was noted, in MB (10^6 bytes). Linux only, because it reads /proc.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import httpx

import clips
from figures import Figure, show
from memory_of import PeakMemory
from served import Help, Served, add_options, served

WIDTH, HEIGHT = 1920, 1080
PART = 2**20
SETTLE_S = 2.0
MB = 1e6


def long_video(folder: Path, video: Path | None, minutes: float) -> Path:
    """The file that is sent."""
    frames = clips.RATE * clips.SECONDS_LOOPED
    if video is None:
        images = clips.discs(WIDTH, HEIGHT, frames)
    else:
        images = clips.pictures_of(video, WIDTH, HEIGHT, frames)
    clip = clips.write(folder / "clip.mp4", images, WIDTH, HEIGHT)
    return clips.looped(folder / "long.mp4", clip, minutes)


def measure(server: Served, file: Path) -> list[Figure]:
    with PeakMemory(server.process) as memory, httpx.Client(base_url=server.url, timeout=900) as client:
        time.sleep(SETTLE_S)
        before = memory.now_bytes()
        memory.forget()
        started = time.perf_counter()
        with file.open("rb") as opened:
            body = iter(lambda: opened.read(PART), b"")
            sent = client.post("/api/videos", params={"name": file.name}, content=body).raise_for_status()
        video = sent.json()
        uploaded = time.perf_counter()
        during_upload = memory.peak_bytes
        client.post("/api/sessions", json={"video": video["id"]}).raise_for_status()
        opened_at = time.perf_counter()
        client.get(f"/api/videos/{video['id']}/frames/{video['frames'] // 2}").raise_for_status()
        shown = time.perf_counter()
        time.sleep(SETTLE_S)
        after = memory.now_bytes()
    bar = "< 300 MB"
    return [
        Figure("video", round(file.stat().st_size / MB, 1), "MB"),
        Figure("frames", video["frames"]),
        Figure("server with its model", round(before / MB, 1), "MB"),
        Figure(
            "beyond that, while it is sent and looked through", round((during_upload - before) / MB, 1), "MB"
        ),
        Figure("beyond that, at most", round((memory.peak_bytes - before) / MB, 1), "MB", bar=bar),
        Figure("beyond that, two seconds after", round((after - before) / MB, 1), "MB"),
        Figure("sent and looked through in", round(uploaded - started, 2), "s"),
        Figure("session opened in", round(opened_at - uploaded, 2), "s"),
        Figure("frame of the middle shown in", round(shown - opened_at, 2), "s"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    add_options(parser)
    parser.add_argument("--minutes", type=float, default=30, help="length of the video")
    parser.add_argument("--video", type=Path, metavar="FILE", help="what is looped; made up if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="masklet-clip-") as folder:
        file = long_video(Path(folder), options.video, options.minutes)
        with served(options) as server:
            figures = measure(server, file)
    show("A long upload", figures, vars(options), options.json)


if __name__ == "__main__":
    main()
