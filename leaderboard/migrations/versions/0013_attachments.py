"""The second files of homeworks, and the points by hand that were given for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table and one column."""
    op.create_table(
        "attachments",
        sa.Column("id", WHOLE, autoincrement=False, nullable=False),
        sa.Column("competition", sa.Text(), nullable=False),
        sa.Column("participant", sa.Text(), nullable=False),
        sa.Column("person_key", sa.Text(), nullable=False),
        sa.Column("client_key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_attachments"),
        sa.UniqueConstraint(
            "competition", "participant", "client_key", name="uq_attachments_competition_participant_client_key"
        ),
        sa.UniqueConstraint("event_seq", name="uq_attachments_event_seq"),
        sa.CheckConstraint("kind IN ('pdf', 'zip')", name="kind"),
        sa.CheckConstraint("size > 0", name="size"),
    )
    op.create_index("ix_attachments_sha256", "attachments", ["sha256"])
    op.add_column("parts", sa.Column("attachment", WHOLE))
