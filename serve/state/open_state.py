"""Open the database of a service: jobs, tenants, keys, pictures and usage."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from ..config.job_config import JobConfig
from .database import open_database
from .private_files import shut


def open_state(state_folder: Path, jobs: JobConfig) -> Engine:
    """Open the database of the service with this state folder and these settings.

    Raises OSError, SQLAlchemyError, and NewerDatabase.
    """
    if state_folder.exists():
        shut(state_folder)
    return open_database(jobs.database_url(state_folder))
