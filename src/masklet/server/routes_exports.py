"""Exports: start one, follow it, fetch it."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse

from masklet.server.bodies import ExportBody
from masklet.server.exporting import frames_of
from masklet.server.problems import Refusal
from masklet.server.reaching import Live, TheStudio, answer

router = APIRouter(prefix="/api", tags=["exports"])


@router.post("/sessions/{session_id}/exports", status_code=202)
async def start(body: ExportBody, live: Live, studio: TheStudio) -> dict[str, Any]:
    """Begin to write a file: masks, the cut-out, or the video with effects."""
    workspace = await answer(live.workspace())
    request = body.request(workspace.objects, workspace.effects)
    frames_of(request, workspace)  # what cannot be is told now, not when its turn comes
    return (await asyncio.to_thread(studio.exports.start, live, request)).as_json()


@router.get("/sessions/{session_id}/exports")
def list_exports(session_id: str, studio: TheStudio) -> dict[str, Any]:
    studio.records.session(session_id)
    return {"exports": [export.as_json() for export in studio.exports.of(session_id)]}


@router.get("/exports/{export_id}")
def get_export(export_id: str, studio: TheStudio) -> dict[str, Any]:
    return studio.exports.get(export_id).as_json()


@router.get("/exports/{export_id}/file", response_class=FileResponse)
def get_file(export_id: str, studio: TheStudio) -> FileResponse:
    export = studio.exports.get(export_id)
    if export.state != "done" or export.file is None:
        raise Refusal("session", f"export {export_id} is {export.state}; fetch it when it is done")
    return FileResponse(export.file, filename=export.file.name)


@router.delete("/exports/{export_id}", status_code=204)
def remove(export_id: str, studio: TheStudio) -> None:
    """Cancel it, or delete its file."""
    studio.exports.remove(export_id)
