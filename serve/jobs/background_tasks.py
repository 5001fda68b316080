"""Run the tasks of a job worker repeatedly, through failures of its database and its disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from ..telemetry.logs import logger

TOO_OFTEN = 10
"""The limit on consecutive failures with no database or disk error: a new worker may do better."""


async def again_and_again(act: Callable[[], Awaitable[None]], rest: Callable[[], Awaitable[None]]) -> None:
    """Call `act` and then `rest`, forever.

    Raises an error that neither the database nor the disk explains after TOO_OFTEN of them in a row.
    """
    failures = 0
    while True:
        try:
            await act()
            failures = 0
        except (SQLAlchemyError, OSError):
            logger.exception("the job worker could not use its database or picture store; it tries again")
        except Exception:  # A bug is logged, and ends the replica once it happens often.
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
        logger.error("a task of the job worker ended with an error", exc_info=error)
