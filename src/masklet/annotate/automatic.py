"""Automatic masklets: the model finds and follows everything in a video; people verify it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from masklet.annotate import journal, masklets
from masklet.annotate.masklets import Kept, doubt_of
from masklet.annotate.project import Project
from masklet.annotate.records import Entry
from masklet.errors import DamagedVideoError
from masklet.predict.automatic_video import OnStep, VideoAutomaticOptions, masklet_iou, segment_video
from masklet.predict.segmenter import Segmenter


def fill(
    project: Project,
    video: str,
    segmenter: Segmenter,
    *,
    model: str | None = None,
    options: VideoAutomaticOptions | None = None,
    on_step: OnStep = lambda what, done, total: None,
    stopped: Callable[[], bool] = lambda: False,
    on_damage: Callable[[DamagedVideoError], None] | None = None,
) -> tuple[Entry, ...] | None:
    """Put everything that is found in a video into the project, waiting for verification.

    What a masklet of the project shows already (same as `options.same`) is left out, so this may be
    repeated, with another model for example. Rejected masklets count too: nobody is asked twice.
    model      name or path that `segmenter` was opened by
    stopped    asked all the time; once it is True nothing is added, and None is returned: a video searched
               in part would look done
    on_damage  told when the video breaks off; what was found before counts. Without it the error is raised
    """
    options = options or VideoAutomaticOptions()
    owner = project.video(video)
    with closing(project.source(owner)) as source:
        found = segment_video(
            segmenter.engine, source, options, on_step=on_step, stopped=stopped, on_damage=on_damage
        )
    if stopped():
        return None
    known = [
        {t: kept.mask for t, kept in masklets.masks(project, entry.id).items()}
        for entry in masklets.find(project, video=video)
    ]
    made_by = journal.checkpoint(project, model or project.model)
    made = []
    for one in found:
        if any(masklet_iou(one.masks, other) > options.same for other in known):
            continue
        kept = {
            t: Kept(mask, one.iou[t], one.occlusion[t], prompted=t == one.key)
            for t, mask in one.masks.items()
        }
        entry = masklets.add(
            project,
            video,
            origin="automatic",
            status="submitted",
            checkpoint=made_by,
            doubt=doubt_of((k.iou, k.occlusion, k.prompted) for k in kept.values()),
            masks=kept,
        )
        journal.record(project, "automatic", masklet=entry.id, frame=one.key)
        made.append(entry)
    return tuple(made)
