"""Find the file that this process logs to, so that a message that points to the log can name it."""

from __future__ import annotations

import logging
import os
from logging.handlers import MemoryHandler

OURS = logging.getLogger("deployments")


def see_log() -> str:
    """Point to the log by its path; without a path where this process logs to no file."""
    path = log_file()
    return f"the replica's log says why: {path}" if path else "the replica's log says why"


def log_file() -> str | None:
    """Return the path of the file that the records of this package go to; None where they go to none."""
    logger: logging.Logger | None = OURS
    while logger is not None:
        for handler in logger.handlers:
            if path := _path(handler):
                return path
        logger = logger.parent if logger.propagate else None
    return None


def log_through(other: logging.Logger) -> None:
    """Write the records of this package to the files of `other` too, from its level on."""
    for handler in other.handlers:
        if _path(handler) and handler not in OURS.handlers:
            OURS.setLevel(other.level)
            OURS.addHandler(handler)


def _path(handler: logging.Handler) -> str | None:
    target = handler.target if isinstance(handler, MemoryHandler) else handler
    path = target.baseFilename if isinstance(target, logging.FileHandler) else None
    return None if path == os.devnull else path
