"""The result file: one JSON document a measurement, complete enough to be cited and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import masklet
from masklet.errors import DataError
from masklet.evaluate.results import SequenceScore
from masklet.video.draft import Draft, writing

VERSION = 1


@dataclass(frozen=True)
class Document:
    """A measurement.

    kind        videos, interactive, images or score
    title       what was measured, in a few words
    protocol    the rules in sentences, so that no figure stands without them
    config      every setting the figures depend on
    summary     the figures, fractions 0 to 1
    scores      what they are made of
    origin      model with hashes, device, commit, machine, time
    """

    kind: str
    title: str
    protocol: tuple[str, ...]
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    scores: tuple[SequenceScore, ...]
    origin: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; a figure that does not exist is null."""
        return _plain(
            {
                "format": VERSION,
                "masklet": masklet.__version__,
                "kind": self.kind,
                "title": self.title,
                "protocol": list(self.protocol),
                "config": dict(self.config),
                "origin": dict(self.origin),
                "summary": dict(self.summary),
                "sequences": [score.to_row() for score in self.scores],
            }
        )


def write(path: str | Path, document: Document) -> None:
    """Write beside and rename; raises SinkError."""
    write_text(path, json.dumps(document.to_json(), indent=1, allow_nan=False))


def write_text(path: str | Path, text: str) -> None:
    """Write a text file beside and rename; raises SinkError."""
    draft = Draft(path)
    try:
        with writing(Path(path)):
            draft.path.write_text(text + "\n", encoding="utf-8")
    except BaseException:
        draft.discard()
        raise
    draft.commit()


def read(path: str | Path) -> Document:
    """Read a result file.

    raises   DataError when it is none
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return Document(
            kind=data["kind"],
            title=data["title"],
            protocol=tuple(data["protocol"]),
            config=data["config"],
            summary=data["summary"],
            scores=tuple(SequenceScore.from_row(row) for row in data["sequences"]),
            origin=data["origin"],
        )
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is no result of `masklet evaluate` ({error}); give its --json file"
        ) from error


def values(document: Document) -> dict[str, dict[str, float]]:
    """What two documents are compared by: sequence → item → value.

    Videos: J&F of each object. Pictures: IoU of each object at each prompt.
    """
    rows: dict[str, dict[str, float]] = {}
    for score in document.scores:
        if score.error is not None:
            continue
        if document.kind == "images":
            # By the picture's own name: its number depends on which pictures were chosen.
            details = score.details or {}
            rows[details.get("picture", score.name)] = {
                f"{row.get('object', number)}/{key}": float(value)
                for number, row in enumerate(details.get("objects", ()))
                for key, value in row.items()
                if key not in ("object", "area", "candidates")
            }
        else:
            rows[score.name] = {str(o.object_id): o.jf for o in score.objects if o.frames}
    return rows


def _plain(value: Any) -> Any:
    """NaN is no JSON: it becomes null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
