"""Errors as clients see them: a code, a status and one line."""

from __future__ import annotations

from typing import Any

from masklet.errors import (
    ConfigError,
    MaskError,
    MaskletError,
    ProjectError,
    PromptError,
    SessionError,
    UnknownFrameError,
    UnknownObjectError,
    VideoError,
)

STATUS = {
    "prompt": 422,
    "mask": 422,
    "config": 422,
    "frame": 404,
    "object": 404,
    "missing": 404,
    "session": 409,
    "project": 409,
    "superseded": 409,
    "video": 415,
    "too_large": 413,
    "token": 401,
    "origin": 403,
    "rate": 429,
    "full": 503,
    "busy": 503,
    "draining": 503,
    "internal": 500,
}

RETRY_SECONDS = 5
"""When a refused client may try again."""

_CODES: tuple[tuple[type[MaskletError], str], ...] = (
    (PromptError, "prompt"),
    (MaskError, "mask"),
    (ConfigError, "config"),
    (UnknownFrameError, "frame"),
    (UnknownObjectError, "object"),
    (VideoError, "video"),
    (SessionError, "session"),
    (ProjectError, "project"),
)


class Refusal(MaskletError):
    """A request the server turns down for a reason of its own.

    code   one of STATUS
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def code_of(error: BaseException) -> str:
    """The code of an error; what nobody foresaw is `internal`."""
    if isinstance(error, Refusal):
        return error.code
    return next((code for kind, code in _CODES if isinstance(error, kind)), "internal")


def described(error: BaseException) -> dict[str, Any]:
    """What stands under "error" in an answer. An unforeseen error keeps its details to the log."""
    code = code_of(error)
    known = isinstance(error, MaskletError)
    message = " ".join(str(error).split()) if known else "the server failed; its log says why"
    return {"code": code, "message": message}
