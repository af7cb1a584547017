"""The tables, declared once. Alembic's migrations create them; a test compares the two.

Instants are UTC microseconds since 1970. Ids are given out by the writer under the lock of `Database.transaction`, so
that they count up without gaps in the order of acceptance. Scores are doubles; `*_key` is the score with its sign
turned where lower is better, so that one index and one order serve both directions.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

WHOLE = BigInteger().with_variant(Integer(), "sqlite")  # SQLite's Integer has 64 bits and can be the row id

CHAIN_HEAD = Table(
    "chain_head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", WHOLE, nullable=False),
    Column("hash", Text, nullable=False),
    CheckConstraint("id = 1", name="single"),
)
"""One row: number and hash of the latest event. Every writer locks it first."""

EVENTS = Table(
    "events",
    METADATA,
    Column("seq", WHOLE, primary_key=True, autoincrement=False),
    Column("at", WHOLE, nullable=False),
    Column("kind", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
"""The append-only log. Nothing in it depends on a hidden answer."""

PARTICIPANTS = Table(
    "participants",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("competition", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", WHOLE, nullable=False),
    UniqueConstraint("competition", "name"),
    CheckConstraint("kind IN ('person', 'baseline', 'sample')", name="kind"),
)
"""The participants of each competition. `name` never changes: a person's key, a team's handle, or any name at home."""

SUBMISSIONS = Table(
    "submissions",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("participant_id", WHOLE, ForeignKey("participants.id"), nullable=False),
    Column("entry", Integer, nullable=False),
    Column("client_key", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", WHOLE, nullable=False),
    Column("filename", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("accepted_at", WHOLE, nullable=False),
    Column("quota_day", Text, nullable=False),
    Column("rejected_at", WHOLE),
    Column("rejected_code", Text),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    Column("receipt", Text, nullable=False),
    Column("practice", Boolean, nullable=False, server_default=false()),
    Column("rejected_details", Text),
    UniqueConstraint("participant_id", "entry"),
    CheckConstraint("size >= 0", name="size"),
    CheckConstraint("(rejected_at IS NULL) = (rejected_code IS NULL)", name="rejected"),
)
"""The submissions. `entry` counts the submissions of a participant from 1; `id` is the order of acceptance.

`practice` marks a late file: it is graded and shown to its owner, but not ranked. `rejected_details` is JSON for the
owner with the problems of the file.
"""

Index(
    "uq_submissions_live_key",
    SUBMISSIONS.c.participant_id,
    SUBMISSIONS.c.client_key,
    SUBMISSIONS.c.practice,
    unique=True,
    sqlite_where=text("rejected_at IS NULL"),
    postgresql_where=text("rejected_at IS NULL"),
)
Index("ix_submissions_day", SUBMISSIONS.c.participant_id, SUBMISSIONS.c.quota_day)
Index("ix_submissions_bytes", SUBMISSIONS.c.participant_id, SUBMISSIONS.c.sha256)
Index(
    "ix_submissions_rejected",
    SUBMISSIONS.c.participant_id,
    sqlite_where=text("rejected_at IS NOT NULL"),
    postgresql_where=text("rejected_at IS NOT NULL"),
)
Index(
    "ix_submissions_practice",
    SUBMISSIONS.c.participant_id,
    sqlite_where=text("practice"),
    postgresql_where=text("practice"),
)

Index("ix_submissions_sha256", SUBMISSIONS.c.sha256)

DROPPED = Table(
    "dropped",
    METADATA,
    Column("submission_id", WHOLE, ForeignKey("submissions.id"), primary_key=True, autoincrement=False),
    Column("at", WHOLE, nullable=False),
)
"""Refused submissions whose bytes are no longer kept, and since when."""

VERSIONS = Table(
    "versions",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("competition", Text, nullable=False),
    Column("data_version", Text, nullable=False),
    Column("metric_version", Text, nullable=False),
    Column("higher_is_better", Boolean, nullable=False),
    UniqueConstraint("competition", "data_version", "metric_version"),
)
"""The versions that scores were computed with. Scores of different versions are never ranked together."""

COMPETITIONS = Table(
    "competitions",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("version_id", WHOLE, ForeignKey("versions.id"), nullable=False),
    Column("prepared_at", WHOLE),
    Column("description", Text),
    Column("digest", Text),
    UniqueConstraint("name", "number"),
)
"""The data versions of each competition; `key` is "name/number". The highest number of a name is current.

