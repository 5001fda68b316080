"""Call replicas: again where one was lost or is not ready, all or none of several, within a deadline.

A branch whose replica died is painted again alone: the seed is fixed, so the picture is the same.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

from grpc.aio import AioRpcError
from ray.exceptions import RayActorError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError

from deployments.errors import DeadlineExceeded, GenerationFailed, NotReady, Overloaded

from ..telemetry.scene_spans import note_loss
from .admission_control import QUEUE_FULL

Result = TypeVar("Result")
Response = Any
"""Ray types what `remote` returns as a response or a stream of them, so that neither can be awaited."""
FREES_IN_S = 2.0
"""The wait for a place in a queue, where its speed is not known."""
MAX_LOSSES = 3
"""How often a branch may lose its replica before the request is given up."""
MAX_REFUSALS = 16
"""How many replicas may say that they are not ready: each is known to be so from then on."""
LOST = (RayActorError, DeploymentUnavailableError, ReplicaUnavailableError, AioRpcError)
"""A connection that breaks on the way is a lost replica too: its caller cannot tell them apart."""


async def whole(response: Response) -> tuple[Response, Any]:
    return response, await response


async def call_until_kept(
    call: Callable[[], Response],
    receive: Callable[[Response], Awaitable[tuple[Any, Any]]] = whole,
    frees_in_s: Callable[[], float | None] = lambda: None,
    elsewhere: Callable[[], bool] = lambda: False,
) -> tuple[Any, Any]:
    """Call, and call again where the replica was lost under it, or is not ready while another may be.

    Cancelling this cancels the call.
    """
    losses = refusals = 0
    while True:
        response = call()
        try:
            return await receive(response)
        except NotReady:
            refusals += 1
            if refusals == MAX_REFUSALS or not elsewhere():
                raise
        except BackPressureError as error:
            raise Overloaded(QUEUE_FULL, retry_after_s=frees_in_s() or FREES_IN_S) from error
        except LOST as error:
            losses += 1
            note_loss(losses)
            if losses == MAX_LOSSES:
                raise GenerationFailed(
                    "the replicas painting this request were lost, again and again"
                ) from error
        except (asyncio.CancelledError, TaskCancelledError) as error:
            response.cancel()
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # In local testing mode the class is Ray's own, which asyncio.timeout takes for a failure.
                raise asyncio.CancelledError from error
            raise


async def all_or_none(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Return all results, or raise the first failure with the rest cancelled and gone."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


class Deadline:
    """asyncio.timeout_at for a time of the monotonic clock, raising the contract's error."""

    def __init__(self, deadline_at: float) -> None:
        self._timeout = asyncio.timeout(max(0.0, deadline_at - time.monotonic()))

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *raised: Any) -> None:
        try:
            await self._timeout.__aexit__(*raised)
        except TimeoutError as error:
            raise DeadlineExceeded("the picture was not done within deadline_s") from error
