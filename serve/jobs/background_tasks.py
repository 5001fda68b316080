"""Run the tasks of a job worker again and again, through failures of its database and its disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from ..telemetry.logs import logger

TOO_OFTEN = 10
"""Failures in a row that neither the database nor a disk explains: a new worker may fare better."""


async def again_and_again(act: Callable[[], Awaitable[None]], rest: Callable[[], Awaitable[None]]) -> None:
    """Act and rest, for ever.

    Raises what neither the database nor the disk explains, once it happens often.
    """
    failures = 0
    while True:
        try:
            await act()
            failures = 0
        except (SQLAlchemyError, OSError):
            logger.exception("jobs cannot be worked off at present")
        except Exception:  # A fault of ours is logged, and ends the replica once it happens often.
            failures += 1
            if failures == TOO_OFTEN:
                raise
            logger.exception("the job worker failed")
        await rest()


def sleeping(seconds: float) -> Callable[[], Awaitable[None]]:
    return partial(asyncio.sleep, seconds)


def log_error(task: asyncio.Task[None]) -> None:
    """Log why a task ended: nobody awaits it, so its error would be lost."""
    if not task.cancelled() and (error := task.exception()):
        logger.error("a task of the job worker has ended", exc_info=error)
