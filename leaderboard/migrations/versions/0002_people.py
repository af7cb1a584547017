"""People, tokens, extensions, points entered by hand, and the leases of the grading workers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add two columns and five tables; what a database holds stays as it is.

    A client key is unique among what counts and among practice, so that a practice file can be handed in anew after an
    extension.
    """
    op.add_column("submissions", sa.Column("practice", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("submissions", sa.Column("rejected_details", sa.Text))
    live = sa.text("rejected_at IS NULL")
    op.drop_index("uq_submissions_live_key", "submissions")
    op.create_index(
        "uq_submissions_live_key",
        "submissions",
        ["participant_id", "client_key", "practice"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    practice = sa.text("practice")
    op.create_index(
        "ix_submissions_practice", "submissions", ["participant_id"], sqlite_where=practice, postgresql_where=practice
    )
    op.create_table(
        "people",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("team", sa.Text),
        sa.Column("disabled_at", WHOLE),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_people"),
        sa.UniqueConstraint("key", name="uq_people_key"),
        sa.CheckConstraint("role IN ('student', 'auditor', 'ta', 'instructor')", name="role"),
    )
    live = sa.text("disabled_at IS NULL")
    op.create_index("uq_people_name", "people", ["name"], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_index("ix_people_team", "people", ["team"])
    op.create_table(
        "tokens",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("person_id", WHOLE, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.Column("expires_at", WHOLE, nullable=False),
        sa.Column("revoked_at", WHOLE),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name="fk_tokens_person_id"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
        sa.CheckConstraint("scope IN ('all', 'submit', 'read')", name="scope"),
    )
    op.create_index("ix_tokens_person_id", "tokens", ["person_id"])
    op.create_table(
        "extensions",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("competition", sa.Text, nullable=False),
        sa.Column("who_kind", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("until", WHOLE),
        sa.Column("slots", sa.Integer, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_extensions"),
        sa.UniqueConstraint("event_seq", name="uq_extensions_event_seq"),
        sa.CheckConstraint("who_kind IN ('person', 'team', 'all')", name="who_kind"),
        sa.CheckConstraint("slots >= 0", name="slots"),
    )
    op.create_index("ix_extensions_competition", "extensions", ["competition"])
    op.create_table(
        "parts",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("competition", sa.Text, nullable=False),
        sa.Column("person_key", sa.Text, nullable=False),
        sa.Column("part", sa.Text, nullable=False),
        sa.Column("points", sa.Double, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_parts"),
        sa.UniqueConstraint("event_seq", name="uq_parts_event_seq"),
    )
    op.create_index("ix_parts_person", "parts", ["competition", "person_key", "part"])
    op.create_table(
        "leases",
        sa.Column("submission_id", WHOLE, nullable=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("until", WHOLE, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failed_code", sa.Text),
        sa.PrimaryKeyConstraint("submission_id", name="pk_leases"),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name="fk_leases_submission_id"),
        sa.CheckConstraint("attempts >= 0", name="attempts"),
    )
