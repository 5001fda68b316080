"""Find the file that this process logs to, so that messages about the log can name it."""

from __future__ import annotations

import logging
import os
from logging.handlers import MemoryHandler

OURS = logging.getLogger("deployments")


def see_log() -> str:
    """Return a pointer to the log, with its path if this process logs to a file."""
    path = log_file()
    return f"see the replica's log: {path}" if path else "see the replica's log"


def log_file() -> str | None:
    """Return the path of the file that this package's records go to, or None if they go to none."""
    logger: logging.Logger | None = OURS
    while logger is not None:
        for handler in logger.handlers:
            if path := _path(handler):
                return path
        logger = logger.parent if logger.propagate else None
    return None


def log_through(other: logging.Logger) -> None:
    """Also write this package's records to the files of `other`, at its level and above."""
    for handler in other.handlers:
        if _path(handler) and handler not in OURS.handlers:
            OURS.setLevel(other.level)
            OURS.addHandler(handler)


def _path(handler: logging.Handler) -> str | None:
    target = handler.target if isinstance(handler, MemoryHandler) else handler
    path = target.baseFilename if isinstance(target, logging.FileHandler) else None
    return None if path == os.devnull else path
