"""Amazon SageMaker's container contract: /ping, /invocations and the bidirectional stream.

An invocation is one picture or video with its prompts, answered whole. It takes its turn like everybody
else: a video is tracked in single steps, so that several invocations and sessions go on at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio
from fastapi import APIRouter, Request, WebSocket
from fastapi.responses import JSONResponse
from pydantic import Field, ValidationError

from masklet.errors import ConfigError, MaskletError, VideoError
from masklet.predict.segmenter import Segmenter
from masklet.server.bodies import Body, PromptBody, TrackBody
from masklet.server.fetching import fetched
from masklet.server.inspecting import HEAD_BYTES, inspect, suffix_of
from masklet.server.live import preview_json
from masklet.server.masks_json import rle_of
from masklet.server.problems import described
from masklet.server.reaching import TheStudio, answer
from masklet.server.receiving import stored
from masklet.server.runs import TrackingRun
from masklet.server.studio import Studio
from masklet.server.websocket import CLOSE_CODES, serve_session
from masklet.server.workspace import Workspace

router = APIRouter(tags=["sagemaker"])

ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"
STREAM = "/invocations-bidirectional-stream"


class Invocation(Body):
    """One of `image` or `video`: a URI (https:, s3:, data:, file: below /opt/ml/input)."""

    image: str | None = None
    video: str | None = None
    prompts: Annotated[list[PromptBody], Field(min_length=1, max_length=1000)]
    track: TrackBody | None = TrackBody()


@dataclass(frozen=True, eq=False)
class _Job:
    """What an invocation asks: a file and prompts, and for a video whether to track."""

    file: Path
    photo: bool
    body: Invocation


@router.get("/ping")
def ping(studio: TheStudio) -> JSONResponse:
    """200 when invocations would be answered; cheap."""
    return JSONResponse({"status": studio.state}, 200 if studio.state == "ok" else 503)


@router.post("/invocations", openapi_extra={"requestBody": {"content": {"application/json": {}}}})
async def invocations(request: Request, studio: TheStudio) -> dict[str, Any]:
    """Masks of a picture, or of every frame of a video, for prompts.

    The body is JSON as `Invocation`; or the file itself (image/… or video/…), with the rest of the JSON in
    the header X-Amzn-SageMaker-Custom-Attributes.
    """
    studio.model()  # raises while it is being opened
    with tempfile.TemporaryDirectory(dir=studio.settings.store) as folder:
        job = await _job(request, studio, Path(folder))
        return await _done(job, studio)


async def _job(request: Request, studio: Studio, folder: Path) -> _Job:
    file = folder / "given"
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    most = studio.settings.limits.upload_bytes
    if content_type.startswith(("image/", "video/")):
        body = _parsed(request.headers.get(ATTRIBUTES, "{}"))
        await stored(request, file, most)
    else:
        body = _parsed(await _text(request))
        uri = body.image or body.video
        if (body.image is None) == (body.video is None) or uri is None:
            raise ConfigError("an invocation names either an image or a video")
        await asyncio.to_thread(fetched, uri, file, studio.settings, most)
    with file.open("rb") as opened:
        suffix = suffix_of(opened.read(HEAD_BYTES))
    kept = file.rename(file.with_suffix(suffix))
    facts = await asyncio.to_thread(inspect, kept, studio.settings.limits, isolate=studio.settings.isolate)
    return _Job(kept, facts["kind"] == "photo", body)


async def _done(job: _Job, studio: Studio) -> dict[str, Any]:
    """Prompt, then track in single steps; the lane is given back whatever happens."""
    lane = studio.scheduler.lane()
    most = studio.settings.limits.questions
    source = await asyncio.to_thread(studio.library.frames_of, job.file, job.file.name)
    finished: Future[None] = Future()
    holder: list[Workspace] = []
    runs: list[TrackingRun] = []

    def begin(model: Segmenter) -> tuple[Workspace, list[dict[str, Any]]]:
        workspace = Workspace(model.video(source), most_objects=studio.settings.limits.objects)
        holder.append(workspace)
        previews = []
        for body in job.body.prompts:
            preview = workspace.apply(body.change()).preview
            previews.append({} if preview is None else preview_json(preview))
        return workspace, previews

    def step() -> bool:
        runs[0].step()
        if not runs[0].goes_on:
            finished.set_result(None)
        return runs[0].goes_on

    def end(_: Segmenter) -> None:
        for run in runs:
            run.end("cancelled")
        for workspace in holder:
            workspace.session.close()

    try:
        workspace, previews = await answer(lane.ask(begin, most=most))
        result: dict[str, Any] = {
            "model": studio.model().engine.name,
            "width": source.width,
            "height": source.height,
            "frames": len(source),
            "prompts": previews,
        }
        if not job.photo and job.body.track is not None:
            run = TrackingRun(1, job.body.track.request(), workspace)
            runs.append(run)
            lane.start(step)
            await asyncio.wrap_future(finished)
            if run.state == "failed":
                raise VideoError(run.message or "tracking failed")
        result["masks"] = list(_masks(workspace))
        return result
    finally:
        lane.stop()
        with contextlib.suppress(MaskletError):
            await answer(lane.ask(end, most=most + 1))
        source.close()
        studio.scheduler.give_back(lane)


def _masks(workspace: Workspace) -> Iterator[dict[str, Any]]:
    for frame in sorted(workspace.touched):
        masks = workspace.masks(frame)
        objects = {
            str(i): {"mask": rle_of(mask), "iou": masks.iou.get(i), "occlusion": masks.occlusion.get(i)}
            for i, mask in masks.masks.items()
        }
        if objects:
            yield {"frame": frame, "objects": objects}


def _parsed(text: str) -> Invocation:
    try:
        return Invocation(**json.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"the invocation's {where}: {first['msg']}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise ConfigError(
            'an invocation is JSON like {"image": URI, "prompts": [{"clicks": [[x, y]]}]}'
        ) from error


async def _text(request: Request) -> str:
    return (await request.body()).decode("utf-8", "replace")


@router.websocket(STREAM)
async def bidirectional(socket: WebSocket, studio: TheStudio) -> None:
    """One socket, one session: the first message names the video, then it goes on as a session's stream."""
    await socket.accept()
    try:
        opening = await socket.receive_json()
        uri = opening.get("video") or opening.get("image") if isinstance(opening, dict) else None
        if not isinstance(uri, str):
            raise ConfigError('the first message must be {"type": "open", "video": URI}')
        session_id, video_id = await asyncio.to_thread(_fetched_session, studio, uri)
    except (MaskletError, ValueError) as error:
        problem = described(error)
        await socket.send_json({"type": "error", "error": problem})
        await socket.close(CLOSE_CODES.get(problem["code"], 1008))
        return
    try:
        await serve_session(socket, studio, session_id, window=int(opening.get("window", 16)), accepted=True)
    finally:
        with anyio.CancelScope(shield=True):  # also when the server ends
            await asyncio.to_thread(studio.delete_video, video_id)


def _fetched_session(studio: Studio, uri: str) -> tuple[str, str]:
    """A new session, and its video, for what a URI names."""
    with tempfile.TemporaryDirectory(dir=studio.settings.store) as folder:
        file = Path(folder) / "given"
        fetched(uri, file, studio.settings, studio.settings.limits.upload_bytes)
        record = studio.library.take(file, "video" if uri.startswith("data:") else uri.partition("?")[0])
    return studio.new_session(record.id), record.id
