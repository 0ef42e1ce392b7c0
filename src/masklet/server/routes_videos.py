"""Videos and photos: upload, gallery, frames."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse

from masklet.server.library import video_json
from masklet.server.pictures import FORMATS, encoded
from masklet.server.problems import Refusal
from masklet.server.reaching import TheStudio

router = APIRouter(prefix="/api", tags=["videos"])

GIVEN_UP = 499
"""What the log and the metrics say of a request whose client has gone; nobody receives it."""
FOR_EVER = {"cache-control": "private, max-age=31536000, immutable"}
IMAGES: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}, "image/webp": {}}}}
Index = Annotated[int, Query(ge=0)]


@router.post(
    "/videos", status_code=201, openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}}
)
async def upload(request: Request, studio: TheStudio, name: str = "untitled") -> dict[str, Any]:
    """Store a video or photo: the body is the file itself."""
    announced = request.headers.get("content-length", "")
    length = int(announced) if announced.isdecimal() else None
    record = await studio.library.receive(request.stream(), name, length)
    return video_json(record)


@router.get("/videos")
def list_videos(studio: TheStudio) -> dict[str, Any]:
    return {"videos": [video_json(record) for record in studio.records.videos()]}


@router.get("/videos/{video_id}")
def get_video(video_id: str, studio: TheStudio) -> dict[str, Any]:
    return video_json(studio.records.video(video_id))


@router.delete("/videos/{video_id}", status_code=204)
def delete_video(video_id: str, studio: TheStudio) -> None:
    """Delete a video, its sessions and their work. A gallery's or a project's file stays."""
    studio.delete_video(video_id)


@router.get("/videos/{video_id}/frames/{index}", responses=IMAGES, response_class=Response)
async def get_frame(
    video_id: str,
    index: int,
    request: Request,
    studio: TheStudio,
    height: Annotated[int | None, Query(ge=1)] = None,
    format: Literal["jpeg", "webp"] = "jpeg",
) -> Response:
    """One frame as a picture; never enlarged, heights rounded up to a few."""
    tag = f'"{video_id}-{index}-{height}-{format}"'
    if request.headers.get("if-none-match") == tag:
        await asyncio.to_thread(studio.records.video, video_id)
        return Response(status_code=304, headers={**FOR_EVER, "etag": tag})
    async with studio.pictures.turns:
        # Whoever runs through a video gives up most of what they asked for: it must not hold up the rest.
        if await request.is_disconnected():
            return Response(status_code=GIVEN_UP)
        data = await asyncio.to_thread(studio.pictures.frame, video_id, index, height, format)
    return Response(data, media_type=FORMATS[format], headers={**FOR_EVER, "etag": tag})


@router.get("/videos/{video_id}/times")
def get_times(video_id: str, studio: TheStudio) -> dict[str, Any]:
    """When each frame is shown, in seconds."""
    return {"times": studio.pictures.times(video_id)}


@router.get("/videos/{video_id}/file", response_class=FileResponse)
def get_file(video_id: str, studio: TheStudio) -> FileResponse:
    """The stored file; parts of it by Range."""
    record = studio.records.video(video_id)
    if Path(record.file).is_dir():
        raise Refusal("missing", f"{record.facts['name']} is a folder of pictures; fetch its frames")
    return FileResponse(record.file, headers={"cache-control": "private, max-age=3600"})


@router.get("/gallery", tags=["gallery"])
def list_gallery(studio: TheStudio) -> dict[str, Any]:
    return {"items": studio.library.gallery_items()}


@router.get("/gallery/{key}/thumbnail", tags=["gallery"], responses=IMAGES, response_class=Response)
def get_thumbnail(key: str, studio: TheStudio) -> Response:
    """The first frame, 180 pixels high."""
    file = studio.library.gallery_file(key)
    source = studio.library.frames_of(file, file.name)
    try:
        frame = source[0]
    finally:
        source.close()
    data = encoded(frame, min(180, frame.height), "jpeg")
    return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


@router.post("/gallery/{key}/open", tags=["gallery"])
async def open_gallery(key: str, studio: TheStudio, response: Response) -> dict[str, Any]:
    """The video of a gallery file: 201 when it is opened for the first time."""
    record, new = await asyncio.to_thread(studio.library.open_from_gallery, key)
    response.status_code = 201 if new else 200
    return video_json(record)
