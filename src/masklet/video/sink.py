"""What all outputs share, and the outputs that write no file: a callback, several at once."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeVar

from masklet.errors import SinkError
from masklet.types import Frame, FrameMasks
from masklet.video.protocol import MaskSink

log = logging.getLogger(__name__)

Self = TypeVar("Self", bound="Sink")


class Sink(ABC):
    """A MaskSink to use in a `with` block: leaving it, also by an error or Ctrl-C, completes the output.

    After an error in writing, the output is given up: nothing half-written is left under its name.
    """

    @abstractmethod
    def write(self, frame: Frame, masks: FrameMasks) -> None:
        """Add one frame; raises SinkError when it cannot be written."""

    @abstractmethod
    def close(self) -> None:
        """Complete the output; raises SinkError when it cannot. Closing again does nothing."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except SinkError as second:
            log.error("%s", second)  # the first error is the one to raise


class Callback(Sink):
    """Hands every frame and its masks to a function."""

    def __init__(self, function: Callable[[Frame, FrameMasks], object]) -> None:
        self._function = function

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        self._function(frame, masks)

    def close(self) -> None: ...


class Several(Sink):
    """Writes to several outputs at once. One that fails is left out and the others go on.

    Closing completes those that remain and then raises SinkError with every failure; when the last
    one fails, writing raises it at once. `failures` tells what failed so far, for showing while it runs.
    """

    def __init__(self, sinks: Iterable[MaskSink]) -> None:
        self._sinks = list(sinks)
        self.failures: list[Exception] = []
        self._closed = False

    def write(self, frame: Frame, masks: FrameMasks) -> None:
        for sink in list(self._sinks):
            try:
                sink.write(frame, masks)
            except Exception as error:
                self._leave_out(sink, error)
        if self.failures and not self._sinks:
            self._closed = True  # closing would say it again
            raise self._report()

    def close(self) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.close()
            except Exception as error:
                self._note(sink, error, alone=len(sinks) == 1)
        if self.failures and not self._closed:
            self._closed = True
            raise self._report()
        self._closed = True

    def _leave_out(self, sink: MaskSink, error: Exception) -> None:
        self._note(sink, error, alone=len(self._sinks) == 1)
        self._sinks.remove(sink)
        try:
            sink.close()
        except Exception as second:
            log.debug("closing the failed output %s: %s", type(sink).__name__, second)

    def _note(self, sink: MaskSink, error: Exception, *, alone: bool) -> None:
        """Keep an error; that of an output alone is raised at once and needs no line of its own."""
        if not alone:
            log.error("output %s failed, the others go on: %s", type(sink).__name__, error)
        self.failures.append(error)

    def _report(self) -> SinkError:
        report = SinkError("; ".join(str(f) or type(f).__name__ for f in self.failures))
        report.__cause__ = self.failures[0]
        return report
