"""Sessions of browsers that were signed out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table; what a database holds stays as it is."""
    op.create_table(
        "ended_sessions",
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("ends_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("session", name="pk_ended_sessions"),
    )