`version_id` is the version whose scores count on its board. `description` is that of its public folder, as JSON
without the ids; `digest` covers that folder's files. Data prepared by an older release are described on first use.
"""

RULES = Table(
    "rules",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("rules", Text, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
)
"""The rules of a competition's name that differ from its edition's, as JSON; no row before their first change."""

BARS = Table(
    "bars",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("bars", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
)
"""The bars that were measured on data, with private thresholds, as JSON; no row for those that data came with.

Their seal `mac` stands here and not in the log, since it depends on hidden answers.
"""

GRADES = Table(
    "grades",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("submission_id", WHOLE, ForeignKey("submissions.id"), nullable=False),
    Column("participant_id", WHOLE, ForeignKey("participants.id"), nullable=False),
    Column("version_id", WHOLE, ForeignKey("versions.id"), nullable=False),
    Column("public", Double, nullable=False),
    Column("public_key", Double, nullable=False),
    Column("private", Double),
    Column("details", Text, nullable=False),
    Column("private_details", Text, nullable=False),
    Column("passed_public", Text, nullable=False),
    Column("passed_private", Text, nullable=False),
    Column("mac", Text, nullable=False),
    Column("graded_at", WHOLE, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    UniqueConstraint("submission_id", "version_id"),
)
"""One row for each submission and version, never changed."""

Index(
    "ix_grades_best",
    GRADES.c.participant_id,
    GRADES.c.version_id,
    GRADES.c.public_key.desc(),
    GRADES.c.submission_id,
)

SELECTIONS = Table(
    "selections",
    METADATA,
    Column("participant_id", WHOLE, ForeignKey("participants.id"), primary_key=True, autoincrement=False),
    Column("submission_id", WHOLE, ForeignKey("submissions.id"), primary_key=True, autoincrement=False),
)
"""The submissions that participants chose for the private board."""

REVEALS = Table(
    "reveals",
    METADATA,
    Column("competition", Text, primary_key=True),
    Column("at", WHOLE, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
"""When the private scores of a competition were revealed, by whom and why."""

PEOPLE = Table(
    "people",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("key", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("team", Text),
    Column("disabled_at", WHOLE),
    Column("created_at", WHOLE, nullable=False),
    UniqueConstraint("key"),
    CheckConstraint("role IN ('student', 'auditor', 'ta', 'instructor')", name="role"),
)
"""The roster. `key` is the student id, or a login name for staff; `name` is what boards show.

`team` is the handle of the person's team now; `MEMBERSHIPS` fixes it for homeworks with submissions.
"""

Index(
    "uq_people_name",
    PEOPLE.c.name,
    unique=True,
    sqlite_where=text("disabled_at IS NULL"),
    postgresql_where=text("disabled_at IS NULL"),
)
Index("ix_people_team", PEOPLE.c.team)

TEAMS = Table(
    "teams",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("handle", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("handle"),
    UniqueConstraint("name"),
)
"""All present and former teams. `handle` never changes and is used in records; `name` is what people see."""

MEMBERSHIPS = Table(
    "memberships",
    METADATA,
    Column("competition", Text, primary_key=True),
    Column("person_id", WHOLE, ForeignKey("people.id"), primary_key=True, autoincrement=False),
    Column("participant", Text, nullable=False),
    Column("event_seq", WHOLE, nullable=False),
)
"""Each person's participant in a competition, fixed by its first file, whatever the roster says later."""

Index("ix_memberships_participant", MEMBERSHIPS.c.competition, MEMBERSHIPS.c.participant)
Index("ix_memberships_person_id", MEMBERSHIPS.c.person_id)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("person_id", WHOLE, ForeignKey("people.id"), nullable=False),
    Column("hash", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", WHOLE, nullable=False),
    Column("expires_at", WHOLE, nullable=False),
    Column("revoked_at", WHOLE),
    UniqueConstraint("hash"),
    CheckConstraint("scope IN ('all', 'submit', 'read')", name="scope"),
)
"""Login tokens. `hash` is the SHA-256 of a token; the token itself is not stored."""

