"""Run work that blocks on the database or the picture store, and turn its failures into refusals."""

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
"""The seconds until there may be room: a worker deletes expired data every minute."""


async def in_thread(work: Callable[[], Result], kept: str) -> Result:
    """Run `work`. `kept` names the data in errors. Raises NotReady, or Refusal 507 if the disk is full."""
    try:
        return await asyncio.to_thread(work)
    except (SQLAlchemyError, OSError, ValueError) as error:
        logger.exception("the store of %s is unavailable", kept)
        if is_full(error):
            raise Refusal(507, "insufficient_storage", FULL, retry_after_s=ROOM_S) from None
        raise NotReady(f"the store of {kept} is unavailable; try again", retry_after_s=5) from None
