"""Run by alembic, over the connection of serve.jobs.database alone: there is no alembic.ini."""

from __future__ import annotations

from alembic import context

from serve.jobs.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
