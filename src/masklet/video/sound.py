"""A video's sound, put beside new pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from masklet.errors import SinkError, VideoError
from masklet.video.draft import Draft, unwritable

if TYPE_CHECKING:
    from av import Packet

KEPT_CODECS = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})
"""What an MP4 holds as it is; other sound becomes AAC."""


def with_sound(
    pictures: str | os.PathLike[str],
    original: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    start: Fraction | float = 0,
) -> bool:
    """Write an MP4 of the pictures of one file and the sound of another; False when that one has none.

    start   seconds into the original at which the pictures begin; sound lasts as long as they do

    raises VideoError when the original cannot be read, SinkError when the target cannot be written
    """
    import av

    try:
        heard = av.open(os.fspath(original))
    except (av.FFmpegError, OSError) as error:
        raise VideoError(f"{original} cannot be opened for its sound: {error}") from error
    with closing(heard):
        if not heard.streams.audio:
            return False
        draft = Draft(target)
        try:
            with av.open(os.fspath(pictures)) as seen, av.open(str(draft.path), "w", format="mp4") as out:
                _write(seen, heard, out, Fraction(start))
        except (av.FFmpegError, OSError) as error:
            draft.discard()
            if isinstance(error, OSError) and not isinstance(error, av.FFmpegError):
                raise unwritable(Path(target), error) from error
            raise SinkError(f"cannot put the sound into {target}: {error}") from error
        except BaseException:
            draft.discard()
            raise
    draft.commit()
    return True


def _write(seen: Any, heard: Any, out: Any, start: Fraction) -> None:
    video = seen.streams.video[0]
    audio = heard.streams.audio[0]
    video_out = out.add_stream_from_template(video)
    kept = audio.codec_context.name in KEPT_CODECS
    audio_out = (
        out.add_stream_from_template(audio) if kept else out.add_stream("aac", rate=audio.rate or 48000)
    )
    # A film's own clock may not begin at 0; frame 0 is where its pictures begin.
    origin = Fraction(0)
    if heard.streams.video and heard.streams.video[0].start_time is not None:
        first = heard.streams.video[0]
        origin = first.start_time * first.time_base
    length = seen.duration * Fraction(1, 1_000_000) if seen.duration else None
    for packet in seen.demux(video):
        if packet.dts is not None:
            packet.stream = video_out
            out.mux(packet)
    sound = (
        _copied(heard, audio, origin + start, length)
        if kept
        else _encoded(heard, audio, audio_out, origin + start, length)
    )
    for packet in sound:
        packet.stream = audio_out
        out.mux(packet)


def _copied(heard: Any, audio: Any, begin: Fraction, length: Fraction | None) -> Iterator[Packet]:
    """The sound's packets from `begin` on, as they are, on a clock that begins there."""
    shift = round(begin / audio.time_base)
    for packet in heard.demux(audio):
        if packet.dts is None or packet.pts is None:
            continue
        packet.pts -= shift
        packet.dts -= shift
        if packet.pts < 0:
            continue
        if length is not None and packet.pts * audio.time_base >= length:
            return
        yield packet


def _encoded(
    heard: Any, audio: Any, audio_out: Any, begin: Fraction, length: Fraction | None
) -> Iterator[Packet]:
    """The sound from `begin` on as AAC."""
    for frame in heard.decode(audio):
        if frame.pts is None:
            continue
        time = frame.pts * frame.time_base - begin
        if time < 0:
            continue
        if length is not None and time >= length:
            break
        frame.pts = round(time / frame.time_base)
        yield from audio_out.encode(frame)
    yield from audio_out.encode(None)
