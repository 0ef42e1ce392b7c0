"""Outputs are looked at before any work is done: an hour's masks must have a place to go to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from masklet.errors import ConfigError


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path]) -> None:
    """Raise unless every output can be written and none would destroy an input.

    outputs   files, or folders (one that exists, or a name without a suffix); None is one not asked for
    raises    ConfigError for an output that is an input, SinkError for one that cannot be written
    """
    from masklet.video.draft import Draft, check_parent

    given = list(inputs)
    for output in outputs:
        if output is None:
            continue
        for path in given:
            if output.exists() and path.exists() and output.samefile(path):
                raise ConfigError(
                    f"the output {output} is an input too and would be lost; name another output"
                )
        if output.is_dir() or not output.suffix:
            check_parent(output)
        elif output.is_file() or not output.exists():  # a pipe would take the trial for the end
            Draft(output).discard()
