"""What a batch run is: where its outputs go, what tracks, and the limits it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from masklet.batch.manifest import Row
from masklet.batch.storage import Store
from masklet.errors import ConfigError
from masklet.model.registry import DEFAULT
from masklet.predict.segmenter import Segmenter

VERSION = 1
"""Of the outputs' layout and meaning; part of every row's key."""

Status = Literal["done", "damaged", "failed", "refused"]
"""damaged: the video breaks off, and the masks before it are there."""

KEPT: tuple[Status, ...] = ("done", "damaged")
"""Rows that are not done again: another run would find the same."""


@dataclass(frozen=True)
class ModelSpec:
    """How a worker opens its model.

    loader   `module:function` called with (model, device=…, input_size=…); it gives a Segmenter
    """

    model: str = DEFAULT
    device: str | None = None
    input_size: int | None = None
    loader: str = "masklet.loading:load"

    def load(self) -> Segmenter:
        """Open it; raises what the loader raises, or ConfigError when there is no such loader."""
        module, _, function = self.loader.partition(":")
        try:
            load: Any = getattr(import_module(module), function)
        except (ImportError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"loader {self.loader!r} cannot be found ({error}); give module:function"
            ) from error
        return load(self.model, device=self.device, input_size=self.input_size)


@dataclass(frozen=True)
class Job:
    """A run over a manifest; it goes to every worker."""

    out: Store
    """Folder of the outputs."""
    model: ModelSpec = ModelSpec()
    chunk: int = 256
    """Most frames tracked between two handings-over of the session; masks depend on it a little."""
    time_limit: float | None = None
    """Most seconds a row may take; None: any time."""
    retries: int = 1
    """How often a row is tried again after its worker process died."""

    def __post_init__(self) -> None:
        for name, least in (("chunk", 1), ("retries", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.time_limit is not None and not self.time_limit > 0:
            raise ConfigError(f"the time limit is {self.time_limit} s; it must be above 0")

    def key(self, row: Row) -> str:
        """The name of a row's outputs: of what it says and of what its masks depend on."""
        model = self.model
        settings = {"model": model.model, "input_size": model.input_size, "loader": model.loader}
        return row.key({"version": VERSION, "chunk": self.chunk, **settings})
