"""How the server answers when many work at once: sessions over HTTP and WebSocket, as the page speaks to it.

    python benchmarks/server_load.py --model masklet-nano --sessions 50 --minutes 5 --json load.json

Starts `masklet serve` and sends it three short videos (`--video`, which may be repeated, or made-up ones).
Each of `--sessions` (50) people opens a session of their own and its stream, and until `--minutes` (5) are
over: thinks (`--think` seconds in the mean, 10), looks at a frame, clicks on it; every sixth time also tracks
`--track` (8) frames from there and reads all masks. Told are the requests, those that failed (refusals too:
there must be none), and p50, p95 and the longest of what opening, a click and tracking took, in ms from the
request to its answer; of tracking, to the last mask. The people begin within the first think time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import struct
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

import clips
from figures import Figure, show, times
from memory_of import PeakMemory
from served import Help, add_options, served

TRACKS_EVERY = 6
PATIENCE_S = 600
GOING_ON = ("queued", "running", "paused")
MOST_MESSAGE = 2**26


@dataclass
class Notes:
    """What happened, by the kind of request: how often, milliseconds of those answered, what failed."""

    asked: Counter[str] = field(default_factory=Counter)
    taken: dict[str, list[float]] = field(default_factory=dict)
    failed: Counter[str] = field(default_factory=Counter)

    @asynccontextmanager
    async def timed(self, kind: str) -> AsyncIterator[None]:
        """Count one request, and time it unless it fails; a failure ends what was to follow it."""
        self.asked[kind] += 1
        started = time.perf_counter()
        try:
            yield
        except (httpx.HTTPError, WebSocketException, asyncio.TimeoutError, OSError, RuntimeError) as error:
            self.failed[f"{kind}: {_reason(error)}"] += 1
            raise Failed from error
        self.taken.setdefault(kind, []).append((time.perf_counter() - started) * 1000)


class Failed(Exception):
    """A request failed, and was noted."""


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"{error.response.status_code} {error.response.text[:120]}"
    return f"{type(error).__name__} {error}"[:120]


class Person:
    """One session and what is done in it."""

    def __init__(
        self, client: httpx.AsyncClient, notes: Notes, seed: int, options: argparse.Namespace
    ) -> None:
        self._client = client
        self._notes = notes
        self._luck = random.Random(seed)
        self._options = options

    async def work(self, videos: Sequence[dict[str, Any]], ends: float) -> None:
        """From opening to the end; begins anew after a failure."""
        await asyncio.sleep(self._luck.uniform(0, self._options.think))
        while time.monotonic() < ends:
            try:
                await self._session(self._luck.choice(videos), ends)
            except Failed:
                await asyncio.sleep(1)

    async def _session(self, video: dict[str, Any], ends: float) -> None:
        async with self._notes.timed("opening"):
            state = await self._ask("POST", "/api/sessions", {"video": video["id"]})
            path = f"/api/sessions/{state['id']}"
            stream = await connect(self._stream(path), max_size=MOST_MESSAGE)
            while (await _take(stream))["type"] != "hello":
                pass
        async with stream:
            number = 0
            while time.monotonic() < ends:
                await self._think(stream)
                frame = self._luck.randrange(video["frames"])
                await self._click(path, video, frame)
                number += 1
                if number % TRACKS_EVERY == 0:
                    await self._track(path, stream, frame)

    async def _think(self, stream: ClientConnection) -> None:
        """A pause; what comes meanwhile is read, as the page reads it."""
        over = time.monotonic() + self._luck.uniform(0.5, 1.5) * self._options.think
        while (left := over - time.monotonic()) > 0:
            try:
                await asyncio.wait_for(_take(stream), left)
            except asyncio.TimeoutError:
                return
            except WebSocketException as error:
                self._notes.failed[f"stream: {_reason(error)}"] += 1
                raise Failed from error

    async def _click(self, path: str, video: dict[str, Any], frame: int) -> None:
        async with self._notes.timed("picture"):
            picture = f"/api/videos/{video['id']}/frames/{frame}?height=720"
            (await self._client.get(picture)).raise_for_status()
        at = [video[side] * self._luck.uniform(0.3, 0.7) for side in ("width", "height")]
        body = {"object": self._luck.randint(1, 2), "frame": frame, "clicks": [[*at, 1]]}
        async with self._notes.timed("click"):
            await self._ask("POST", f"{path}/prompts", body)

    async def _track(self, path: str, stream: ClientConnection, frame: int) -> None:
        run = {"direction": "forward", "start": frame, "limit": self._options.track}
        async with self._notes.timed("tracking"):
            number = (await self._ask("POST", f"{path}/track", run))["id"]
            await asyncio.wait_for(_run(stream, number), PATIENCE_S)

    async def _ask(self, method: str, path: str, body: dict[str, Any]) -> Any:
        return (await self._client.request(method, path, json=body)).raise_for_status().json()

    def _stream(self, path: str) -> str:
        return f"ws{str(self._client.base_url).removeprefix('http').rstrip('/')}{path}/stream"


async def _take(stream: ClientConnection) -> dict[str, Any]:
    """The next message; masks are acknowledged, and only their frame is told."""
    message = await stream.recv()
    if isinstance(message, str):
        told = json.loads(message)
        if told["type"] in ("error", "bye"):
            raise RuntimeError(message)
        return told
    frame, sequence = struct.unpack_from("<II", message, 4)
    await stream.send(json.dumps({"type": "ack", "sequence": sequence}))
    return {"type": "masks", "frame": frame}


async def _run(stream: ClientConnection, number: int) -> None:
    """Read until a run is over and the masks of all its frames are here."""
    seen: set[int] = set()
    wanted = None
    while wanted is None or len(seen) < wanted:
        told = await _take(stream)
        if told["type"] == "masks":
            seen.add(told["frame"])
        elif told["type"] == "run" and told["run"]["id"] == number:
            run = told["run"]
            if run["state"] not in (*GOING_ON, "done"):
                raise RuntimeError(f"the run {run['state']}: {run['message']}")
            wanted = run["frames"] if run["state"] == "done" else None


async def load(url: str, files: Sequence[Path], options: argparse.Namespace) -> Notes:
    notes = Notes()
    limits = httpx.Limits(max_connections=options.sessions + 4)
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S, limits=limits) as client:
        videos = []
        for file in files:
            sent = await client.post("/api/videos", params={"name": file.name}, content=file.read_bytes())
            videos.append(sent.raise_for_status().json())
        ends = time.monotonic() + options.minutes * 60
        people = [Person(client, notes, seed, options) for seed in range(options.sessions)]
        await asyncio.gather(*(person.work(videos, ends) for person in people))
    return notes


def told(notes: Notes, peak_bytes: int) -> list[Figure]:
    figures = [
        Figure("requests", sum(notes.asked.values())),
        Figure("failures", sum(notes.failed.values()), bar="0"),
        *(Figure(f"failed {why}", count) for why, count in notes.failed.most_common(5)),
    ]
    for kind in ("opening", "picture", "click", "tracking"):
        figures += times(kind, notes.taken.get(kind, ()))
    if peak_bytes:
        figures.append(Figure("most memory of the server", round(peak_bytes / 1e6), "MB"))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Help)
    add_options(parser)
    parser.add_argument(
        "--video", type=Path, action="append", metavar="FILE", help="a short video; repeat it"
    )
    parser.add_argument("--sessions", type=int, default=50, help="people who work at once")
    parser.add_argument("--minutes", type=float, default=5, help="how long they do")
    parser.add_argument("--think", type=float, default=10, help="seconds before each click, in the mean")
    parser.add_argument("--track", type=int, default=8, help="frames tracked at a time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="masklet-clips-") as folder:
        files = options.video or [
            clips.write(Path(folder) / f"discs-{seed}.mp4", clips.discs(854, 480, 75, seed), 854, 480)
            for seed in range(3)
        ]
        # Everybody stays in memory: what is measured is the model's queue, not the store.
        with (
            served(options, ["--max-live", str(options.sessions + 1)]) as server,
            PeakMemory(server.process) as memory,
        ):
            notes = asyncio.run(load(server.url, files, options))
    show(f"{options.sessions} sessions at once", told(notes, memory.peak_bytes), vars(options), options.json)


if __name__ == "__main__":
    main()
