"""What staff tell the whole course."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table."""
    op.create_table(
        "announcements",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("ended_at", WHOLE),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_announcements"),
        sa.UniqueConstraint("event_seq", name="uq_announcements_event_seq"),
    )
