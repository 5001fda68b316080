"""Logs: Ray Serve's own files, a JSON record a line, each with the id of the request that it belongs to.

Serve carries that id through its handles, so that both branches and the merger log the same one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

SERVE_LOGGER = logging.getLogger("ray.serve")
"""Ray Serve's own logger: in a replica it writes to that replica's file."""
logger = logging.getLogger("ray.serve.scenewright")
"""Our logger below Serve's, whose handlers and formats are set up in every replica. Never given prompts."""


@dataclass(frozen=True)
class LogConfig:
    """`access` writes a line for every request and for every call between deployments.

    `folder` is one on each node; without, the logs lie in Ray's own session folder.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    encoding: Literal["JSON", "TEXT"] = "JSON"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    access: bool = True
    folder: str | None = None

    def for_serve(self) -> dict[str, Any]:
        """Return it as ray.serve.schema.LoggingConfig takes it."""
        return {
            "encoding": self.encoding,
            "log_level": self.level,
            "enable_access_log": self.access,
            "logs_dir": self.folder,
        }
