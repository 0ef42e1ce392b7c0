"""Masklets in the store: making them, their masks and prompts, finding them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from masklet.annotate import schema
from masklet.annotate.project import Project
from masklet.annotate.records import ORIGINS, STATUSES, Entry
from masklet.errors import ConfigError, ProjectError
from masklet.types import Box, Click, Mask, Prompt


@dataclass(frozen=True)
class Kept:
    """A mask in the store.

    iou         predicted IoU, 0 to 1, where a model made it
    occlusion   occlusion score; > 0 is visible
    """

    mask: Mask
    iou: float | None = None
    occlusion: float | None = None
    prompted: bool = False


def add(
    project: Project,
    video: str,
    *,
    number: int | None = None,
    category: str = "object",
    origin: str = "manual",
    status: str = "open",
    phase: int | None = None,
    checkpoint: int | None = None,
    doubt: float = 0.0,
    masks: Mapping[int, Kept] | None = None,
) -> Entry:
    """Add a masklet with its masks, all at once.

    number   the object's id in the video; None takes the next free one
    raises   ProjectError when the number is taken or a mask has another size than the video
    """
    for what, value, allowed in (("origin", origin, ORIGINS), ("status", status, STATUSES)):
        if value not in allowed:
            raise ConfigError(f"{what} {value!r} is unknown; give {', '.join(allowed)}")
    owner = project.video(video)
    masks = masks or {}
    _check_masks(masks, owner.width, owner.height, owner.frames, video)
    table = schema.masklet

    def insert(connection: Connection) -> int:
        given = number
        if given is None:
            top = sa.select(sa.func.max(table.c.number)).where(table.c.video_id == owner.id)
            given = (connection.execute(top).scalar() or 0) + 1
        row = connection.execute(
            sa.insert(table).values(
                video_id=owner.id,
                number=given,
                category=category,
                status=status,
                origin=origin,
                phase=phase,
                checkpoint_id=checkpoint,
                doubt=doubt,
                rounds=1 if status != "open" else 0,
                assignee_id=None,
            )
        )
        assert row.inserted_primary_key is not None
        masklet_id = int(row.inserted_primary_key[0])
        write_masks(connection, masklet_id, masks)
        return masklet_id

    for attempt in range(5):
        try:
            return get(project, project.database.write(insert))
        except sa.exc.IntegrityError as error:
            # Two people may take the same free number in one moment; the next one is free again.
            if number is not None or attempt == 4:
                raise ProjectError(
                    f"object {number} of {video} is there already; give another number"
                ) from error
    raise AssertionError("unreachable")


def remove(project: Project, masklet_id: int) -> None:
    """Take a masklet out, with its masks, prompts and history."""
    gone = sa.delete(schema.masklet).where(schema.masklet.c.id == masklet_id)
    project.database.write(lambda c: c.execute(gone) and None)


def get(project: Project, masklet_id: int) -> Entry:
    """A masklet by its id; raises ProjectError when there is none."""
    found = find(project, ids=[masklet_id])
    if not found:
        raise ProjectError(
            f"masklet {masklet_id} does not exist; see `masklet annotate {project.folder} status`"
        )
    return found[0]


def find(
    project: Project,
    *,
    ids: Sequence[int] | None = None,
    video: str | None = None,
    status: Iterable[str] | None = None,
) -> tuple[Entry, ...]:
    """Masklets in the order they were made, those that fit."""
    query = entries()
    if ids is not None:
        query = query.where(schema.masklet.c.id.in_(list(ids)))
    if video is not None:
        query = query.where(schema.video.c.name == video)
    if status is not None:
        query = query.where(schema.masklet.c.status.in_(list(status)))
    rows = project.database.read(lambda c: c.execute(query.order_by(schema.masklet.c.id)).all())
    return tuple(entry_of(row) for row in rows)


def entries() -> sa.Select[Any]:
    """The query behind Entry; its rows go through `entry_of`."""
    table = schema.masklet
    return (
        sa.select(
            table,
            schema.video.c.name.label("video"),
            schema.person.c.name.label("assignee"),
            schema.checkpoint.c.model.label("model"),
            schema.checkpoint.c.sha256.label("sha256"),
        )
        .join(schema.video, schema.video.c.id == table.c.video_id)
        .outerjoin(schema.person, schema.person.c.id == table.c.assignee_id)
        .outerjoin(schema.checkpoint, schema.checkpoint.c.id == table.c.checkpoint_id)
    )


def entry_of(row: Any) -> Entry:
    return Entry(
        id=row.id,
        video=row.video,
        number=row.number,
        category=row.category,
        status=row.status,
        origin=row.origin,
        phase=row.phase,
        checkpoint=None if row.model is None else f"{row.model} sha256:{row.sha256[:12]}",
        doubt=row.doubt,
        rounds=row.rounds,
        assignee=row.assignee,
    )


def masks(project: Project, masklet_id: int, frames: range | None = None) -> dict[int, Kept]:
    """Frame → mask, sorted; frames nobody looked at are missing, an empty mask says "not here".

    frames   those asked for, one after another; None for all
    """
    table = schema.mask
    query = (
        sa.select(table, schema.video.c.height, schema.video.c.width)
        .join(schema.masklet, schema.masklet.c.id == table.c.masklet_id)
        .join(schema.video, schema.video.c.id == schema.masklet.c.video_id)
        .where(table.c.masklet_id == masklet_id)
        .order_by(table.c.frame)
    )
    if frames is not None:
        query = query.where(table.c.frame >= frames.start, table.c.frame < frames.stop)
    rows = project.database.read(lambda c: c.execute(query).all())
    return {
        r.frame: Kept(Mask(bytes(r.counts), r.height, r.width), r.iou, r.occlusion, r.prompted) for r in rows
    }


def put_masks(
    project: Project,
    masklet_id: int,
    found: Mapping[int, Kept],
    *,
    checkpoint: int | None = None,
    guard: Callable[[Connection], None] = lambda _: None,
) -> None:
    """Write masks over those of their frames.

    checkpoint   that made them
    guard        called first, in the same transaction; what it raises stops the writing
    """

    def write(connection: Connection) -> None:
        guard(connection)
        store_masks(connection, masklet_id, found, checkpoint)

    project.database.write(write)


def doubt_of(scores: Iterable[tuple[float | None, float | None, bool]]) -> float:
    """How little the model trusts a masklet, 0 to 1: half its mean, half its worst frame.

    scores   (predicted IoU, occlusion score, whether the frame was prompted) of each frame. A prompted frame
             was seen by a person. Where the object is thought hidden, the doubt is how near that was to
             "visible".
    """
    doubts = []
    for iou, occlusion, prompted in scores:
        if iou is None or prompted:
            continue
        hidden = occlusion is not None and occlusion <= 0
        doubts.append(max(0.0, 1 + (occlusion or 0.0) / 4) if hidden else 1 - min(max(iou, 0.0), 1.0))
    if not doubts:
        return 0.0
    return (sum(doubts) / len(doubts) + max(doubts)) / 2


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────


def prompts(project: Project, masklet_id: int) -> list[tuple[int, Prompt]]:
    """(frame, prompt) in the order they were given."""
    table = schema.prompt
    query = sa.select(table).where(table.c.masklet_id == masklet_id).order_by(table.c.step)
    rows = project.database.read(lambda c: c.execute(query).all())
    return [(row.frame, prompt_from(row.content)) for row in rows]


def prompt_to(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON."""
    if prompt.mask is not None:
        mask = prompt.mask
        return {"mask": {"size": [mask.height, mask.width], "counts": mask.counts.decode("ascii")}}
    content: dict[str, Any] = {"clicks": [[c.x, c.y, c.positive] for c in prompt.clicks]}
    if prompt.box is not None:
        content["box"] = list(prompt.box.corners)
    return content


