"""Sessions: objects, prompts, tracking, masks."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response, WebSocket
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from masklet.errors import ConfigError
from masklet.server import masks_json, wire
from masklet.server.appearance import as_json
from masklet.server.bodies import (
    ChooseBody,
    ClearBody,
    EffectsBody,
    NewObject,
    NewSession,
    ObjectChange,
    ObjectId,
    PinBody,
    PromptBody,
    SessionChange,
    TrackBody,
)
from masklet.server.keeping import to_file
from masklet.server.objects import next_id
from masklet.server.problems import Refusal
from masklet.server.reaching import Live, TheStudio, answer, changed
from masklet.server.receiving import stored
from masklet.server.websocket import serve_session
from masklet.server.workspace import Workspace

router = APIRouter(prefix="/api/sessions", tags=["sessions"])

MOST_FRAMES, MOST_SUMMARIES = 2000, 100_000
MOST_PNG = 64 * 2**20
Frame = Annotated[int, Query(ge=0)]
RAW: dict[str, Any] = {"requestBody": {"content": {"application/octet-stream": {}}}}


@router.post("", status_code=201)
async def create(body: NewSession, studio: TheStudio) -> dict[str, Any]:
    session_id = await asyncio.to_thread(studio.new_session, body.video, body.name)
    try:
        live = await asyncio.to_thread(studio.live, session_id)
        return await answer(live.state())
    except BaseException:
        await asyncio.to_thread(studio.delete_session, session_id)
        raise


@router.get("")
def list_sessions(studio: TheStudio, video: str | None = None) -> dict[str, Any]:
    rows = []
    for record in studio.records.sessions(video):
        live = studio.known(record.id)
        current = live.current if live else None
        summary = dict(record.summary)
        if current is not None:
            summary = {"objects": len(current.objects), "frames_covered": len(current.touched)}
        rows.append(
            {
                "id": record.id,
                "name": record.name,
                "video": record.video,
                "created": record.created,
                "used": record.used,
                "objects": summary.get("objects", 0),
                "frames_covered": summary.get("frames_covered", 0),
            }
        )
    return {"sessions": rows}


@router.post("/restore", status_code=201, openapi_extra=RAW)
async def restore(request: Request, studio: TheStudio, video: str, name: str | None = None) -> dict[str, Any]:
    """A new session from a file that `GET …/file` gave."""
    carried = studio.carried("restored")
    try:
        await stored(request, carried, studio.settings.limits.upload_bytes)
        session_id = await asyncio.to_thread(studio.restore, carried, video, name)
    finally:
        carried.unlink(missing_ok=True)
    live = await asyncio.to_thread(studio.live, session_id)
    return await answer(live.state())


@router.get("/{session_id}")
async def get_session(live: Live) -> dict[str, Any]:
    return await answer(live.state())


@router.patch("/{session_id}")
async def change_session(body: SessionChange, live: Live, studio: TheStudio) -> dict[str, Any]:
    """Its name, and how its masks are shown: no steps to undo."""
    if body.name is not None:
        await asyncio.to_thread(studio.records.rename, live.id, body.name)
    if body.look is not None:
        look = body.look.look(await asyncio.to_thread(studio.records.look, live.id))
        await asyncio.to_thread(studio.records.set_look, live.id, look)
    state = await answer(live.state())
    live.tell({"type": "session", "session": state})
    return state


@router.delete("/{session_id}", status_code=204)
async def delete(session_id: str, studio: TheStudio, upload: bool = False) -> None:
    """Delete a session; with `upload` its video too, if that was uploaded and no other session needs it."""
    await asyncio.to_thread(studio.delete_session, session_id, with_upload=upload)


@router.get("/{session_id}/file", response_class=FileResponse)
async def save(live: Live, studio: TheStudio) -> FileResponse:
    """The work as one file."""
    path = studio.carried(live.id)
    await answer(live.ask(lambda workspace: to_file(workspace, path)))
    name = f"{str(live.video.facts['name']).rpartition('.')[0] or 'work'}.masklet"
    return FileResponse(path, filename=name, background=BackgroundTask(path.unlink, missing_ok=True))


@router.put("/{session_id}/effects")
async def set_effects(body: EffectsBody, live: Live) -> dict[str, Any]:
    """What happens to the background and the objects: all of it at once, one step to undo."""
    change = {"kind": "effects", "effects": as_json(body.effects())}
    return (await changed(live, change))["session"]


# ── objects ──────────────────────────────────────────────────────────────────────────────────────


@router.post("/{session_id}/objects", status_code=201)
async def add_object(body: NewObject, live: Live) -> dict[str, Any]:
    workspace = await answer(live.workspace())
    chosen = body.id or next_id(workspace.objects)
    change = {"kind": "add_object", **body.model_dump(exclude_none=True), "id": chosen}
    return (await changed(live, change))["session"]


@router.patch("/{session_id}/objects/{object_id}")
async def change_object(object_id: int, body: ObjectChange, live: Live) -> dict[str, Any]:
    change = {"kind": "object", **body.model_dump(exclude_none=True), "id": object_id}
    return (await changed(live, change))["session"]


@router.delete("/{session_id}/objects/{object_id}")
async def remove_object(object_id: int, live: Live) -> dict[str, Any]:
    return (await changed(live, {"kind": "remove_object", "id": object_id}))["session"]


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


@router.post("/{session_id}/prompts")
async def prompt(body: PromptBody, live: Live) -> dict[str, Any]:
    """Clicks, a box or a mask for an object on a frame: its mask at once."""
    return await changed(live, body.change())


@router.post("/{session_id}/preview")
async def preview(body: PromptBody, live: Live) -> dict[str, Any]:
    """What a prompt would give; nothing is kept. A newer preview supersedes one that waits."""
    return await answer(live.preview(body.change()))


@router.post("/{session_id}/choose")
async def choose(body: ChooseBody, live: Live) -> dict[str, Any]:
    """Take another of an ambiguous click's candidates."""
    return await changed(live, {"kind": "choose", **body.model_dump()})


