"""Run what blocks on the database and the picture store, and turn their failures into refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady

from ..http.error_responses import Refusal
from ..state.disk_space import FULL, is_full
from ..telemetry.logs import logger

Result = TypeVar("Result")
ROOM_S = 60.0
"""The seconds until there may be room: a worker forgets what is old each minute."""


async def in_thread(work: Callable[[], Result], kept: str) -> Result:
    """Run `work`. `kept` names what could not be kept. Raises NotReady, and Refusal 507 for a full disk."""
    try:
        return await asyncio.to_thread(work)
    except (SQLAlchemyError, OSError, ValueError) as error:
        logger.exception("%s cannot be kept", kept)
        if is_full(error):
            raise Refusal(507, "insufficient_storage", FULL, retry_after_s=ROOM_S) from None
        raise NotReady(f"{kept} cannot be kept at present", retry_after_s=5) from None
