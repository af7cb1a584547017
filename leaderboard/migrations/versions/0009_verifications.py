"""Submissions that a model of the allowed size has reproduced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table."""
    op.create_table(
        "verifications",
        sa.Column("id", WHOLE, nullable=False, autoincrement=False),
        sa.Column("submission_id", WHOLE, nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("parameters", WHOLE, nullable=False),
        sa.Column("equal_rows", WHOLE, nullable=False),
        sa.Column("all_rows", WHOLE, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_verifications"),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.id"], name="fk_verifications_submission_id_submissions"
        ),
        sa.UniqueConstraint("submission_id", name="uq_verifications_submission_id"),
        sa.UniqueConstraint("event_seq", name="uq_verifications_event_seq"),
    )
    op.create_index("ix_verifications_model", "verifications", ["model"])