Index("ix_tokens_person_id", TOKENS.c.person_id)

ENDED_SESSIONS = Table(
    "ended_sessions",
    METADATA,
    Column("session", Text, primary_key=True),
    Column("ends_at", WHOLE, nullable=False),
)
"""Browser sessions that were signed out early, kept until they would have ended."""

EXTENSIONS = Table(
    "extensions",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("competition", Text, nullable=False),
    Column("who_kind", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("until", WHOLE),
    Column("slots", Integer, nullable=False),
    Column("day", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    CheckConstraint("who_kind IN ('person', 'team', 'all')", name="who_kind"),
    CheckConstraint("slots >= 0", name="slots"),
)
"""More time or more slots for one competition, never changed.

`who` is a person's key, a team's handle, or empty for all. `until` is the last instant in time, or null if only
slots are given; `slots` is the number of extra slots on the quota day `day`, or on every day if that is empty.
"""

Index("ix_extensions_competition", EXTENSIONS.c.competition)

PARTS = Table(
    "parts",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("competition", Text, nullable=False),
    Column("person_key", Text, nullable=False),
    Column("part", Text, nullable=False),
    Column("points", Double, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    Column("attachment", WHOLE),
)
"""Points entered by hand. The latest entry for a competition, person and part wins.

`attachment` is the number of the second file that they were given for, where one was named.
"""

Index("ix_parts_person", PARTS.c.competition, PARTS.c.person_key, PARTS.c.part)

VERIFICATIONS = Table(
    "verifications",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("submission_id", WHOLE, ForeignKey("submissions.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("size", WHOLE, nullable=False),
    Column("parameters", WHOLE, nullable=False),
    Column("equal_rows", WHOLE, nullable=False),
    Column("all_rows", WHOLE, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    UniqueConstraint("submission_id"),
)
"""The submissions that a model of the allowed size has reproduced, never changed. `model` is its SHA-256."""

Index("ix_verifications_model", VERIFICATIONS.c.model)

DRAFTS = Table(
    "drafts",
    METADATA,
    Column("competition", Text, primary_key=True),
    Column("participant", Text, primary_key=True),
    Column("answers", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("saved_at", WHOLE, nullable=False),
)
"""The saved answers of a participant to a quiz, not handed in: JSON by question. `revision` counts changes."""

ANNOUNCEMENTS = Table(
    "announcements",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("ended_at", WHOLE),
    Column("event_seq", WHOLE, nullable=False, unique=True),
)
"""What staff tell the whole course, as plain text, until it ends. The log has the text's SHA-256."""

ATTACHMENTS = Table(
    "attachments",
    METADATA,
    Column("id", WHOLE, primary_key=True, autoincrement=False),
    Column("competition", Text, nullable=False),
    Column("participant", Text, nullable=False),
    Column("person_key", Text, nullable=False),
    Column("client_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", WHOLE, nullable=False),
    Column("filename", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("at", WHOLE, nullable=False),
    Column("event_seq", WHOLE, nullable=False, unique=True),
    Column("receipt", Text, nullable=False),
    UniqueConstraint("competition", "participant", "client_key"),
    CheckConstraint("kind IN ('pdf', 'zip')", name="kind"),
    CheckConstraint("size > 0", name="size"),
)
"""The second files of homeworks, such as reports and code, never changed. The latest one of a participant counts.

`competition` is the homework's name, whatever data it has; `person_key` is who handed it in, `day` its quota day.
"""

Index("ix_attachments_sha256", ATTACHMENTS.c.sha256)

LEASES = Table(
    "leases",
    METADATA,
    Column("submission_id", WHOLE, ForeignKey("submissions.id"), primary_key=True, autoincrement=False),
    Column("worker", Text, nullable=False),
    Column("until", WHOLE, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_code", Text),
    Column("losses", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("attempts >= 0", name="attempts"),
    CheckConstraint("losses >= 0", name="losses"),
)
"""Who grades which submission until when, and the error code of a failed one.

`attempts` counts the failed gradings, `losses` the leases whose worker never reported, including a live one.
"""
