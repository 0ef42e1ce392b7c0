"""The tables of a project. A change here needs a migration beside it (`migrations/versions`)."""

from __future__ import annotations

import sqlalchemy as sa

from masklet.annotate.records import DUTIES, ORIGINS, ROLES, STATUSES, VERDICTS

HEAD = "0001"
"""The newest migration."""

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def one_of(column: str, values: tuple[str, ...]) -> sa.CheckConstraint:
    """A column that takes only these texts."""
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


setting = sa.Table(
    "setting",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
)

person = sa.Table(
    "person",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("role", sa.String(16), nullable=False),
    one_of("role", ROLES),
)

video = sa.Table(
    "video",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(400), nullable=False, unique=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("frames", sa.Integer, nullable=False),
    sa.Column("rate", sa.Float, nullable=True),
    sa.Column("held_out", sa.Boolean, nullable=False),
)

checkpoint = sa.Table(
    "checkpoint",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # What `masklet.load` opens: a name or a path.
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("parent_id", sa.ForeignKey("checkpoint.id"), nullable=True),
    sa.Column("adopted", sa.Boolean, nullable=False),
    sa.Column("measured", sa.JSON, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.UniqueConstraint("model", "sha256"),
)

masklet = sa.Table(
    "masklet",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("video_id", sa.ForeignKey("video.id", ondelete="CASCADE"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("category", sa.String(200), nullable=False),
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("origin", sa.String(16), nullable=False),
    sa.Column("phase", sa.Integer, nullable=True),
    sa.Column("checkpoint_id", sa.ForeignKey("checkpoint.id"), nullable=True),
    sa.Column("doubt", sa.Float, nullable=False),
    sa.Column("rounds", sa.Integer, nullable=False),
    sa.Column("assignee_id", sa.ForeignKey("person.id"), nullable=True),
    sa.UniqueConstraint("video_id", "number"),
    one_of("status", STATUSES),
    one_of("origin", ORIGINS),
)

mask = sa.Table(
    "mask",
    metadata,
    sa.Column("masklet_id", sa.ForeignKey("masklet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("frame", sa.Integer, primary_key=True),
    # COCO RLE at the video's size.
    sa.Column("counts", sa.LargeBinary, nullable=False),
    sa.Column("area", sa.Integer, nullable=False),
    sa.Column("iou", sa.Float, nullable=True),
    sa.Column("occlusion", sa.Float, nullable=True),
    sa.Column("prompted", sa.Boolean, nullable=False),
)

prompt = sa.Table(
    "prompt",
    metadata,
    sa.Column("masklet_id", sa.ForeignKey("masklet.id", ondelete="CASCADE"), primary_key=True),
    # Prompts are kept in the order they were given: replaying them gives the same answers.
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("frame", sa.Integer, nullable=False),
    sa.Column("content", sa.JSON, nullable=False),
    sa.Column("person_id", sa.ForeignKey("person.id"), nullable=True),
    sa.Column("at", sa.Float, nullable=False),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    # Made by the writer, so that a write that is repeated after a lost connection counts once.
    sa.Column("key", sa.String(32), nullable=False, unique=True),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("masklet_id", sa.ForeignKey("masklet.id", ondelete="CASCADE"), nullable=True, index=True),
    sa.Column("person_id", sa.ForeignKey("person.id"), nullable=True),
    sa.Column("frame", sa.Integer, nullable=True),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("clicks", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("detail", sa.JSON, nullable=False),
)

lease = sa.Table(
    "lease",
    metadata,
    # The key is what keeps two people from holding one task.
    sa.Column("masklet_id", sa.ForeignKey("masklet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("duty", sa.String(16), nullable=False),
    sa.Column("person_id", sa.ForeignKey("person.id"), nullable=False),
    sa.Column("expires", sa.Float, nullable=False),
    one_of("duty", DUTIES),
)

review = sa.Table(
    "review",
    metadata,
    sa.Column("masklet_id", sa.ForeignKey("masklet.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("round", sa.Integer, primary_key=True),
    # A person judges a round once.
    sa.Column("person_id", sa.ForeignKey("person.id"), primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("reasons", sa.JSON, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    one_of("verdict", VERDICTS),
)
