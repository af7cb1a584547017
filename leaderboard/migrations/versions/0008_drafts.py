"""Answers to a quiz that are not handed in yet."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table."""
    op.create_table(
        "drafts",
        sa.Column("competition", sa.Text(), nullable=False),
        sa.Column("participant", sa.Text(), nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("saved_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("competition", "participant", name="pk_drafts"),
    )
