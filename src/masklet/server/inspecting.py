"""What a new file is: judged by its content, and looked through in a process that may die of it."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from masklet.errors import MaskletError, VideoError
from masklet.server.bounds import bind
from masklet.server.problems import Refusal
from masklet.server.settings import Limits

HEAD_BYTES = 512
"""How much of a file tells what it is."""

_BY_START = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"II*\x00", ".tif"),
    (b"MM\x00*", ".tif"),
    (b"GIF8", ".gif"),
    (b"\x1aE\xdf\xa3", ".mkv"),  # Matroska and WebM
    (b"OggS", ".ogv"),
    (b"FLV\x01", ".flv"),
    (b"\x00\x00\x01\xba", ".mpg"),
    (b"\x00\x00\x01\xb3", ".mpg"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ".wmv"),
)
_QUICKTIME_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
PHOTO_SUFFIXES = frozenset({".jpg", ".png", ".bmp", ".tif", ".webp", ".avif"})


def suffix_of(head: bytes) -> str:
    """The suffix that fits a file's first bytes; raises VideoError for what is neither video nor picture.

    Names are not asked: text that a decoder would follow to other files (playlists) is turned away here.
    """
    for start, suffix in _BY_START:
        if head.startswith(start):
            return suffix
    if head[4:12] == b"ftypavif":
        return ".avif"
    if head[4:8] in _QUICKTIME_BOXES:
        return ".mp4"
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WEBP"):
        return ".avi" if head[8:12] == b"AVI " else ".webp"
    if head[:1] == b"G" and (len(head) <= 188 or head[188:189] == b"G"):
        return ".ts"
    raise VideoError(
        "the file is neither a video nor a picture of a known kind; convert it to MP4, JPEG or PNG"
    )


def inspect(path: Path, limits: Limits, *, isolate: bool) -> dict[str, Any]:
    """Facts about a file that was just stored; raises VideoError or Refusal when it is not to be kept.

    isolate   look in a process of its own, with bounds on memory and time
    """
    return _in_process(path, limits) if isolate else facts_of(path, limits)


def most_pixels(limits: Limits, *, photo: bool) -> int:
    """How many pixels a frame may have; a photo is one alone and may be larger."""
    return limits.photo_pixels if photo else limits.pixels


def facts_of(path: Path, limits: Limits) -> dict[str, Any]:
    """Size, frames, rate and sound of a video or picture file; decodes its first frame.

    raises   VideoError when it can't be read; Refusal when it is larger than the limits allow
    """
    from masklet.video.folder import is_picture
    from masklet.video.source import open_source

    source, photo = open_source(path), is_picture(path)
    try:
        _check_size(photo, source.width * source.height, limits)  # before that much is decoded
        frames = len(source)
        source[0]
        times = getattr(source, "times", None)
        last = float(times[-1]) if times is not None else 0.0
        rate = source.rate
        facts = {
            "kind": "photo" if photo else "video",
            "width": source.width,
            "height": source.height,
            "frames": frames,
            "rate": None if rate is None else float(rate),
            "rate_exact": None if rate is None else str(rate),
            "duration": 0.0 if photo else round(last + (1 / float(rate) if rate else 0.0), 6),
            "bytes": path.stat().st_size,
            "sound": not photo and has_sound(path),
            "damage": getattr(source, "damage", None),
        }
    finally:
        source.close()
    _check_length(facts, limits)
    return facts


def has_sound(path: Path) -> bool:
    import av

    try:
        with av.open(str(path)) as container:
            return bool(container.streams.audio)
    except (av.FFmpegError, OSError):
        return False


def _check_size(photo: bool, pixels: int, limits: Limits) -> None:
    most = most_pixels(limits, photo=photo)
    if pixels > most:
        size = f"{math.ceil(pixels / 1e6)} megapixels"
        found = f"picture has {size}" if photo else f"video has {size} a frame"
        raise Refusal("too_large", f"the {found}; this server takes up to {most // 10**6}")


def _check_length(facts: dict[str, Any], limits: Limits) -> None:
    for what, value, most in (
        ("frames", facts["frames"], limits.frames),
        ("seconds", facts["duration"], limits.duration_s),
    ):
        if value > most:
            raise Refusal(
                "too_large",
                f"the video has {math.ceil(value)} {what}; this server takes up to {math.floor(most)}",
            )


def _in_process(path: Path, limits: Limits) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, str(path), json.dumps(asdict(limits))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=limits.probe_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise VideoError(f"the file takes longer than {limits.probe_s:g} s to look through") from error
    try:
        answer = json.loads(done.stdout)
    except ValueError as error:
        raise VideoError("the file brings the decoder down; re-encode it and try again") from error
    if "refused" in answer:
        raise Refusal(answer["code"], answer["refused"])
    if "error" in answer:
        raise VideoError(answer["error"])
    return answer


def _main(path: str, limits: str) -> None:
    from PIL import Image

    told = Limits(**json.loads(limits))
    bind(told.probe_bytes, int(told.probe_s))
    Image.MAX_IMAGE_PIXELS = None  # memory is bound, and the size is looked at before a pixel is decoded
    try:
        answer = facts_of(Path(path), told)
    except Refusal as error:
        answer = {"code": error.code, "refused": str(error)}
    except MaskletError as error:
        answer = {"error": without_place(str(error), Path(path), "the file")}
    except MemoryError:
        answer = {"error": "the file needs too much memory to decode"}
    sys.stdout.write(json.dumps(answer))


def without_place(message: str, path: Path, name: str) -> str:
    """A message about a file, by a name of its own: where it lies is the server's affair."""
    return message.replace(str(path), name).replace(path.name, name).replace(f"{path.parent}{os.sep}", "")


if __name__ == "__main__":
    _main(*sys.argv[1:])
