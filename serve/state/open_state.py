"""Open what a service keeps in its database: jobs, tenants and keys, those of earlier versions too."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from ..config.job_config import JobConfig
from .database import open_database
from .key_file import import_keys
from .private_files import shut


def open_state(state_folder: Path, jobs: JobConfig) -> Engine:
    """Open the database of the service with this state folder and these settings.

    Raises OSError, SQLAlchemyError, and ValueError where a file of keys of earlier versions is damaged.
    """
    if state_folder.exists():
        shut(state_folder)
    engine = open_database(jobs.database_url(state_folder))
    import_keys(engine, state_folder)
    return engine
