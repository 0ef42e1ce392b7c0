"""The videos and photos a server has: uploads, the gallery, videos of projects.

No name that a client gives becomes a path.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from masklet.errors import VideoError
from masklet.server.inspecting import HEAD_BYTES, PHOTO_SUFFIXES, inspect, suffix_of, without_place
from masklet.server.limited_source import CAN_LIMIT, LimitedSource, Side
from masklet.server.problems import Refusal
from masklet.server.records import Records, VideoRecord, now
from masklet.server.settings import Settings
from masklet.server.shared_frames import RecentFrames, SharedFrames
from masklet.video.protocol import FrameSource
from masklet.video.source import open_source

LONGEST_NAME = 200


class Library:
    """Takes videos in, finds them again, opens them."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self._settings = settings
        self._records = records
        self._recent = RecentFrames()
        self._side = Side()
        self._folder = settings.store / "videos"
        self._folder.mkdir(parents=True, exist_ok=True)
        for left_over in self._folder.glob("*.part"):  # uploads that a crash cut off
            left_over.unlink(missing_ok=True)

    async def receive(self, body: AsyncIterator[bytes], name: str, length: int | None) -> VideoRecord:
        """Store an upload as it streams in; nothing of one that is refused stays.

        length   as the client announced it, if it did
        """
        most = self._settings.limits.upload_bytes
        if length is not None and length > most:
            raise Refusal("too_large", f"the file has {length} bytes; this server takes up to {most}")
        await asyncio.to_thread(self.check_room, length or 0)
        video_id = secrets.token_hex(8)
        part = self._folder / f"{video_id}.part"
        kept: Path | None = None
        try:
            head = await _store(body, part, most)
            kept = part.with_suffix(suffix_of(head))
            part.rename(kept)
            return await asyncio.to_thread(self._add, video_id, kept, _clean(name), None)
        except BaseException:
            part.unlink(missing_ok=True)
            if kept is not None:
                kept.unlink(missing_ok=True)
            raise

    def take(self, file: Path, name: str) -> VideoRecord:
        """Move a file that is on this machine into the store."""
        self.check_room(0)
        with file.open("rb") as opened:
            suffix = suffix_of(opened.read(HEAD_BYTES))
        video_id = secrets.token_hex(8)
        kept = file.rename(self._folder / f"{video_id}{suffix}")
        try:
            return self._add(video_id, kept, _clean(name), None)
        except BaseException:
            kept.unlink(missing_ok=True)
            raise

    def _add(self, video_id: str, file: Path, name: str, gallery: str | None) -> VideoRecord:
        try:
            facts = inspect(file, self._settings.limits, isolate=self._settings.isolate)
        except VideoError as error:
            raise VideoError(without_place(str(error), file, name)) from error
        record = VideoRecord(video_id, str(file), gallery, {"name": name, **facts}, now())
        self._records.add_video(record)
        return record

    def check_room(self, more: int) -> None:
        """Raise Refusal when the store would outgrow its quota, or the disk."""
        most = self._settings.limits.store_bytes
        if used_bytes(self._settings.store) + more > most:
            raise Refusal("full", f"the store is full ({most} bytes); delete videos or sessions first")
        if shutil.disk_usage(self._settings.store).free < more + 2**26:
            raise Refusal("full", "the disk is full; delete videos or sessions first")

    # ── the gallery ──────────────────────────────────────────────────────────────────────────────

    def gallery(self) -> dict[str, Path]:
        """Key → file; keys are made from names, never the other way round."""
        folder = self._settings.gallery
        if folder is None:
            return {}
        root = folder.resolve()
        files = [f for f in sorted(folder.rglob("*")) if f.is_file() and not f.name.startswith(".")]
        inside = [f for f in files if f.resolve().is_relative_to(root) and _kind(f) is not None]
        return {_key(f.relative_to(folder)): f for f in inside}

    def gallery_items(self) -> list[dict[str, Any]]:
        folder = self._settings.gallery
        return [
            {
                "key": key,
                "name": str(file.relative_to(folder)) if folder else file.name,
                "kind": _kind(file),
                "bytes": file.stat().st_size,
            }
            for key, file in self.gallery().items()
        ]

    def gallery_file(self, key: str) -> Path:
        found = self.gallery().get(key)
        if found is None:
            raise Refusal("missing", f"the gallery has no {key}; it may have been removed")
        return found

    def open_from_gallery(self, key: str) -> tuple[VideoRecord, bool]:
        """The video of a gallery file, and whether it was opened for the first time."""
        file = self.gallery_file(key)
        known = self.known(key, file)
        if known is not None:
            return known, False
        return self.adopt(key, file, file.name), True

    def known(self, origin: str, file: Path) -> VideoRecord | None:
        """The video of a file that stays where it is, unless it was never opened or is another one now.

        origin   where it comes from: its key in the gallery, or of a project's video
        """
        found = self._records.videos(gallery=origin)
        return next((r for r in found if r.facts["bytes"] == file.stat().st_size), None)

    def adopt(self, origin: str, file: Path, name: str) -> VideoRecord:
        """Know a file, or a folder of pictures, as a video and leave it where it is."""
        return self._add(secrets.token_hex(8), file.resolve(), name, origin)

    # ── use ──────────────────────────────────────────────────────────────────────────────────────

    def open(self, record: VideoRecord) -> FrameSource:
        """Frames of a video, for one user alone."""
        if not Path(record.file).exists():
            raise Refusal("missing", f"the file of {record.facts['name']} is gone from the disk")
        # Exports and saved work know it by the name it came with.
        return self.frames_of(Path(record.file), str(record.facts["name"]), record.facts)

    def frames_of(self, file: Path, name: str, facts: Mapping[str, Any] | None = None) -> FrameSource:
        """Frames of a file, decoded in a process of its own; facts: what `inspect` found in it, if it did."""
        if self._settings.isolate and CAN_LIMIT:
            return LimitedSource(file, name, self._settings.limits, facts, self._side)
        source = open_source(file)
        source.name = name
        return source

    def shared(self, record: VideoRecord) -> SharedFrames:
        """`open` for somebody whose frames others may need at the same time."""
        return SharedFrames(self.open(record), record.id, self._recent)

    def remove(self, video_id: str) -> None:
        """Forget a video; its file goes too, unless it belongs to the gallery or a project."""
        record = self._records.video(video_id)
        self._recent.forget(video_id)
        self._records.drop_video(video_id)
        if record.uploaded:
            Path(record.file).unlink(missing_ok=True)