@router.post("/{session_id}/pin")
async def pin(body: PinBody, live: Live) -> dict[str, Any]:
    """Fix what is shown, or a mask, as a prompted frame."""
    return await changed(live, {"kind": "pin", **body.model_dump()})


@router.post("/{session_id}/clear")
async def clear(body: ClearBody, live: Live) -> dict[str, Any]:
    """Take prompts back: of an object, on a frame, or all."""
    return await changed(live, {"kind": "clear", **body.model_dump()})


@router.post("/{session_id}/undo")
async def undo(live: Live) -> dict[str, Any]:
    return await changed(live, {"kind": "undo"})


@router.post("/{session_id}/redo")
async def redo(live: Live) -> dict[str, Any]:
    return await changed(live, {"kind": "redo"})


@router.post("/{session_id}/masks", openapi_extra={"requestBody": {"content": {"image/png": {}}}})
async def import_masks(
    request: Request, live: Live, frame: Frame = 0, object: ObjectId | None = None
) -> dict[str, Any]:
    """A picture of masks as prompts: every object in it, or exactly one."""
    data = await _body(request, MOST_PNG)
    facts = live.video.facts
    found = await asyncio.to_thread(masks_json.masks_in_png, data, facts["width"], facts["height"])
    if object is not None:
        found = {object: masks_json.one_of(found, object)}
    masks = {str(i): masks_json.rle_of(mask) for i, mask in found.items()}
    return await changed(live, {"kind": "masks", "frame": frame, "masks": masks})


# ── masks ────────────────────────────────────────────────────────────────────────────────────────


@router.get(
    "/{session_id}/masks",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
async def get_masks(
    live: Live,
    start: Frame = 0,
    stop: Frame | None = None,
    step: Annotated[int, Query(ge=1)] = 1,
    counts: bool = True,
) -> Response:
    """Masks of many frames, one message each (see docs/serving.md); without `counts` only their numbers."""
    workspace = await answer(live.workspace())
    most = MOST_FRAMES if counts else MOST_SUMMARIES
    last = len(workspace.session.source) if stop is None else stop
    if len(range(start, last, step)) > most and stop is not None:
        raise ConfigError(
            f"{len(range(start, last, step))} frames are too many at once; ask for up to {most}"
        )
    body = await asyncio.to_thread(_bulk, workspace, range(start, last, step), most, counts)
    return Response(body, media_type="application/octet-stream", headers={"cache-control": "no-store"})


def _bulk(workspace: Workspace, frames: range, most: int, counts: bool) -> bytes:
    source = workspace.session.source
    parts = []
    for frame in sorted(t for t in list(workspace.touched) if t in frames)[:most]:
        masks = workspace.masks(frame)
        if masks.masks:
            outdated = workspace.outdated_on(frame)
            message = wire.pack(masks, source.width, source.height, outdated=outdated, counts=counts)
            parts.append(wire.framed(message))
    return b"".join(parts)


@router.get("/{session_id}/frames/{index}/masks")
async def get_frame_masks(index: int, live: Live) -> dict[str, Any]:
    """One frame's masks as JSON."""
    workspace = await answer(live.workspace())
    masks = await asyncio.to_thread(workspace.masks, index)
    return {
        "frame": index,
        "masks": {
            str(i): {
                "mask": masks_json.rle_of(mask),
                "iou": masks.iou.get(i),
                "occlusion": masks.occlusion.get(i),
                "prompted": i in masks.prompted,
            }
            for i, mask in masks.masks.items()
        },
    }


# ── tracking ─────────────────────────────────────────────────────────────────────────────────────


@router.post("/{session_id}/track", status_code=202)
async def track(body: TrackBody, live: Live) -> dict[str, Any]:
    """Begin to carry all objects through the video."""
    return await answer(live.track(body.request()))


@router.post("/{session_id}/track/pause")
async def pause(live: Live) -> dict[str, Any]:
    return await answer(live.steer("pause"))


@router.post("/{session_id}/track/resume")
async def resume(live: Live) -> dict[str, Any]:
    return await answer(live.steer("resume"))


@router.post("/{session_id}/track/cancel")
async def cancel(live: Live) -> dict[str, Any]:
    return await answer(live.steer("cancel"))


@router.websocket("/{session_id}/stream")
async def stream(socket: WebSocket, session_id: str, studio: TheStudio, window: int = 16) -> None:
    await serve_session(socket, studio, session_id, window)


async def _body(request: Request, most: int) -> bytes:
    """A body that is small enough to be held in memory."""
    parts, total = [], 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > most:
            raise Refusal("too_large", f"the body is larger than the {most} bytes this server takes")
        parts.append(chunk)
    return b"".join(parts)
