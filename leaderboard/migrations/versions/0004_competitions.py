"""Which grading version counts for each competition."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add one table, with a row for each competition that has grades.

    The only version of a competition counts or, of several, the one with the newest grade.
    """
    op.create_table(
        "competitions",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("version_id", WHOLE, nullable=False),
        sa.Column("prepared_at", WHOLE),
        sa.Column("description", sa.Text),
        sa.Column("digest", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_competitions"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_competitions_version_id"),
        sa.UniqueConstraint("name", "number", name="uq_competitions_name_number"),
    )
    connection = op.get_bind()
    newest = connection.execute(
        sa.text(
            "SELECT v.competition, v.id, (SELECT max(g.id) FROM grades g WHERE g.version_id = v.id) FROM versions v"
        )
    ).fetchall()
    counting = {key: version for key, version, _ in sorted(newest, key=lambda row: (row[2] or 0, row[1]))}
    for key, version in sorted(counting.items()):
        name, _, number = key.rpartition("/")
        if name and number.isdecimal():
            connection.execute(
                sa.text(
                    "INSERT INTO competitions (key, name, number, version_id) VALUES (:key, :name, :number, :version)"
                ),
                {"key": key, "name": name, "number": int(number), "version": version},
            )
