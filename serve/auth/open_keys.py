"""Opening the keys of a service, which lie in the database of its jobs."""

from __future__ import annotations

from pathlib import Path

from ..config.job_config import JobConfig
from ..state.open_state import open_state
from .key_store import KeyStore


def open_keys(state_folder: Path, jobs: JobConfig | None = None) -> KeyStore:
    """Return the keys of the service with this state folder and these settings.

    Raises OSError, SQLAlchemyError, and ValueError where a file of keys of earlier versions is damaged.
    """
    return KeyStore(open_state(state_folder, jobs or JobConfig()))
