"""What refused files may take up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table, and an index to find who else handed in the same bytes."""
    op.create_table(
        "dropped",
        sa.Column("submission_id", WHOLE, nullable=False, autoincrement=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("submission_id", name="pk_dropped"),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name="fk_dropped_submission_id"),
    )
    op.create_index("ix_submissions_sha256", "submissions", ["sha256"])
