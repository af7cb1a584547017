"""Lost workers, counted apart from failed attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column to `leases`. A lease that nobody has ended was counted as an attempt, and is a loss from now on."""
    with op.batch_alter_table("leases") as leases:
        leases.add_column(sa.Column("losses", sa.Integer, nullable=False, server_default=sa.text("0")))
        leases.create_check_constraint(op.f("ck_leases_losses"), "losses >= 0")
    op.execute(
        "UPDATE leases SET attempts = attempts - 1, losses = 1 WHERE failed_code IS NULL AND until > 0 AND attempts > 0"
    )