def prompt_from(content: Mapping[str, Any]) -> Prompt:
    if "mask" in content:
        height, width = content["mask"]["size"]
        return Prompt(mask=Mask(content["mask"]["counts"].encode("ascii"), height, width))
    box = Box(*content["box"]) if "box" in content else None
    return Prompt(tuple(Click(*click) for click in content["clicks"]), box)


# ── inside a transaction ─────────────────────────────────────────────────────────────────────────


def write_masks(connection: Connection, masklet_id: int, found: Mapping[int, Kept]) -> None:
    """Masks over those of their frames."""
    if not found:
        return
    table = schema.mask
    frames = list(found)
    for start in range(0, len(frames), 500):
        part = frames[start : start + 500]
        connection.execute(sa.delete(table).where(table.c.masklet_id == masklet_id, table.c.frame.in_(part)))
        connection.execute(
            sa.insert(table),
            [
                {
                    "masklet_id": masklet_id,
                    "frame": frame,
                    "counts": found[frame].mask.counts,
                    "area": found[frame].mask.area,
                    "iou": found[frame].iou,
                    "occlusion": found[frame].occlusion,
                    "prompted": found[frame].prompted,
                }
                for frame in part
            ],
        )


def store_masks(
    connection: Connection, masklet_id: int, found: Mapping[int, Kept], checkpoint: int | None
) -> None:
    """Masks over those of their frames, with what made them, and the doubt that follows."""
    write_masks(connection, masklet_id, found)
    change: dict[str, Any] = {}
    if checkpoint is not None:
        change["checkpoint_id"] = checkpoint
    if (doubt := _stored_doubt(connection, masklet_id)) is not None:
        change["doubt"] = doubt
    if change:
        row = sa.update(schema.masklet).where(schema.masklet.c.id == masklet_id)
        connection.execute(row.values(**change))


def _stored_doubt(connection: Connection, masklet_id: int) -> float | None:
    """None when no model said anything about the masklet."""
    table = schema.mask
    query = sa.select(table.c.iou, table.c.occlusion, table.c.prompted).where(
        table.c.masklet_id == masklet_id
    )
    rows = connection.execute(query).all()
    if all(row.iou is None for row in rows):
        return None
    return doubt_of((row.iou, row.occlusion, row.prompted) for row in rows)


def _check_masks(masks: Mapping[int, Kept], width: int, height: int, frames: int, video: str) -> None:
    for frame, kept in masks.items():
        if not 0 <= frame < frames:
            raise ProjectError(f"frame {frame} is outside video {video} (0–{frames - 1})")
        if (kept.mask.width, kept.mask.height) != (width, height):
            raise ProjectError(
                f"frame {frame}: the mask is {kept.mask.width}×{kept.mask.height}, video {video} is "
                f"{width}×{height}; give masks of the video's size"
            )
