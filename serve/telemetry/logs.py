"""Logs: Ray Serve's own files, one JSON record per line, each with the id of its request.

Serve passes that id on through its handles, so both branches and the merger log the same one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

SERVE_LOGGER = logging.getLogger("ray.serve")
"""Ray Serve's own logger; in a replica it writes to that replica's file."""
logger = logging.getLogger("ray.serve.scenewright")
"""Our logger, a child of Serve's, which has its handlers and formats in every replica. Never log prompts."""


@dataclass(frozen=True)
class LogConfig:
    """`access` writes a line for every request and for every call between deployments.

    `folder` is a path on each node; without it the logs are in Ray's own session folder.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    encoding: Literal["JSON", "TEXT"] = "JSON"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access: bool = True
    folder: str | None = None

    def for_serve(self) -> dict[str, Any]:
        """Return the fields of ray.serve.schema.LoggingConfig."""
        return {
            "encoding": self.encoding,
            "log_level": self.level,
            "enable_access_log": self.access,
            "logs_dir": self.folder,
        }
