"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables, and the head of the empty event log."""
    head = op.create_table(
        "chain_head",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_chain_head"),
        sa.CheckConstraint("id = 1", name="single"),
    )
    op.bulk_insert(head, [{"id": 1, "seq": 0, "hash": "0" * 64}])
    op.create_table(
        "events",
        sa.Column("seq", WHOLE, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_table(
        "participants",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("competition", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_participants"),
        sa.UniqueConstraint("competition", "name", name="uq_participants_competition_name"),
        sa.CheckConstraint("kind IN ('person', 'baseline', 'sample')", name="kind"),
    )
    op.create_table(
        "submissions",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("participant_id", WHOLE, nullable=False),
        sa.Column("entry", sa.Integer, nullable=False),
        sa.Column("client_key", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", WHOLE, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("accepted_at", WHOLE, nullable=False),
        sa.Column("quota_day", sa.Text, nullable=False),
        sa.Column("rejected_at", WHOLE),
        sa.Column("rejected_code", sa.Text),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.Column("receipt", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_submissions"),
        sa.ForeignKeyConstraint(["participant_id"], ["participants.id"], name="fk_submissions_participant_id"),
        sa.UniqueConstraint("participant_id", "entry", name="uq_submissions_participant_id_entry"),
        sa.UniqueConstraint("event_seq", name="uq_submissions_event_seq"),
        sa.CheckConstraint("size >= 0", name="size"),
        sa.CheckConstraint("(rejected_at IS NULL) = (rejected_code IS NULL)", name="rejected"),
    )
    live, rejected = sa.text("rejected_at IS NULL"), sa.text("rejected_at IS NOT NULL")
    op.create_index(
        "uq_submissions_live_key",
        "submissions",
        ["participant_id", "client_key"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("ix_submissions_day", "submissions", ["participant_id", "quota_day"])
    op.create_index(
        "ix_submissions_rejected", "submissions", ["participant_id"], sqlite_where=rejected, postgresql_where=rejected
    )
    op.create_table(
        "versions",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("competition", sa.Text, nullable=False),
        sa.Column("data_version", sa.Text, nullable=False),
        sa.Column("metric_version", sa.Text, nullable=False),
        sa.Column("higher_is_better", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_versions"),
        sa.UniqueConstraint(
            "competition",
            "data_version",
            "metric_version",
            name="uq_versions_competition_data_version_metric_version",
        ),
    )
    op.create_table(
        "grades",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("submission_id", WHOLE, nullable=False),
        sa.Column("participant_id", WHOLE, nullable=False),
        sa.Column("version_id", WHOLE, nullable=False),
        sa.Column("public", sa.Double, nullable=False),
        sa.Column("public_key", sa.Double, nullable=False),
        sa.Column("private", sa.Double),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("private_details", sa.Text, nullable=False),
        sa.Column("passed_public", sa.Text, nullable=False),
        sa.Column("passed_private", sa.Text, nullable=False),
        sa.Column("mac", sa.Text, nullable=False),
        sa.Column("graded_at", WHOLE, nullable=False),
        sa.Column("event_seq", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_grades"),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name="fk_grades_submission_id"),
        sa.ForeignKeyConstraint(["participant_id"], ["participants.id"], name="fk_grades_participant_id"),
        sa.ForeignKeyConstraint(["version_id"], ["versions.id"], name="fk_grades_version_id"),
        sa.UniqueConstraint("submission_id", "version_id", name="uq_grades_submission_id_version_id"),
        sa.UniqueConstraint("event_seq", name="uq_grades_event_seq"),
    )
    op.create_index(
        "ix_grades_best", "grades", ["participant_id", "version_id", sa.text("public_key DESC"), "submission_id"]
    )
    op.create_table(
        "selections",
        sa.Column("participant_id", WHOLE, nullable=False),
        sa.Column("submission_id", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("participant_id", "submission_id", name="pk_selections"),
        sa.ForeignKeyConstraint(["participant_id"], ["participants.id"], name="fk_selections_participant_id"),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name="fk_selections_submission_id"),
    )
    op.create_table(
        "reveals",
        sa.Column("competition", sa.Text, nullable=False),
        sa.Column("at", WHOLE, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("competition", name="pk_reveals"),
    )
