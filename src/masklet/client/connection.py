"""A model that is somewhere else."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from masklet.client.frames import RemoteFrames
from masklet.client.prompts import candidates_of, prompt_body
from masklet.client.session import RemoteSession
from masklet.client.transport import ServerError, Transport
from masklet.predict.segmenter import Picture, load_picture
from masklet.types import Box, Click, Mask

_log = logging.getLogger(__name__)


def connect(url: str = "http://127.0.0.1:7860", token: str | None = None) -> RemoteSegmenter:
    """A server's model, to be used like a loaded one: `.image(…)` and `.video(…)`.

    url     as `masklet serve` prints it
    token   the server's, if it asks for one
    raises  ServerError when it does not answer; MissingExtraError without the extra `server`
    """
    transport = Transport(url, token)
    try:
        return RemoteSegmenter(transport, transport.call("GET", "/api/info"))
    except BaseException:
        transport.close()
        raise


class RemoteSegmenter:
    """A model on a server. Use it in a `with` block, or close it; pictures still open there go with it.

    info   what the server says of itself: version, model, device, limits …
    """

    def __init__(self, transport: Transport, info: dict[str, Any]) -> None:
        self.info = info
        self._transport = transport
        self._pictures: set[str] = set()

    def __repr__(self) -> str:
        return f"RemoteSegmenter({self.info['model']} on {self._transport.url})"

    def video(self, video: str | os.PathLike[str], *, name: str | None = None) -> RemoteSession:
        """Send a video or photo file, and open a session on it. The file's frames are read here."""
        from masklet.video.source import open_source

        path = Path(video).expanduser()
        source = open_source(path)  # tells in one line what is wrong with a file before it is sent
        sent = self._transport.upload(path)
        return RemoteSession(self._transport, self._session(sent["id"], name), source)

    def open(self, video_id: str, *, name: str | None = None) -> RemoteSession:
        """Open a session on a video that the server has (see `videos`)."""
        return self._remote(self._session(video_id, name))

    def resume(self, session_id: str) -> RemoteSession:
        """Go on with a session that the server keeps (see `sessions`)."""
        return self._remote(self._transport.call("GET", f"/api/sessions/{session_id}"))

    def videos(self) -> list[dict[str, Any]]:
        """The server's videos, newest first."""
        return self._transport.call("GET", "/api/videos")["videos"]

    def sessions(self, video_id: str | None = None) -> list[dict[str, Any]]:
        """The sessions it keeps, last used first."""
        return self._transport.call("GET", "/api/sessions", video=video_id)["sessions"]

    def image(self, picture: Picture) -> RemoteImage:
        """Send a picture to ask about; there it has its file's name."""
        from PIL import Image

        array = load_picture(picture)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "picture.png"
            Image.fromarray(array).save(path, compress_level=1)
            named = Path(picture).name if isinstance(picture, (str, os.PathLike)) else path.name
            sent = self._transport.upload(path, named)
        self._pictures.add(sent["id"])
        state = self._session(sent["id"], None)
        height, width = array.shape[:2]
        return RemoteImage(self._transport, sent["id"], state["id"], width, height, self._pictures)

    def close(self) -> None:
        """Delete the pictures that are still open there, and end the connection."""
        while self._pictures:
            try:
                self._transport.call("DELETE", f"/api/videos/{self._pictures.pop()}")
            except ServerError as error:  # what was asked for is done all the same
                if error.code != "missing":
                    _log.warning("a picture was left on the server: %s", error)
        self._transport.close()

    def __enter__(self) -> RemoteSegmenter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _session(self, video_id: str, name: str | None) -> dict[str, Any]:
        body = {"video": video_id} if name is None else {"video": video_id, "name": name}
        return self._transport.call("POST", "/api/sessions", body)

    def _remote(self, state: dict[str, Any]) -> RemoteSession:
        return RemoteSession(self._transport, state, RemoteFrames(self._transport, state["video"]))


@dataclass(frozen=True)
class RemoteSegmentation:
    """The answer to one prompt, candidates best first. iou: predicted IoU of each, 0 to 1."""

    masks: tuple[Mask, ...]
    iou: tuple[float, ...]
    occlusion: float

    @property
    def best(self) -> Mask:
        return self.masks[0]

    def __len__(self) -> int:
        return len(self.masks)


class RemoteImage:
    """One picture on a server, encoded once, for any number of questions. Closing deletes it there."""

    def __init__(
        self, transport: Transport, video: str, session: str, width: int, height: int, opened: set[str]
    ) -> None:
        self.width, self.height = width, height
        self._transport = transport
        self._video = video
        self._session = session
        self._opened = opened

    def segment(
        self,
        *,
        clicks: Iterable[Click | Sequence[Any]] = (),
        box: Box | Sequence[float] | None = None,
        mask: Mask | np.ndarray | None = None,
    ) -> RemoteSegmentation:
        """Masks of one object: three for a single click, else one."""
        body = prompt_body(0, 1, clicks, box, mask)
        answer = self._transport.call("POST", f"/api/sessions/{self._session}/preview", body)
        masks, iou = candidates_of(answer)
        order = np.argsort(-np.array(iou), kind="stable")
        return RemoteSegmentation(
            tuple(masks[k] for k in order), tuple(iou[k] for k in order), answer["occlusion"]
        )

    def close(self) -> None:
        if self._video in self._opened:
            self._transport.call("DELETE", f"/api/videos/{self._video}")
            self._opened.discard(self._video)

    def __enter__(self) -> RemoteImage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
