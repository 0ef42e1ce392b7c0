"""What a server allows and where it keeps things."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from masklet.errors import ConfigError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Limits:
    """Bounds that keep one user, or one hostile file, from taking the server away from the others."""

    upload_bytes: int = 4 * 2**30
    """Largest file that is taken."""
    store_bytes: int = 64 * 2**30
    """Most bytes the store may hold, uploads, work and exports together."""
    duration_s: float = 4 * 3600
    """Longest video, in seconds."""
    frames: int = 500_000
    """Most frames of a video."""
    pixels: int = 8192 * 4320
    """Most pixels of a video's frame."""
    photo_pixels: int = 64_000_000
    """Most pixels of a photo: what phones take at most."""
    sessions: int = 1000
    """Most sessions kept in the store."""
    live: int = 32
    """Most sessions in memory at once; an idle one makes room for another."""
    objects: int = 64
    """Most objects of a session."""
    exports: int = 64
    """Most exports that wait or run at once."""
    questions: int = 32
    """Most questions of one session that may wait for the model."""
    idle_s: float = 900
    """Seconds without use after which a session leaves memory; its work stays on disk."""
    rate: float = 200
    """Requests a second one address may send for longer; twenty times that in a burst."""
    probe_s: float = 120
    """Seconds a new file may take to be looked through, and a decoder to open it again."""
    frame_s: float = 30
    """Seconds a decoder may take over one frame."""
    decoder_idle_s: float = 300
    """Seconds without a question after which a decoder's process ends; the next question starts another."""
    probe_bytes: int = 4 * 2**30
    """Address space of a process that looks through a new file, or decodes one."""

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise ConfigError(f"limit {name} is {getattr(self, name)}; it must be more than 0")


@dataclass(frozen=True)
class Settings:
    """One server.

    store     folder of the database, uploads, work and exports; made when it is not there
    gallery   folder whose videos and pictures everybody may open, or None
    projects  folders of annotation projects, in which people annotate and review here
    model     name or path that the models are opened by: projects note what drew their masks. None: its own
    host, port   where it listens
    token     what a client must show; needed when the host is not this machine alone
    origins   other sites whose pages may use the server ("https://studio.example.org")
    isolate   look through new files, and decode all of them, in processes of their own
    sagemaker   answer /invocations without a token, and fetch what its requests name
    checkpoint_s   seconds of tracking after which the masks are saved
    """

    store: Path
    gallery: Path | None = None
    projects: tuple[Path, ...] = ()
    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    token: str | None = None
    origins: tuple[str, ...] = ()
    isolate: bool = True
    sagemaker: bool = False
    checkpoint_s: float = 20
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK and not (self.token or self.sagemaker):
            raise ConfigError(
                f"host {self.host} can be reached by others; give a --token they must show, or use 127.0.0.1"
            )
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port {self.port} must lie between 0 and 65535")
        for origin in self.origins:
            parts = urlsplit(origin)
            whole = parts.scheme in ("http", "https") and parts.netloc
            if not whole or origin != f"{parts.scheme}://{parts.netloc}":
                raise ConfigError(
                    f"origin {origin!r} must look like https://studio.example.org, without a path"
                )
        if self.gallery is not None and not self.gallery.is_dir():
            raise ConfigError(f"the gallery {self.gallery} is not a folder; give one that is there")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in LOOPBACK
