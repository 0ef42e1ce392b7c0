"""Bodies of requests that may be large: to disk as they come, never whole in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fastapi import Request

from masklet.server.problems import Refusal


async def stored(request: Request, file: Path, most: int) -> None:
    """Write a request's body to a file; raises Refusal when it is larger than `most` bytes."""
    total = 0
    with file.open("wb") as opened:
        async for chunk in request.stream():
            total += len(chunk)
            if total > most:
                raise Refusal("too_large", f"the body is larger than the {most} bytes this server takes")
            await asyncio.to_thread(opened.write, chunk)
