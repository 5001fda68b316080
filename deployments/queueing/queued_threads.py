"""Run work in threads, each piece when its turn comes and there is memory for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from deployments.failures import in_thread
from deployments.queueing.freed_memory import return_freed_memory
from deployments.queueing.work_queue import Work, WorkQueue

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class QueuedThreads(WorkQueue):
    """A queue of work that is done in threads."""

    async def run(
        self,
        asked: Work,
        work: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `work` in a thread when its turn comes. Raises only errors of ours.

        A thread cannot be stopped: where its caller leaves, its turn ends when the thread does.
        """
        release = await self.take(asked)

        def done(working: asyncio.Future[Result]) -> None:
            if not working.cancelled():
                working.exception()  # Its caller may have left.
            return_freed_memory(asked.memory_bytes)
            release()

        working = asyncio.ensure_future(in_thread(work, *args, **kwargs))
        working.add_done_callback(done)
        return await asyncio.shield(working)
