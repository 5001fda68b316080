"""Run the migrations from alembic, only over the connection of serve.state.database.

There is no alembic.ini.
"""

from __future__ import annotations

from alembic import context

from serve.state import job_tables, picture_tables, tenant_tables  # noqa: F401 (they fill metadata)
from serve.state.database import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
