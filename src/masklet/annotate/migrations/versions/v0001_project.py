"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "setting",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_setting"),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.CheckConstraint("role IN ('annotator', 'reviewer', 'admin')", name="ck_person_role"),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("name", name="uq_person_name"),
    )
    op.create_table(
        "video",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("name", sa.String(400), nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("frames", sa.Integer, nullable=False),
        sa.Column("rate", sa.Float),
        sa.Column("held_out", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_video"),
        sa.UniqueConstraint("name", name="uq_video_name"),
    )
    op.create_table(
        "checkpoint",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("parent_id", sa.Integer),
        sa.Column("adopted", sa.Boolean, nullable=False),
        sa.Column("measured", sa.JSON, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(["parent_id"], ["checkpoint.id"], name="fk_checkpoint_parent_id"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoint"),
        sa.UniqueConstraint("model", "sha256", name="uq_checkpoint_model"),
    )
    _create_masklet()
    _create_contents()
    _create_work()


def _create_masklet() -> None:
    op.create_table(
        "masklet",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("video_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("category", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("phase", sa.Integer),
        sa.Column("checkpoint_id", sa.Integer),
        sa.Column("doubt", sa.Float, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("assignee_id", sa.Integer),
        sa.CheckConstraint(
            "status IN ('open', 'submitted', 'satisfactory', 'unsatisfactory', 'rejected')",
            name="ck_masklet_status",
        ),
        sa.CheckConstraint("origin IN ('manual', 'automatic', 'imported')", name="ck_masklet_origin"),
        sa.ForeignKeyConstraint(["video_id"], ["video.id"], name="fk_masklet_video_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoint.id"], name="fk_masklet_checkpoint_id"),
        sa.ForeignKeyConstraint(["assignee_id"], ["person.id"], name="fk_masklet_assignee_id"),
        sa.PrimaryKeyConstraint("id", name="pk_masklet"),
        sa.UniqueConstraint("video_id", "number", name="uq_masklet_video_id"),
    )
    op.create_index("ix_masklet_status", "masklet", ["status"])


def _create_contents() -> None:
    op.create_table(
        "mask",
        sa.Column("masklet_id", sa.Integer, nullable=False),
        sa.Column("frame", sa.Integer, nullable=False),
        sa.Column("counts", sa.LargeBinary, nullable=False),
        sa.Column("area", sa.Integer, nullable=False),
        sa.Column("iou", sa.Float),
        sa.Column("occlusion", sa.Float),
        sa.Column("prompted", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(
            ["masklet_id"], ["masklet.id"], name="fk_mask_masklet_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("masklet_id", "frame", name="pk_mask"),
    )
    op.create_table(
        "prompt",
        sa.Column("masklet_id", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("frame", sa.Integer, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
        sa.Column("person_id", sa.Integer),
        sa.Column("at", sa.Float, nullable=False),
        sa.ForeignKeyConstraint(
            ["masklet_id"], ["masklet.id"], name="fk_prompt_masklet_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_prompt_person_id"),
        sa.PrimaryKeyConstraint("masklet_id", "step", name="pk_prompt"),
    )


def _create_work() -> None:
    op.create_table(
        "event",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("key", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("masklet_id", sa.Integer),
        sa.Column("person_id", sa.Integer),
        sa.Column("frame", sa.Integer),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("clicks", sa.Integer, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("detail", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["masklet_id"], ["masklet.id"], name="fk_event_masklet_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_event_person_id"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sa.UniqueConstraint("key", name="uq_event_key"),
    )
    op.create_index("ix_event_masklet_id", "event", ["masklet_id"])
    op.create_table(
        "lease",
        sa.Column("masklet_id", sa.Integer, nullable=False),
        sa.Column("duty", sa.String(16), nullable=False),
        sa.Column("person_id", sa.Integer, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
        sa.CheckConstraint("duty IN ('annotate', 'verify')", name="ck_lease_duty"),
        sa.ForeignKeyConstraint(
            ["masklet_id"], ["masklet.id"], name="fk_lease_masklet_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_lease_person_id"),
        sa.PrimaryKeyConstraint("masklet_id", name="pk_lease"),
    )
    op.create_table(
        "review",
        sa.Column("masklet_id", sa.Integer, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("person_id", sa.Integer, nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.CheckConstraint(
            "verdict IN ('satisfactory', 'unsatisfactory', 'rejected')", name="ck_review_verdict"
        ),
        sa.ForeignKeyConstraint(
            ["masklet_id"], ["masklet.id"], name="fk_review_masklet_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_review_person_id"),
        sa.PrimaryKeyConstraint("masklet_id", "round", "person_id", name="pk_review"),
    )


def downgrade() -> None:
    for name in ("review", "lease", "event", "prompt", "mask", "masklet", "checkpoint", "video", "person"):
        op.drop_table(name)
    op.drop_table("setting")