def video_json(record: VideoRecord) -> dict[str, Any]:
    values = asdict(record)
    return {"id": values["id"], **record.facts, "uploaded": record.uploaded, "created": values["created"]}


def used_bytes(folder: Path) -> int:
    """Bytes of all files below a folder."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(where, name)).st_size
            except OSError:  # gone in the meantime
                continue
    return total


async def _store(body: AsyncIterator[bytes], path: Path, most: int) -> bytes:
    """Write a stream to a file; returns its first bytes."""
    head, total = b"", 0
    with path.open("wb") as file:
        async for chunk in body:
            total += len(chunk)
            if total > most:
                raise Refusal("too_large", f"the file is larger than the {most} bytes this server takes")
            if len(head) < HEAD_BYTES:
                head += chunk[:HEAD_BYTES]
                if len(head) >= HEAD_BYTES:
                    suffix_of(head)  # what will be refused anyway need not be sent
            await asyncio.to_thread(file.write, chunk)
    if not total:
        raise VideoError("the upload is empty; choose a file with content")
    return head


def _clean(name: str) -> str:
    """A name for showing: no folders, no control characters."""
    last = re.split(r"[\\/]", name)[-1]
    return "".join(c for c in last if c.isprintable())[:LONGEST_NAME].strip() or "untitled"


def _key(name: Path) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()[:16]


def _kind(file: Path) -> str | None:
    """photo, video, or None for what is neither."""
    try:
        with file.open("rb") as opened:
            suffix = suffix_of(opened.read(HEAD_BYTES))
    except (OSError, VideoError):
        return None
    return "photo" if suffix in PHOTO_SUFFIXES else "video"
