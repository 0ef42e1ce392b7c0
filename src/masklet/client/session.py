"""A video session on a server: prompts, tracking and masks, as VideoSession has them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from masklet.client.prompts import preview_of, prompt_body, prompts_of
from masklet.client.transport import ServerError, Transport, error_of
from masklet.errors import SessionError
from masklet.predict.history import Preview
from masklet.predict.plan import Direction, Plan, plan
from masklet.server.masks_json import rle_of
from masklet.server.wire import split, unpack
from masklet.types import Box, Click, Frame, FrameMasks, Mask, Masklet
from masklet.video.draft import drafted
from masklet.video.protocol import FrameSource

POLL_S = 0.2
BULK = 500
"""Frames fetched at once."""
Progress = Callable[[int, int], None]


class RemoteSession:
    """One session. The server keeps it: `close` lets go of it, `delete` removes it there.

    id       to come back to it: `connect(url).resume(id)`
    source   the video's frames, from the file that was sent or fetched
    """

    def __init__(self, transport: Transport, state: Mapping[str, Any], source: FrameSource) -> None:
        self.id = str(state["id"])
        self.source = source
        self._transport = transport
        self._state = state
        self._path = f"/api/sessions/{self.id}"

    # ── prompting ────────────────────────────────────────────────────────────────────────────────

    def prompt(
        self,
        frame: int,
        object_id: int = 1,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
        candidate: int | None = None,
        replace: bool = False,
    ) -> Preview:
        """Say where an object is on a frame and see the mask at once; see VideoSession.prompt."""
        body = prompt_body(frame, object_id, clicks, box, mask, candidate, replace)
        return preview_of(self._change("prompts", body)["preview"])

    def choose(self, frame: int, object_id: int, candidate: int) -> Preview:
        """Take another of the candidates that a click gave."""
        body = {"object": object_id, "frame": frame, "candidate": candidate}
        return preview_of(self._change("choose", body)["preview"])

    def pin(self, frame: int, object_id: int, mask: Mask | np.ndarray | None = None) -> Preview:
        """Fix an object's mask on a frame; None = what is shown there now."""
        body: dict[str, Any] = {"object": object_id, "frame": frame}
        if mask is not None:
            body["mask"] = rle_of(mask if isinstance(mask, Mask) else Mask.from_array(mask))
        return preview_of(self._change("pin", body)["preview"])

    def clear(self, frame: int, object_id: int) -> None:
        """Take back an object's prompt on a frame."""
        self._change("clear", {"object": object_id, "frame": frame})

    def remove(self, object_id: int) -> None:
        """Take an object out, with all its prompts and masks."""
        self._state = self._transport.call("DELETE", f"{self._path}/objects/{object_id}")

    def undo(self) -> None:
        self._change("undo")

    def redo(self) -> None:
        self._change("redo")

    # ── tracking ─────────────────────────────────────────────────────────────────────────────────

    def propagate(
        self,
        direction: Direction = "both",
        *,
        start: int | None = None,
        stop: int | None = None,
        limit: int | None = None,
        on_step: Progress | None = None,
    ) -> Iterator[tuple[Frame, FrameMasks]]:
        """Carry all objects through the video, yielding each frame with its masks, in the local API's order.

        Closing the generator cancels the run; everything done until then stays. Raises what the run
        failed of, after the frames before it.
        """
        firsts = [min(frames) for frames in prompts_of(self._refreshed()).values()]
        if not firsts:
            raise SessionError("there is nothing to propagate; prompt an object first")
        steps = plan(direction, firsts, len(self.source), start=start, stop=stop, limit=limit)
        request = {"type": "track", "direction": direction, "start": start, "stop": stop, "limit": limit}
        return self._propagate(request, steps, on_step)

    def _propagate(
        self, request: dict[str, Any], steps: Plan, on_step: Progress | None
    ) -> Iterator[tuple[Frame, FrameMasks]]:
        tracked = self._tracked(request, on_step)
        if not (steps.backward and steps.forward):
            for masks in tracked:  # frames come in the order in which they are shown
                yield self.source[masks.index], masks
            return
        for _ in tracked:
            pass
        for begin in range(steps.shown.start, steps.shown.stop, BULK):
            frames = range(begin, min(begin + BULK, steps.shown.stop))
            stored = self._stored(frames.start, frames.stop)
            for t in frames:
                yield self.source[t], stored.get(t) or FrameMasks(t, {})

    def _tracked(self, request: dict[str, Any], on_step: Progress | None) -> Iterator[FrameMasks]:
        """Masks as they come, until the run is over and all of it is here."""
        over, wanted, seen = False, -1, set[int]()
        with self._transport.stream(f"{self._path}/stream") as socket:
            _hello(socket)
            socket.send(json.dumps(request))
            try:
                while not (over and len(seen) >= wanted):
                    message = socket.recv()
                    if isinstance(message, bytes):
                        found = unpack(message)
                        socket.send(json.dumps({"type": "ack", "sequence": found.sequence}))
                        seen.add(found.masks.index)
                        yield found.masks
                        continue
                    told = json.loads(message)
                    if told["type"] == "error":
                        raise error_of(told["error"])
                    if told["type"] == "bye":
                        raise ServerError("draining", f"the server ended the stream: {told['reason']}")
                    if told["type"] == "run":
                        run = told["run"]
                        over, wanted = run["state"] not in ("queued", "running", "paused"), run["frames"]
                        if on_step is not None:
                            on_step(run["done"], run["total"])
                        if over and run["state"] != "done":
                            break
            except GeneratorExit:
                socket.send(json.dumps({"type": "cancel"}))
                raise
        if over and run["state"] == "failed":
            raise SessionError(run["message"])

    def cancel(self) -> None:
        """Stop a run that goes on; may be called from another connection."""
        self._transport.call("POST", f"{self._path}/track/cancel")

    # ── results ──────────────────────────────────────────────────────────────────────────────────

    @property
    def objects(self) -> tuple[int, ...]:
        """Ids of the objects, in the order they were added."""
        return tuple(known["id"] for known in self._refreshed()["objects"])

    @property
    def outdated(self) -> frozenset[int]:
        """Ids whose masks elsewhere were tracked from other prompts than now, or not at all."""
        return frozenset(self._refreshed()["outdated"])

    def masks(self, frame: int) -> FrameMasks:
        """All objects' masks on a frame, as far as they are known."""
        return self._stored(frame, frame + 1).get(frame) or FrameMasks(frame, {})

    def masklets(self) -> dict[int, Masklet]:
        """All objects' masks through the video."""
        found: dict[int, dict[int, Mask]] = {i: {} for i in self.objects}
        prompted: dict[int, set[int]] = {i: set() for i in found}
        for low, high in self._refreshed()["covered"]:
            for begin in range(low, high, BULK):
                for t, masks in self._stored(begin, min(begin + BULK, high)).items():
                    for object_id, mask in masks.masks.items():
                        found[object_id][t] = mask
                    for object_id in masks.prompted:
                        prompted[object_id].add(t)
        return {i: Masklet(i, masks, frozenset(prompted[i])) for i, masks in found.items() if masks}

    def _stored(self, start: int, stop: int) -> dict[int, FrameMasks]:
        body = self._transport.fetch("GET", f"{self._path}/masks", params={"start": start, "stop": stop})
        found = [unpack(message).masks for message in split(body)]
        return {masks.index: masks for masks in found}

    def export(self, format: str, path: str | Path, **options: Any) -> Path:
        """Have the server write a file and fetch it. format: coco, sav, png, yolo, cutout or video.

        options   objects, start, stop, cutout, effects, sound: see docs/serving.md
        raises    SinkError when the file cannot be written, before the server is asked; a file that was
                  there stays until the new one is whole
        """
        with drafted(path) as draft:
            draft.write_bytes(self._exported(format, options))
        return Path(path)

    def _exported(self, format: str, options: Mapping[str, Any]) -> bytes:
        export = self._transport.call("POST", f"{self._path}/exports", {"format": format, **options})
        while export["state"] in ("queued", "running"):
            time.sleep(POLL_S)
            export = self._transport.call("GET", f"/api/exports/{export['id']}")
        if export["state"] != "done":
            raise SessionError(export["message"] or f"the export was {export['state']}")
        return self._transport.fetch("GET", f"/api/exports/{export['id']}/file")

    def save(self, path: str | Path) -> None:
        """Write the work to one file, as `export` does; the server's page and API can restore it."""
        with drafted(path) as draft:
            draft.write_bytes(self._transport.fetch("GET", f"{self._path}/file"))

    def delete(self) -> None:
        """Remove the session from the server."""
        self._transport.call("DELETE", self._path)
        self.close()

    def close(self) -> None:
        """Let go of the video; the server keeps the session."""
        self.source.close()

    def __enter__(self) -> RemoteSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _change(self, what: str, body: Any = None) -> Any:
        answer = self._transport.call("POST", f"{self._path}/{what}", body)
        self._state = answer["session"]
        return answer

    def _refreshed(self) -> Mapping[str, Any]:
        self._state = self._transport.call("GET", self._path)
        return self._state


def _hello(socket: Any) -> None:
    told = json.loads(socket.recv())
    if told["type"] == "error":
        raise error_of(told["error"])
