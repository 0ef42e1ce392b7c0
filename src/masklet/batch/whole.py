"""A whole row in one process: fetched, opened, and tracked step by step from where it was left."""

from __future__ import annotations

from contextlib import closing

from masklet.batch.ledger import Result, RowFiles
from masklet.batch.steps import steps_of
from masklet.batch.track import check_prompts, track_step
from masklet.errors import MaskletError
from masklet.predict.segmenter import Segmenter


def work(files: RowFiles, model: Segmenter) -> Result:
    """Do what is left of a row; its result is stored. A row that cannot be done is a result too."""
    earlier = files.result()
    if earlier is not None:
        return earlier
    try:
        return files.finish(_track(files, model))
    except MaskletError as error:
        return files.fail(str(error))
    except MemoryError:
        return files.fail("out of memory; give fewer objects, a smaller chunk, or fewer workers")
    except Exception as error:
        # One row must not cost the others.
        return files.fail(f"unexpected {type(error).__name__}: {error}")


def _track(files: RowFiles, model: Segmenter) -> str | None:
    """Every step that is not done yet; returns how the video broke off, if it did."""
    from masklet.batch.storage import fetched
    from masklet.video.source import open_source

    row, job = files.row, files.job
    with fetched(row.video) as path, closing(open_source(path)) as source:
        check_prompts(row, source)
        steps = steps_of(row, len(source), job.chunk)
        damage = files.damage()  # of a run that was killed right then
        for step in steps[files.steps_done() :] if damage is None else ():
            with files.sessions(step.number, last=step.last) as (taken, handed):
                part = track_step(model, source, row, step, taken, handed)
            files.store_part(step.number, part.to_bytes())
            if part.damage is not None:
                return part.damage
    return damage
