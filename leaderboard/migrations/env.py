"""Run by Alembic. The connection, already inside a transaction, comes from `leaderboard.database`."""

from __future__ import annotations

from alembic import context

from leaderboard.schema import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA, render_as_batch=True)
context.run_migrations()
