"""A run over a manifest: what is done already, what an engine does, and the list of results at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from masklet.batch.job import Job
from masklet.batch.ledger import Result, RowFiles, in_order, refused
from masklet.batch.manifest import Refusal, Row

Engine = Callable[[Sequence[Row], Job, threading.Event], Iterator[Result]]
"""Does rows: gives each one's result as it is done, and ends early when the event is set."""


def run_batch(
    rows: Sequence[Row], refusals: Sequence[Refusal], job: Job, engine: Engine, stop: threading.Event
) -> Iterator[Result]:
    """Results of all lines: first the refused ones and those of earlier runs, then as they are done.

    Lines that say the same are done once. However it ends, results.jsonl has every result there is.
    """
    results: dict[int, Result] = {}
    lines: dict[str, list[Row]] = {}
    for row in rows:
        lines.setdefault(job.key(row), []).append(row)

    def of_lines(result: Result) -> Iterator[Result]:
        for row in lines[result["key"]]:
            results[row.line] = {**result, "line": row.line, "id": row.label}
            yield results[row.line]

    try:
        for one in refusals:
            results[one.line] = refused(one.line, one.error, one.video, one.label)
            yield results[one.line]
        left = []
        for key, same in lines.items():
            files = RowFiles(job, same[0], key)
            earlier = files.result()
            if earlier is not None:
                yield from of_lines(earlier)
            else:
                files.forget_failure()
                left.append(same[0])
        for result in engine(left, job, stop):
            yield from of_lines(result)
    finally:
        if results:
            job.out.write("results.jsonl", in_order(results))
